"""The table of URLs: every row is served, documented and guarded; every handler fits its row."""

from __future__ import annotations

import inspect
import re

import pytest

from appliance.api.routes import ROUTES, Route
from tests.support.api_server import ApiServer


def label(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.mark.parametrize("route", ROUTES, ids=label)
def test_a_handler_takes_what_its_row_gives(route: Route) -> None:
    expected = {"call"} | set(re.findall(r"{(\w+)}", route.path))
    if route.body is not None:
        expected.add("body")
    if route.query.__struct_fields__:
        expected.add("query")
    if route.upload:
        expected.add("upload")
    if route.content is not None:
        expected.add("content")
    if route.stream is not None:
        expected.add("incoming")
    assert set(inspect.signature(route.handler).parameters) == expected
    assert inspect.getdoc(route.handler)
    takes_body = route.body is not None or route.upload or route.content is not None or route.stream is not None
    assert takes_body == (route.method in ("POST", "PUT", "PATCH", "DELETE"))


def test_no_url_is_there_twice() -> None:
    every = [(route.method, path) for route in ROUTES for path in (route.path, *route.aliases)]
    assert len(every) == len(set(every))


# Spelled out a second time on purpose: opening a row to the public must be done in two places.
PUBLIC = {
    "GET /api/v1/info",
    "GET /api/v1/setup",
    "POST /api/v1/setup",
    "POST /api/v1/auth/register",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/refresh",
    "GET /api/v1/avatars/{name}.webp",
    "GET /api/v1/shared/{token}",
    "GET /api/v1/shared/{token}/file",
    "GET /api/v1/shared/{token}/thumbnail",
    "GET /api/v1/shared/{token}/captions.vtt",
    "GET /api/v1/health",
    "OPTIONS /api/v1/media/uploads",
    "OPTIONS /api/v1/media/uploads/{upload_id}",
    "GET /health",
    "GET /ready",
    "GET /openapi.json",
    "GET /docs",
}
OPTIONAL = {
    "GET /api/v1/meetings/{meeting_id}",
    "POST /api/v1/meetings/{meeting_id}/join",
    "POST /api/v1/meetings/{meeting_id}/leave",
    "GET /api/v1/meetings/{meeting_id}/calendar.ics",
    "GET /metrics",
}
# Handlers read a bearer token themselves; OPTIONS and GET say nothing of any meeting.
BY_TOKEN = {
    f"{line.replace('/', base + '/', 1)}"
    for base in ("", "/api/v1")
    for protocol in ("whip", "whep")
    for line in (
        f"GET /{protocol}/{{meeting_id}}",
        f"OPTIONS /{protocol}/{{meeting_id}}",
        f"POST /{protocol}/{{meeting_id}}",
        f"OPTIONS /{protocol}/{{meeting_id}}/{{stream_id}}",
        f"PATCH /{protocol}/{{meeting_id}}/{{stream_id}}",
        f"DELETE /{protocol}/{{meeting_id}}/{{stream_id}}",
    )
}


def test_what_strangers_reach() -> None:
    assert {label(route) for route in ROUTES if route.access == "public"} == PUBLIC
    assert {label(route) for route in ROUTES if route.access == "optional"} == OPTIONAL
    assert {label(route) for route in ROUTES if route.access == "token"} == BY_TOKEN
    for route in ROUTES:
        admin = route.path.startswith(("/api/v1/admin/", "/api/v1/stats", "/api/v1/rooms/", "/api/v1/ai/setup"))
        assert (route.access == "admin") == admin


def test_everything_else_asks_for_a_sign_in(plain: ApiServer) -> None:
    user = plain.user("nobody")
    for route in ROUTES:
        if route.access in ("public", "optional", "token"):
            continue
        path = "!" + re.sub(r"{\w+}", "x", route.path)
        signed_out = plain.request(route.method, path, {} if route.body else None)
        assert signed_out.status == 401, label(route)
        assert route.method == "HEAD" or signed_out.code == "sign_in_required", label(route)
        if route.access == "admin":
            assert user.call(route.method, path, {} if route.body else None).code == "forbidden", label(route)
