"""Our pair of CURVE keys (RFC 26): who we are to workers on other machines, or to servers.

Owns the file; drawn at first use, private to its owner. The same pair serves a machine in both roles.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import msgspec
import zmq

from appliance.errors import ConfigError

FILE = "ai-curve.key"
"""In the data folder."""
_Z85_KEY = re.compile(r"[!-~]{40}")


class KeyPair(msgspec.Struct, frozen=True):
    """Z85 texts of 40 characters."""

    public: str
    secret: str

    def __repr__(self) -> str:
        """Without the secret half."""
        return f"KeyPair(public={self.public!r}, …)"


def key_pair(folder: Path) -> KeyPair:
    """The pair of this data folder; drawn if there is none. ConfigError when the file is no good or others read it."""
    path = folder / FILE
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "r", encoding="ascii", errors="replace") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            words = file.read(1024).split()
    except FileNotFoundError:
        return _draw(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{path}: others may read it (mode {mode:o}), run: chmod 600 {path}")
    if len(words) != 2 or not all(_Z85_KEY.fullmatch(word) for word in words):
        raise ConfigError(f"{path}: does not hold two keys; remove it for a new pair")
    return KeyPair(public=words[0], secret=words[1])


def _draw(path: Path) -> KeyPair:
    public, secret = (key.decode("ascii") for key in zmq.curve_keypair())
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{public}\n{secret}\n")
        file.flush()
        os.fsync(file.fileno())
    return KeyPair(public=public, secret=secret)
