"""Signed tokens: access, refresh and join.

Owns the claims and their checks. Refuses to know sessions in the database (a valid signature is not yet a valid
session) and the clock: every function takes ``now_s``, seconds since the Unix epoch.

All are JWT (RFC 7519) with HS256 and nothing else: the list of algorithms is given to the decoder, so ``none`` and
a public key used as a secret fail (RFC 8725 §3.1), and ``kid`` is never read. Each kind has a key of its own,
derived from the server's secret, besides its ``aud`` and ``typ``: a token of one kind cannot pass as another
(RFC 8725 §3.11 and §3.12).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Literal, TypeVar

import jwt
import msgspec

from appliance.errors import UserError

Role = Literal["host", "cohost", "participant"]

ISSUER = "parley"

# How far ahead a token's issue time may lie: RFC 7519 §4.1.4 suggests "no more than a few minutes" for clock skew.
MAX_SKEW_S = 60

# A longer token is no token of ours: the largest, a join token with the longest name, has about 1 kB.
MAX_TOKEN_CHARS = 4096


class AccessClaims(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls: the content of an access token."""

    sub: str
    """User id."""
    sid: str
    """Session id: the family that all tokens of one sign-in share."""
    jti: str
    iat: int
    exp: int


class RefreshClaims(msgspec.Struct, frozen=True, kw_only=True):
    """The right to one rotation of a session; ``jti`` is what the session stores."""

    sub: str
    sid: str
    jti: str
    iat: int
    exp: int


class JoinClaims(msgspec.Struct, frozen=True, kw_only=True):
    """The right to enter one meeting through the signaling socket."""

    sub: str
    """User id, or guest id when ``guest``."""
    sid: str | None
    """Sign-in that asked for it; None for a guest. Ending the sign-in ends the token."""
    meeting: str
    """Meeting id; good for no other."""
    guest: bool
    name: str
    role: Role
    avatar_url: str | None
    vision_consent: bool | None = None
    """Whether the camera may be analysed; None: not answered."""
    jti: str
    iat: int
    exp: int

    @property
    def user_id(self) -> str | None:
        """The account, or None for a guest."""
        return None if self.guest else self.sub


C = TypeVar("C", AccessClaims, RefreshClaims, JoinClaims)


class TokenSigner:
    """Makes and reads the tokens of one server."""

    def __init__(self, secret: bytes) -> None:
        """``secret``: at least 32 random bytes, the same over restarts."""
        if len(secret) < 32:
            raise ValueError(f"secret must have at least 32 bytes, not {len(secret)}")
        self._secret = secret

    def access(self, *, user_id: str, session_id: str, token_id: str, now_s: int, ttl_s: int) -> str:
        """An access token."""
        return self._sign("access", {"sub": user_id, "sid": session_id, "jti": token_id}, now_s, ttl_s)

    def refresh(self, *, user_id: str, session_id: str, token_id: str, now_s: int, ttl_s: int) -> str:
        """A refresh token; ``token_id`` is stored with the session as the only one that may rotate it."""
        return self._sign("refresh", {"sub": user_id, "sid": session_id, "jti": token_id}, now_s, ttl_s)

    def join(
        self,
        *,
        meeting_id: str,
        subject: str,
        session_id: str | None,
        guest: bool,
        name: str,
        role: Role,
        avatar_url: str | None,
        token_id: str,
        now_s: int,
        ttl_s: int,
        vision_consent: bool | None = None,
    ) -> str:
        """A join token for one meeting. ``subject`` is a user id, or a guest id when ``guest``."""
        claims: dict[str, object] = {
            "sub": subject,
            "sid": session_id,
            "meeting": meeting_id,
            "guest": guest,
            "name": name,
            "role": role,
            "avatar_url": avatar_url,
            "vision_consent": vision_consent,
            "jti": token_id,
        }
        return self._sign("join", claims, now_s, ttl_s)

    def read_access(self, token: str, *, now_s: int) -> AccessClaims:
        """Raises UserError 401 ``token_invalid`` or ``token_expired``."""
        return self._read("access", token, now_s, AccessClaims)

    def read_refresh(self, token: str, *, now_s: int) -> RefreshClaims:
        """Raises UserError 401 ``token_invalid`` or ``token_expired``."""
        return self._read("refresh", token, now_s, RefreshClaims)

    def read_join(self, token: str, *, now_s: int, meeting_id: str) -> JoinClaims:
        """Raises UserError 401 ``token_invalid`` or ``token_expired``; 404 ``not_found`` for another meeting's."""
        claims = self._read("join", token, now_s, JoinClaims)
        if claims.meeting != meeting_id:
            # 404, not 403: a token of one meeting must not tell whether another exists.
            raise UserError(404, "not_found", "this token does not open this meeting", field="room")
        return claims

    def _key(self, kind: str) -> bytes:
        return hmac.digest(self._secret, b"parley token " + kind.encode(), hashlib.sha256)

    def _sign(self, kind: str, claims: dict[str, object], now_s: int, ttl_s: int) -> str:
        stamped = {**claims, "iss": ISSUER, "aud": kind, "typ": kind, "iat": now_s, "exp": now_s + ttl_s}
        return jwt.encode(stamped, self._key(kind), algorithm="HS256")

    def _read(self, kind: str, token: str, now_s: int, shape: type[C]) -> C:
        if len(token) > MAX_TOKEN_CHARS:
            raise _invalid(kind)
        try:
            claims = jwt.decode(
                token,
                self._key(kind),
                algorithms=["HS256"],
                audience=kind,
                issuer=ISSUER,
                options={
                    "require": ["iss", "aud", "sub", "jti", "iat", "exp"],
                    # Times are compared below with the caller's clock, not PyJWT's.
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.InvalidTokenError, ValueError) as error:  # ValueError: not UTF-8, huge numbers
            raise _invalid(kind) from error
        if claims.pop("typ", None) != kind:
            raise _invalid(kind)
        try:
            read = msgspec.convert(claims, shape)
        except msgspec.ValidationError as error:
            raise _invalid(kind) from error
        if read.iat > now_s + MAX_SKEW_S:
            raise _invalid(kind)
        if now_s >= read.exp:
            raise UserError(401, "token_expired", f"the {kind} token has expired")
        return read


def _invalid(kind: str) -> UserError:
    return UserError(401, "token_invalid", f"this is not a valid {kind} token")
