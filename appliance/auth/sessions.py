"""What happens when somebody presents a refresh token: the rules of rotation, pure.

Owns the decision; refuses to know how a session is stored and how tokens are signed.

A session is a family of tokens. Each refresh token works once: it buys a new access and a new refresh token. One
that comes back after it was used has been copied, by its owner or by a thief, and nobody can tell which: the whole
family ends (RFC 9700 §4.14.2).
"""

from __future__ import annotations

from enum import Enum

import msgspec

# Two tabs of one browser share the refresh cookie and may both wake at its expiry; the slower one presents the token
# that the faster one used a moment ago. Only for cookies, which a page cannot read or copy. Okta and Auth0 offer
# 0 to 60 s for this; a page's requests are sent within a few seconds of one another.
COOKIE_LEEWAY_MS = 10_000


class RefreshState(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of a session, as far as rotation goes. Times in milliseconds since the Unix epoch."""

    refresh_id: str
    """``jti`` of the one refresh token that may rotate the session."""
    previous_refresh_id: str | None
    rotated_at_ms: int
    expires_at_ms: int
    revoked: bool
    cookie: bool


class Verdict(Enum):
    """What to do with a presented refresh token."""

    ROTATE = "rotate"
    """Issue new tokens and remember the new refresh id."""
    REUSED = "reused"
    """Revoke the session: the token was used before."""
    REVOKED = "revoked"
    EXPIRED = "expired"


def judge_refresh(state: RefreshState, presented_id: str, now_ms: int) -> Verdict:
    """The verdict on a refresh token with a valid signature and ``jti`` ``presented_id``."""
    if state.revoked:
        return Verdict.REVOKED
    if now_ms >= state.expires_at_ms:
        return Verdict.EXPIRED
    if presented_id == state.refresh_id:
        return Verdict.ROTATE
    just_rotated = now_ms - state.rotated_at_ms <= COOKIE_LEEWAY_MS
    if state.cookie and presented_id == state.previous_refresh_id and just_rotated:
        return Verdict.ROTATE
    return Verdict.REUSED
