"""Password hashing with argon2id, off the event loop.

Owns how many hashes run and wait at once (the parameters are settings, by default those of RFC 9106 §4 for little
memory); refuses to know users, sessions and rate limits.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import TypeVar

import argon2
import trio

from appliance.errors import UserError
from appliance.settings import AuthSettings

T = TypeVar("T")

# Callers that may wait for their turn: at about 0.1 s a hash, the last one waits 3 s, and nobody waits longer.
MAX_WAITING = 60

# Argon2 takes any length; 1 KiB is beyond every password manager and bounds the work of normalising.
MAX_PASSWORD_BYTES = 1024


class PasswordHasher:
    """argon2id hashes and checks, a bounded number at a time, each in a worker thread."""

    def __init__(self, settings: AuthSettings) -> None:
        self._argon2 = argon2.PasswordHasher(
            time_cost=settings.argon2_passes,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_lanes,
            type=argon2.Type.ID,
        )
        self._limiter = trio.CapacityLimiter(settings.hash_threads)
        self._decoy: str | None = None

    async def hash(self, password: str) -> str:
        """The encoded argon2id hash (with its parameters and salt) of a password.

        Raises UserError 503 ``busy`` when too many callers wait already.
        """
        secret = _prepared(password)
        return await self._in_thread(lambda: self._argon2.hash(secret))

    async def verify(self, encoded: str | None, password: str) -> bool:
        """Whether the password belongs to the encoded hash.

        ``None`` (no such user) takes as long as a wrong password, so that names cannot be probed by time.
        Raises UserError 503 ``busy`` when too many callers wait already.
        """
        secret = _prepared(password)
        return await self._in_thread(lambda: self._verify(encoded, secret))

    def needs_rehash(self, encoded: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._argon2.check_needs_rehash(encoded)

    def statistics(self) -> dict[str, int]:
        """Hashes that run and that wait now."""
        now = self._limiter.statistics()
        return {"running": now.borrowed_tokens, "waiting": now.tasks_waiting}

    def _verify(self, encoded: str | None, secret: bytes) -> bool:
        if encoded is None:
            if self._decoy is None:
                self._decoy = self._argon2.hash(b"nobody has this password")
            encoded, known = self._decoy, False
        else:
            known = True
        try:
            return self._argon2.verify(encoded, secret) and known
        except argon2.exceptions.VerificationError:
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._limiter.statistics().tasks_waiting >= MAX_WAITING:
            raise UserError(503, "busy", "too many sign-ins at once, try again", retry_after_s=2.0)
        return await trio.to_thread.run_sync(work, limiter=self._limiter)


def _prepared(password: str) -> bytes:
    """The bytes that are hashed: RFC 8265 §4.2.2 (OpaqueString) puts the text into NFC first."""
    return unicodedata.normalize("NFC", password).encode()
