"""Signs people in by an Apache password file (htpasswd) with bcrypt hashes.

::

    file ── people: pure, the lines that are taken ── Htpasswd: reads it anew when it changed, checks a password

Owns the settings, the reading and the check; refuses to write the file. A name that is not there costs a check against
somebody's hash, so that nobody learns by the clock which names there are.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import anyio
import anyio.to_thread
import bcrypt
from msgspec import Meta

from appliance.hooks.contract import (
    Authenticator,
    Context,
    Credentials,
    Identity,
    Plugin,
    PluginConfig,
    TryLater,
)
from parley_htpasswd.people import PASSWORD_BYTES, Person, read_people

__all__ = ["HtpasswdConfig", "plugin"]

_log = logging.getLogger(__name__)

# Checks at once: each takes a core for its time, and meetings need some.
_AT_ONCE = 2
# Of a file with nobody in it; the cost is that of `htpasswd -B` with no more said.
_NOBODY = Person(name="", password_hash=bcrypt.hashpw(b"", bcrypt.gensalt(5)))


class HtpasswdConfig(PluginConfig, frozen=True):
    """The keys of [plugins.htpasswd]."""

    file: Annotated[str, Meta(min_length=1)]
    email_domain: Annotated[str, Meta(min_length=1, max_length=90)]
    admins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if "@" in self.email_domain or any(char.isspace() for char in self.email_domain):
            raise ValueError("email_domain: must be what stands behind the @, as example.org")


@asynccontextmanager
async def open_htpasswd(config: HtpasswdConfig, _context: Context) -> AsyncIterator[Authenticator]:
    """From start to stop. A file that is not there yet is no reason to fail: each sign-in looks for it."""
    yield Authenticator(authenticate=Htpasswd(config).authenticate)


class Htpasswd:
    """One file."""

    def __init__(self, config: HtpasswdConfig) -> None:
        self._config = config
        self._path = Path(config.file)
        self._state: tuple[int, ...] | None = None
        self._people: dict[str, Person] = {}
        self._limiter = anyio.CapacityLimiter(_AT_ONCE)
        self._key = os.urandom(16)

    async def authenticate(self, credentials: Credentials) -> Identity | None:
        """Who has this name, or address, and this password."""
        await self._refresh()
        local, at, domain = credentials.login.rpartition("@")
        ours = not at or domain.casefold() == self._config.email_domain.casefold()
        name = (local if at else credentials.login).casefold()
        person = self._people.get(name) if ours else None
        # as Apache has it; a NUL ended the text there
        password = credentials.password.encode()[:PASSWORD_BYTES]
        sound = b"\0" not in password
        checked = (person or self._decoy(name)).password_hash
        right = await anyio.to_thread.run_sync(
            bcrypt.checkpw, password if sound else b"", checked, abandon_on_cancel=True, limiter=self._limiter
        )
        if person is None or not right or not sound:
            return None
        admins = self._config.admins
        return Identity(
            subject=person.name,
            username=person.name,
            email=f"{person.name}@{self._config.email_domain}",
            display_name=person.name,
            role=None if not admins else "admin" if person.name in admins else "user",
        )

    def _decoy(self, name: str) -> Person:
        """Somebody, always the same for a name, so that it costs what somebody's check costs."""
        if not self._people:
            return _NOBODY
        drawn = hashlib.blake2b(name.encode(errors="replace"), key=self._key, digest_size=8).digest()
        people = list(self._people.values())
        return people[int.from_bytes(drawn) % len(people)]

    async def _refresh(self) -> None:
        """Read the file if it is another than the last time."""
        path = anyio.Path(self._path)
        try:
            found = await path.stat()
            state = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
            if state == self._state:
                return
            text = await path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TryLater(f"{self._path}: {getattr(error, 'strerror', None) or error}") from None
        people, left_out = read_people(text)
        for reason in left_out:
            _log.warning("%s: %s", self._path, reason)
        self._state, self._people = state, people


plugin = Plugin(
    contract=1,
    summary="Lets people of an Apache password file sign in.",
    config=HtpasswdConfig,
    open=open_htpasswd,
)
