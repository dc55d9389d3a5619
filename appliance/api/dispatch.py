"""From a request to its answer, the same way for every route.

Owns the order: rate limit, who calls, CSRF, access, body and query, handler, envelope. Refuses to know what any
endpoint does. Each step that refuses raises UserError; `problems` writes it down.
"""

from __future__ import annotations

from typing import Any

import msgspec
from quart_trio.wrappers import TrioRequest

from appliance.api.addresses import request_origin
from appliance.api.bodies import Empty
from appliance.api.call import Blob, Call, Caller, Cookie, Reply
from appliance.api.json_bodies import decode_untrusted, to_struct
from appliance.api.limits import limit_of
from appliance.api.routes import Route
from appliance.api.services import Services
from appliance.api.sign_in import ACCESS_COOKIE
from appliance.auth.csrf import is_cross_site, origin_of
from appliance.auth.tokens import AccessClaims
from appliance.errors import UserError
from appliance.store import sessions, users
from appliance.store.database import Conn
from appliance.store.sessions import Session
from appliance.store.users import User

CSRF_HEADER = "x-csrf-token"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What goes back, free of any framework."""

    status: int
    headers: list[tuple[str, str]]
    content: bytes


class _Envelope(msgspec.Struct, frozen=True):
    code: int
    message: str
    data: Any


async def dispatch(
    services: Services, route: Route, request: TrioRequest, request_id: str, path_args: dict[str, str]
) -> Answer:
    """Answer one request. Raises UserError for every refusal."""
    call = _make_call(services, request, request_id)
    claims, by_cookie = _presented(call) if route.access != "public" else (None, False)
    limit = limit_of(route.limit, services.settings.limits)
    if limit is not None:
        call.limit(f"{route.method} {route.path}", limit, who=None if claims is None else claims.sub)
    if request.method not in ("GET", "HEAD"):
        _check_forgery(call, claims if by_cookie else None, route)
    if claims is not None:
        caller = await _recognise(call, claims, by_cookie)
        if caller is None and route.access != "optional":
            raise UserError(401, "token_revoked", "the session has ended, sign in again")
        if caller is None and not by_cookie:
            raise UserError(401, "token_revoked", "the session has ended, sign in again")
        call = msgspec.structs.replace(call, caller=caller)
    if route.access in ("user", "admin"):
        user = call.user  # 401 unless signed in
        if route.access == "admin" and user.role != "admin":
            raise UserError(403, "forbidden", "this is for administrators")
    arguments = await _arguments(call, route, request, path_args)
    return _written(call, await route.handler(call, **arguments))


def _make_call(services: Services, request: TrioRequest, request_id: str) -> Call:
    headers = {name.lower(): value for name, value in request.headers.items()}
    client = request.scope.get("client")
    origin = request_origin(
        peer=client[0] if client else "",
        scheme=request.scope["scheme"],
        host=headers.get("host", ""),
        forwarded_for=headers.get("x-forwarded-for", ""),
        forwarded_proto=headers.get("x-forwarded-proto", ""),
        forwarded_host=headers.get("x-forwarded-host", ""),
        trusted=services.trusted_proxies,
    )
    return Call(
        services=services,
        request_id=request_id,
        origin=origin,
        user_agent=headers.get("user-agent", ""),
        headers=headers,
        cookies=dict(request.cookies),
        caller=None,
        now_ms=services.now_ms(),
    )


def _presented(call: Call) -> tuple[AccessClaims | None, bool]:
    """The access token that came along, checked, and whether it was a cookie. A bearer token wins over a cookie."""
    authorization = call.headers.get("authorization", "")
    tokens, now_s = call.services.tokens, call.services.now_s()
    if authorization:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise UserError(401, "token_invalid", "the Authorization header must be: Bearer <access token>")
        return tokens.read_access(token.strip(), now_s=now_s), False
    cookie = call.cookies.get(ACCESS_COOKIE)
    if not cookie:
        return None, False
    try:
        return tokens.read_access(cookie, now_s=now_s), True
    except UserError as error:
        if error.code == "token_expired":
            raise
        return None, False  # of another server on this host name: as good as none


def _check_forgery(call: Call, claims: AccessClaims | None, route: Route) -> None:
    """RFC 6265 §8.2: a browser sends cookies along with requests that other sites make it send."""
    own = own_origins(call)
    if is_cross_site(call.headers.get("origin"), call.headers.get("sec-fetch-site"), own) and (
        claims is not None or route.access == "public" or call.cookies
    ):
        raise UserError(403, "csrf_failed", "this request was made by another site")
    if claims is not None and not call.services.csrf.matches(claims.sid, call.headers.get(CSRF_HEADER, "")):
        raise UserError(403, "csrf_failed", "the header X-CSRF-Token is missing or not this session's")


def own_origins(call: Call) -> set[str]:
    """The origins from which our own pages come, as far as this request can tell."""
    origins = (origin_of(call.services.settings.http.public_url), origin_of(call.origin.base_url))
    return {origin for origin in origins if origin is not None}


async def _recognise(call: Call, claims: AccessClaims, by_cookie: bool) -> Caller | None:
    """Who the token's session belongs to; None when it has ended. UserError 403 ``banned``."""
    found = await call.read(_session_and_user, claims.sid)
    if found is None:
        return None
    session, user = found
    if user.status == "banned":
        raise UserError(403, "banned", "this account is banned")
    if session.revoked_at_ms is not None or session.expires_at_ms <= call.now_ms or user.id != claims.sub:
        return None
    if (session.kind == "cookie") != by_cookie:
        return None
    return Caller(user=user, session=session, by_cookie=by_cookie)


async def _session_and_user(conn: Conn, session_id: str) -> tuple[Session, User] | None:
    session = await sessions.by_id(conn, session_id)
    user = None if session is None else await users.by_id(conn, session.user_id)
    return None if session is None or user is None else (session, user)


async def _arguments(call: Call, route: Route, request: TrioRequest, path_args: dict[str, str]) -> dict[str, Any]:
    arguments: dict[str, Any] = dict(path_args)
    for name, value in path_args.items():
        if "\0" in value or not value.isprintable():
            raise UserError(404, "not_found", "there is nothing here", field=name)
    query = {name: values[-1] for name, values in request.args.to_dict(flat=False).items()}
    for name, value in query.items():
        if "\0" in name + value:
            raise UserError(400, "invalid_field", "a parameter holds a NUL character", field=name)
    read = to_struct(query, route.query, strict=False)
    if route.query.__struct_fields__:
        arguments["query"] = read
    if route.upload:
        arguments["upload"] = await _read_upload(call, request)
    elif route.body is not None:
        body = await _read_body(request, call.services.settings.http.max_body_bytes)
        if body or not issubclass(route.body, Empty):
            if request.mimetype != "application/json":
                raise UserError(415, "unsupported_media_type", "the body must be application/json")
            arguments["body"] = decode_untrusted(body, route.body)
        else:
            arguments["body"] = route.body()
    return arguments


async def _read_body(request: TrioRequest, most: int) -> bytes:
    declared = request.content_length
    if declared is not None and declared > most:
        raise _too_large(most)
    parts: list[bytes] = []
    total = 0
    async for part in request.body:
        total += len(part)
        if total > most:
            raise _too_large(most)
        parts.append(part)
    return b"".join(parts)


async def _read_upload(call: Call, request: TrioRequest) -> bytes:
    most = call.services.settings.http.max_upload_bytes
    if request.mimetype == "multipart/form-data":
        if request.content_length is not None and request.content_length > most:
            raise _too_large(most)
        file = (await request.files).get("avatar")
        if file is None:
            raise UserError(400, "invalid_field", "the form has no file named avatar", field="avatar")
        return bytes(file.read())
    if not request.mimetype.startswith("image/") and request.mimetype != "application/octet-stream":
        raise UserError(415, "unsupported_media_type", "the body must be an image or multipart/form-data")
    return await _read_body(request, most)


def _too_large(most: int) -> UserError:
    return UserError(413, "payload_too_large", f"the body has more than {most} bytes")


def _written(call: Call, result: Any) -> Answer:
    if isinstance(result, Blob):
        headers = [("Content-Type", result.media_type), *result.headers.items()]
        return Answer(status=result.status, headers=headers, content=result.content)
    cookies: tuple[Cookie, ...] = ()
    if isinstance(result, Reply):
        result, cookies = result.data, result.cookies
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    headers += [("Set-Cookie", _cookie(call, cookie)) for cookie in cookies]
    content = msgspec.json.encode(_Envelope(200, "success", result))
    return Answer(status=200, headers=headers, content=content)


def _cookie(call: Call, cookie: Cookie) -> str:
    secure = "; Secure" if call.origin.scheme == "https" else ""
    return (
        f"{cookie.name}={cookie.value}; Path={cookie.path}; Max-Age={cookie.max_age_s}; HttpOnly; SameSite=Lax{secure}"
    )
