"""Exceptions as the envelope of errors."""

from __future__ import annotations

import json

from werkzeug.exceptions import ImATeapot, MethodNotAllowed, NotFound, RequestEntityTooLarge, ServiceUnavailable

from appliance.api.problems import as_user_error, internal_error, problem
from appliance.errors import UserError
from appliance.store.database import DatabaseUnavailableError


def test_a_refusal_as_bytes() -> None:
    error = UserError(429, "rate_limited", "too many", field="login", retry_after_s=0.2)
    status, headers, body = problem(error, "req_x")
    assert (status, headers["Retry-After"], headers["Content-Type"]) == (429, "1", "application/json")
    assert json.loads(body) == {
        "code": 429,
        "message": "too many",
        "error": "rate_limited: login",
        "request_id": "req_x",
    }
    _, headers, body = problem(UserError(401, "token_expired", "old"), "r")
    assert headers["WWW-Authenticate"] == "Bearer" and json.loads(body)["error"] == "token_expired"


def test_what_is_the_callers_business() -> None:
    own = UserError(404, "not_found", "x")
    assert as_user_error(own) is own
    assert as_user_error(ExceptionGroup("", [ExceptionGroup("", [own])])) is own
    found = {type(error): as_user_error(error) for error in (NotFound(), MethodNotAllowed(), RequestEntityTooLarge())}
    assert [(e.status, e.code) for e in found.values() if e] == [
        (404, "not_found"),
        (405, "method_not_allowed"),
        (413, "payload_too_large"),
    ]
    teapot = as_user_error(ImATeapot())
    assert teapot is not None and (teapot.status, teapot.code) == (418, "bad_request")
    away = as_user_error(DatabaseUnavailableError("secret host"))
    assert away is not None and away.status == 503 and "secret" not in str(away)


def test_what_is_ours() -> None:
    both = ExceptionGroup("", [ValueError(), KeyError()])
    for error in (RuntimeError("x"), KeyError("x"), ServiceUnavailable(), both):
        assert as_user_error(error) is None
    assert (internal_error().status, internal_error().code) == (500, "internal_error")
