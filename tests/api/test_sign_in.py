"""The two forms of a sign-in."""

from __future__ import annotations

from appliance.api.call import Reply
from appliance.api.shapes import CookieSession, Tokens
from appliance.api.sign_in import cleared_cookies, new_session, signed_in
from tests.api.test_call import call
from tests.support import stored_rows as rows
from tests.support.api_server import ApiServer


def answer(plain: ApiServer, kind: str) -> Reply:
    request = call(plain)
    session = new_session(request, "usr_ann", kind)  # type: ignore[arg-type]
    assert session.expires_at_ms == request.now_ms + 604_800_000 and session.address == "192.0.2.7"
    return signed_in(request, rows.user("ann"), session)


def test_bearer_tokens_are_in_the_body(plain: ApiServer) -> None:
    reply = answer(plain, "bearer")
    assert isinstance(reply.data, Tokens) and reply.cookies == ()
    assert reply.data.user.last_login_at == "1970-01-01T00:00:05.000Z"
    claims = plain.services.tokens.read_refresh(reply.data.refresh_token, now_s=plain.services.now_s())
    assert claims.sub == "usr_ann" and claims.jti.startswith("rft_")


def test_cookie_tokens_are_not(plain: ApiServer) -> None:
    reply = answer(plain, "cookie")
    assert isinstance(reply.data, CookieSession)
    names = [cookie.name for cookie in reply.cookies]
    assert names == ["parley_access", "parley_refresh"] == [cookie.name for cookie in cleared_cookies()]
    assert [cookie.max_age_s for cookie in reply.cookies] == [86_400, 604_800]
    claims = plain.services.tokens.read_access(reply.cookies[0].value, now_s=plain.services.now_s())
    assert plain.services.csrf.matches(claims.sid, reply.data.csrf_token)
