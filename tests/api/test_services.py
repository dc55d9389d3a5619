"""What handlers work with, put together."""

from __future__ import annotations

from appliance.api.services import SetupLink
from tests.support.api_server import SECRET, ApiServer


def test_a_setup_link_is_spent_once() -> None:
    link = SetupLink("token")
    assert link.token == "token"
    link.spend()
    assert link.token is None


def test_one_clock_for_all(plain: ApiServer) -> None:
    services = plain.services
    assert services.now_s() == services.now_ms() // 1000
    token = services.tokens.access(user_id="u", session_id="s", token_id="t", now_s=services.now_s(), ttl_s=5)
    assert services.tokens.read_access(token, now_s=services.now_s()).sub == "u"
    assert SECRET.decode() not in repr(services.tokens) + repr(services.csrf)
