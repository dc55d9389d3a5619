"""Cross-site request forgery: tokens bound to a session, and what counts as our own origin; pure.

Owns both checks; refuses to know HTTP frameworks. Only callers who are known by a cookie need them: a bearer token
is never sent by a browser on its own.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from urllib.parse import urlsplit


class Csrf:
    """CSRF tokens of one server: an HMAC of the session id, so nothing is stored and a sign-out voids it."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"parley csrf", hashlib.sha256)

    def token(self, session_id: str) -> str:
        """The token of a session, 64 hexadecimal digits."""
        return hmac.new(self._key, session_id.encode(), hashlib.sha256).hexdigest()

    def matches(self, session_id: str, presented: str) -> bool:
        """Whether the presented token is this session's, compared in constant time."""
        return hmac.compare_digest(self.token(session_id).encode(), presented.encode(errors="replace"))


def origin_of(url: str) -> str | None:
    """``scheme://host[:port]`` of a URL in lower case, without a default port (RFC 6454 §4); None when it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, default) else "")


def is_cross_site(origin: str | None, fetch_site: str | None, own_origins: Collection[str]) -> bool:
    """Whether a browser says that another site made this request.

    ``origin`` and ``fetch_site`` are the headers Origin and Sec-Fetch-Site; a client that is no browser sends
    neither, and is not cross-site. ``Origin: null`` (a sandboxed frame, a local file) is.
    """
    if origin is not None:
        return origin_of(origin) not in own_origins
    return fetch_site not in (None, "same-origin", "none")
