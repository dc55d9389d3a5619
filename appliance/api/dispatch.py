"""From a request to its answer, the same way for every route.

Owns the order: rate limit, who calls, CSRF, access, body and query, handler, envelope. Refuses to know what any
endpoint does. Each step that refuses raises UserError; `problems` writes it down.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from quart_trio.wrappers import TrioRequest

from appliance.api.addresses import request_origin
from appliance.api.bodies import Empty
from appliance.api.call import Blob, Call, Cookie, Reply, Stream
from appliance.api.callers import recognise
from appliance.api.forms import read_form
from appliance.api.json_bodies import decode_untrusted, to_struct
from appliance.api.limits import limit_of
from appliance.api.request_body import Incoming
from appliance.api.routes import Route
from appliance.api.services import Services
from appliance.api.sign_in import ACCESS_COOKIE
from appliance.auth.csrf import is_cross_site, origin_of
from appliance.auth.tokens import AccessClaims
from appliance.errors import UserError

CSRF_HEADER = "x-csrf-token"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What goes back, free of any framework."""

    status: int
    headers: list[tuple[str, str]]
    content: bytes | AsyncIterator[bytes]


class _Envelope(msgspec.Struct, frozen=True):
    code: int
    message: str
    data: Any


async def dispatch(
    services: Services, route: Route, request: TrioRequest, request_id: str, path_args: dict[str, str]
) -> Answer:
    """Answer one request. Raises UserError for every refusal."""
    call = _make_call(services, request, request_id)
    claims, by_cookie = presented(call) if route.access not in ("public", "token") else (None, False)
    limit = limit_of(route.limit, services.settings.limits)
    if limit is not None:
        call.limit(f"{route.method} {route.path}", limit, who=None if claims is None else claims.sub)
    # A token that the handler reads is sent by who knows it, never by a browser of its own accord.
    if request.method not in ("GET", "HEAD") and route.access != "token":
        _check_forgery(call, claims if by_cookie else None, route)
    if claims is not None:
        caller = await recognise(call, claims, by_cookie)
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
        method=request.method,
    )


def presented(call: Call) -> tuple[AccessClaims | None, bool]:
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
    if route.stream is not None:
        arguments["incoming"] = Incoming(request)
    elif route.upload:
        arguments["upload"] = await _read_upload(call, request)
    elif route.content is not None:
        arguments["content"] = await _read_text(call, request, route.content)
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
    async for part in Incoming(request):
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
        file = bytearray()

        async def take(data: bytes) -> None:
            if len(file) + len(data) > most:
                raise _too_large(most)
            file.extend(data)

        await read_form(Incoming(request), "avatar", take)
        return bytes(file)
    if not request.mimetype.startswith("image/") and request.mimetype != "application/octet-stream":
        raise UserError(415, "unsupported_media_type", "the body must be an image or multipart/form-data")
    return await _read_body(request, most)


async def _read_text(call: Call, request: TrioRequest, media_type: str) -> str:
    if request.mimetype != media_type:
        raise UserError(415, "unsupported_media_type", f"the body must be {media_type}", field="Content-Type")
    body = await _read_body(request, call.services.settings.http.max_body_bytes)
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise UserError(400, "invalid_text", f"the body is not UTF-8 at byte {error.start}") from error


def _too_large(most: int) -> UserError:
    return UserError(413, "payload_too_large", f"the body has more than {most} bytes")


def _written(call: Call, result: Any) -> Answer:
    if isinstance(result, Stream):
        body = _nothing() if result.pieces is None else result.pieces()
        return Answer(status=result.status, headers=list(result.headers.items()), content=body)
    if isinstance(result, Blob):
        headers = list(result.headers.items())
        if result.media_type:
            headers.insert(0, ("Content-Type", result.media_type))
        return Answer(status=result.status, headers=headers, content=result.content)
    cookies: tuple[Cookie, ...] = ()
    if isinstance(result, Reply):
        result, cookies = result.data, result.cookies
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    headers += [("Set-Cookie", _cookie(call, cookie)) for cookie in cookies]
    content = msgspec.json.encode(_Envelope(200, "success", result))
    return Answer(status=200, headers=headers, content=content)


async def _nothing() -> AsyncIterator[bytes]:
    """No bytes, whose Content-Length is not ours to count: it may be that of the answer to a GET."""
    return
    yield b""


def _cookie(call: Call, cookie: Cookie) -> str:
    secure = "; Secure" if call.origin.scheme == "https" else ""
    return (
        f"{cookie.name}={cookie.value}; Path={cookie.path}; Max-Age={cookie.max_age_s}; HttpOnly; SameSite=Lax{secure}"
    )
