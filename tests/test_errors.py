"""Errors carry what an answer, a frame or a terminal needs."""

from __future__ import annotations

from appliance.errors import ConfigError, ParleyError, UserError


def test_a_user_error_has_status_code_field_and_pause() -> None:
    error = UserError(429, "rate_limited", "too many attempts", field="login", retry_after_s=3.5)
    assert isinstance(error, ParleyError)
    assert (error.status, error.code, str(error)) == (429, "rate_limited", "too many attempts")
    assert (error.field, error.retry_after_s) == ("login", 3.5)


def test_a_config_error_is_its_sentence() -> None:
    error = ConfigError("http.port = 0: no")
    assert isinstance(error, ParleyError)
    assert (error.code, str(error)) == ("config", "http.port = 0: no")
