"""WHIP in and WHEP out: one POST with an SDP offer, and the media flow (RFC 9725; draft-ietf-wish-whep).

Owns HTTP's side: media types, bearer tokens, entity tags, Link headers, CORS. What a stream is in a meeting is
`live.streams`. Any web page may call: cookies are never looked at here, a bearer token is all that counts.

The token is a join token (POST /meetings/{id}/join), or an access token, by which this joins in its holder's name.
The stream's own URL is unguessable and asks for the same token again (RFC 9725 §4.7).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from appliance.api.bodies import Empty, JoinBody, PublishQuery, WatchQuery
from appliance.api.call import Blob, Call
from appliance.api.callers import recognise
from appliance.api.join import join
from appliance.errors import UserError
from appliance.live.stream import Precondition, StreamKey, StreamRequest, Watch
from appliance.signaling.messages import IceServer

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"  # RFC 8840 §9

# Browsers keep what a preflight answered for so long; Chromium for no longer than two hours.
_PREFLIGHT_S = 7200

CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Accept-Patch, ETag, Link, Location, Retry-After, WWW-Authenticate",
}
"""On every answer to a request by bearer token, refusals too: a page may then read them (Fetch §3.2)."""


async def publish(call: Call, meeting_id: str, content: str, query: PublishQuery) -> Blob:
    """Send an audio and a video track into a meeting, as a participant of its own (WHIP); answers with an SDP answer.

    ``source=screen``: shown as a shared screen, its sound as music. The token is a join token or an access token.
    """
    bearer = _bearer(call)
    request = StreamRequest(
        room=meeting_id,
        token=await _join_token(call, meeting_id, bearer),
        bearer=bearer,
        sdp=content,
        picture=query.source,
        watch=None,
    )
    return await _open(call, "whip", request)


async def watch(call: Call, meeting_id: str, content: str, query: WatchQuery) -> Blob:
    """Receive an audio and a video track of a meeting, as a participant of its own (WHEP); answers with an SDP answer.

    Follows the dominant speaker, and shows a shared screen while there is one; ``participant`` and ``source`` pick one
    participant's tracks instead. The token is a join token or an access token.
    """
    bearer = _bearer(call)
    request = StreamRequest(
        room=meeting_id,
        token=await _join_token(call, meeting_id, bearer),
        bearer=bearer,
        sdp=content,
        picture="camera",
        watch=Watch(query.participant, query.source),
    )
    return await _open(call, "whep", request)


async def _open(call: Call, protocol: str, request: StreamRequest) -> Blob:
    _check_accepts(call, SDP)
    opened = await call.services.live.open_stream(request)
    headers = {
        "Location": f"/{protocol}/{opened.meeting_id}/{opened.session_id}",
        "ETag": f'"{opened.etag}"',
        "Accept-Patch": FRAGMENT,
        "Cache-Control": "no-store",
    }
    if links := ice_links(opened.ice_servers):
        headers["Link"] = links
    return Blob(content=opened.answer.encode(), media_type=SDP, status=201, headers=headers)


async def change(call: Call, meeting_id: str, stream_id: str, content: str) -> Blob:
    """Trickle ICE candidates (204) or restart ICE (200 with our fragment); If-Match names the ICE session."""
    precondition = _precondition(call)
    key = StreamKey(meeting_id, stream_id, _bearer(call))
    changed = await call.services.live.change_stream(key, precondition, content)
    if changed is None:
        return _empty(204)
    headers = {"ETag": f'"{changed.etag}"', "Cache-Control": "no-store"}
    return Blob(content=changed.fragment.encode(), media_type=FRAGMENT, headers=headers)


async def stop(call: Call, meeting_id: str, stream_id: str, body: Empty) -> Blob:
    """End a stream; its participant leaves the meeting."""
    await call.services.live.close_stream(StreamKey(meeting_id, stream_id, _bearer(call)))
    return _empty(200)


async def show(call: Call, meeting_id: str) -> Blob:
    """Nothing but the media type that is taken: by it players recognise the URL."""
    return Blob(content=b"", media_type=SDP, headers={"Accept-Post": SDP})


async def options(call: Call, meeting_id: str) -> Blob:
    """What may be asked for here, for web pages of other origins (CORS) and for the curious."""
    return _preflight("POST, GET, HEAD, OPTIONS", {"Accept-Post": SDP})


async def options_of_stream(call: Call, meeting_id: str, stream_id: str) -> Blob:
    """What may be asked of a stream, for web pages of other origins (CORS)."""
    return _preflight("PATCH, DELETE, OPTIONS", {"Accept-Patch": FRAGMENT})


def _preflight(methods: str, more: dict[str, str]) -> Blob:
    headers = {
        "Allow": methods,
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
        "Access-Control-Max-Age": str(_PREFLIGHT_S),
        **more,
    }
    return Blob(content=b"", media_type="", headers=headers)


def _empty(status: int) -> Blob:
    return Blob(content=b"", media_type="", status=status)


def _bearer(call: Call) -> str:
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    if not scheme:
        raise UserError(401, "sign_in_required", "the header Authorization: Bearer <token> is missing")
    if scheme.lower() != "bearer" or not token.strip():
        raise UserError(401, "token_invalid", "the Authorization header must be: Bearer <join or access token>")
    return token.strip()


async def _join_token(call: Call, meeting_id: str, bearer: str) -> str:
    """The join token itself, or one for the holder of an access token."""
    try:
        claims = call.services.tokens.read_access(bearer, now_s=call.services.now_s())
    except UserError as error:
        if error.code == "token_invalid":  # no access token: a join token, or nothing, which the meeting finds out
            return bearer
        raise
    caller = await recognise(call, claims, by_cookie=False)
    if caller is None:
        raise UserError(401, "token_revoked", "the session has ended, sign in again")
    reply = await join(msgspec.structs.replace(call, caller=caller), meeting_id, JoinBody())
    return str(reply.data.token)


def _check_accepts(call: Call, media_type: str) -> None:
    """RFC 9110 §12.5.1; weights are not looked at: there is one thing to choose from."""
    accept = call.headers.get("accept", "").strip()
    wanted = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    if accept and not {media_type, "application/*", "*/*"} & set(wanted):
        raise UserError(406, "not_acceptable", f"the answer is {media_type}", field="Accept")


def _precondition(call: Call) -> Precondition:
    """UserError 428 without If-Match. ``"*"`` in quotes is what the RFC's own example of a restart sends."""
    text = call.headers.get("if-match", "").strip()
    if not text:
        raise UserError(428, "precondition_required", "If-Match must name the ICE session, or *", field="If-Match")
    tags = [tag.strip() for tag in text.split(",")]
    if any(tag in ("*", '"*"') for tag in tags):
        return Precondition((), anything=True)
    # Weak tags never match (RFC 9110 §13.1.1).
    return Precondition(tuple(tag[1:-1] for tag in tags if len(tag) > 1 and tag[0] == tag[-1] == '"'))


def ice_links(servers: Sequence[IceServer]) -> str:
    """The value of a Link header with every ICE server (RFC 9725 §4.6)."""
    links = []
    for server in servers:
        for url in server.urls:
            link = f'<{url}>; rel="ice-server"'
            if url.startswith("turn") and server.username is not None and server.credential is not None:
                link += f"; username={_quoted(server.username)}; credential={_quoted(server.credential)}"
                link += '; credential-type="password"'
            links.append(link)
    return ", ".join(links)


def _quoted(text: str) -> str:
    """A quoted-string (RFC 9110 §5.6.4)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
