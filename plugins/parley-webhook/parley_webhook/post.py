"""One POST over HTTP/1.1 to the very address that was judged, with everything bounded but the time.

Owns resolving once, connecting, TLS for the name, and reading an answer that a stranger wrote; refuses to follow
redirects, to use proxies of the environment, and to know what a status means. Callers bound the time by a cancel scope.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import anyio
import h11

from parley_webhook.addresses import Network, check

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Addresses of a host as texts; OSError when it has none."""

# What an answer's head may hold, and how much of its body is read before the connection is closed; it is not used.
_HEAD_MAX_BYTES = 16_384
_BODY_MAX_BYTES = 65_536
_READ_BYTES = 16_384
# A name with many addresses is not tried for ever; the first ones are as good as the others.
_ADDRESSES_MAX = 4
# Ports of the system's services (RFC 6335 §6) understand no HTTP, and some can be made to understand a line of it.
_SYSTEM_PORTS = range(1, 1024)
_WEB_PORTS = (80, 443)


class BadAnswerError(Exception):
    """What came back is no HTTP, or too much of it."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where to, taken apart."""

    tls: bool
    host: str
    port: int
    path: str
    """With the query."""

    @property
    def authority(self) -> str:
        """For the Host header."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return shown if self.port == (443 if self.tls else 80) else f"{shown}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The part of an answer that matters."""

    status: int
    retry_after_s: int | None


def read_url(url: str) -> Target:
    """Take a URL apart; ValueError says what is wrong and does not repeat it: a token may be in it."""
    if not re.fullmatch(r"[!-~]+", url):  # urlsplit would drop line breaks silently
        raise ValueError("url: must hold printable ASCII only; write other host names in punycode")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("url: is none") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("url: must be https://host[:port]/path")
    if "@" in parts.netloc:
        raise ValueError("url: must hold no user name; the signature says who sends")
    if port is None:
        port = 443 if parts.scheme == "https" else 80
    if port == 0 or (port in _SYSTEM_PORTS and port not in _WEB_PORTS):
        raise ValueError("url: the port must be 80, 443 or from 1024 on")
    path = parts.path or "/"
    return Target(
        tls=parts.scheme == "https",
        host=parts.hostname,
        port=port,
        path=f"{path}?{parts.query}" if parts.query else path,
    )


async def resolve(host: str, port: int) -> list[str]:
    """By the system's resolver, which also knows what ``127.1`` and ``0x7f000001`` mean."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def post(
    target: Target,
    headers: Mapping[str, str],
    body: bytes,
    *,
    tls: ssl.SSLContext | None,
    allowed: Iterable[Network] = (),
    resolve: Resolve = resolve,
) -> Answer:
    """Send and read the answer's head. ForbiddenAddressError, OSError or BadAnswerError when there is none."""
    addresses = await resolve(target.host, target.port)
    if not addresses:
        raise OSError(f"{target.host} has no address")
    check(target.host, addresses, allowed)
    stream = await _connect(target, addresses[:_ADDRESSES_MAX], tls)
    try:
        return await _exchange(stream, target, headers, body)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.aclose_forcefully(stream)  # a farewell would wait for the stranger


async def _connect(target: Target, addresses: list[str], tls: ssl.SSLContext | None) -> anyio.abc.ByteStream:
    """To the first address that answers. These are numbers: nothing is resolved again."""
    last: OSError | None = None
    for address in addresses:
        try:
            if tls is None:
                return await anyio.connect_tcp(address, target.port)
            return await anyio.connect_tcp(
                address, target.port, ssl_context=tls, tls_hostname=target.host, tls_standard_compatible=False
            )
        except ssl.SSLError as error:
            raise OSError(f"TLS: {error.reason or type(error).__name__}") from error
        except OSError as error:
            last = error
    raise OSError(f"cannot connect: {last}") from last


async def _exchange(
    stream: anyio.abc.ByteStream, target: Target, headers: Mapping[str, str], body: bytes
) -> Answer:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_MAX_BYTES)
    fields = {
        "Host": target.authority,
        **headers,
        "Accept": "*/*",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    request = h11.Request(method="POST", target=target.path, headers=list(fields.items()))
    out = [connection.send(event) for event in (request, h11.Data(data=body), h11.EndOfMessage())]
    try:
        await stream.send(b"".join(part for part in out if part))
        answer = await _read_head(stream, connection)
        await _read_body(stream, connection)
    except h11.RemoteProtocolError as error:
        raise BadAnswerError(f"no proper HTTP: {error}") from error
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream) as error:
        raise OSError("the connection was lost") from error
    return answer


async def _next(stream: anyio.abc.ByteStream, connection: h11.Connection) -> object:
    while True:
        event = connection.next_event()
        if event is not h11.NEED_DATA:
            return event
        try:
            data = await stream.receive(_READ_BYTES)
        except anyio.EndOfStream:
            data = b""
        connection.receive_data(data)


async def _read_head(stream: anyio.abc.ByteStream, connection: h11.Connection) -> Answer:
    event: object = None
    for _ in range(8):  # interim answers (1xx) before the final one, and not endlessly many
        event = await _next(stream, connection)
        if isinstance(event, h11.Response):
            waits = [value for name, value in event.headers if name == b"retry-after"]
            seconds = int(waits[0]) if waits and re.fullmatch(rb"\d{1,9}", waits[0]) else None
            return Answer(status=event.status_code, retry_after_s=seconds)
        if not isinstance(event, h11.InformationalResponse):
            break
    raise BadAnswerError(f"no answer, but {type(event).__name__}")


async def _read_body(stream: anyio.abc.ByteStream, connection: h11.Connection) -> None:
    """Up to a bound, so that an ordinary receiver sees an ordinary end; the rest is not waited for."""
    read = 0
    while read < _BODY_MAX_BYTES:
        event = await _next(stream, connection)
        if not isinstance(event, h11.Data):
            return
        read += len(event.data)
