"""The data folder: made private, locked for one process, with the secret that is drawn once.

Owns the lock, the secret, the node's name and the names of what lies at the top; refuses to know what the parts keep
below.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from appliance.errors import ConfigError
from appliance.ids import new_id

_log = structlog.get_logger(__name__)

_LOCK = "lock"
_SECRET = "secret.key"
_SECRET_BYTES = 32  # the block that HMAC-SHA-256 keys want at least (RFC 2104 §3)
_LOCK_TEXT_MAX = 200
_NODE = "node.id"
_NODE_NAME = re.compile(r"node_[a-z2-7]{20}")


class DataFolder:
    """A folder that this process alone serves from; made by `open_data_folder`."""

    def __init__(self, path: Path, secret: bytes, node: str) -> None:
        """`secret`: random bytes that stay the same over restarts."""
        self.path = path
        self.node = node
        """Names whoever has this folder, among servers that share a database; the same over restarts."""
        self._secret = secret

    @property
    def files(self) -> Path:
        """Object storage."""
        return self.path / "files"

    @property
    def uploads(self) -> Path:
        """Files on their way into it."""
        return self.path / "uploads"

    @property
    def tls(self) -> Path:
        """The certificate that we made ourselves."""
        return self.path / "tls"

    @property
    def recordings(self) -> Path:
        """What is being recorded, unless the settings say where."""
        return self.path / "recordings"

    def key(self, purpose: str) -> bytes:
        """32 bytes for one purpose, the same over restarts; one key tells nothing about another (RFC 5869 §2.3)."""
        return hmac.digest(self._secret, f"parley {purpose}".encode() + b"\x01", hashlib.sha256)


@contextmanager
def open_data_folder(path: Path) -> Iterator[DataFolder]:
    """Make the folder if it is missing, lock it, and read or draw the secret.

    ConfigError when it cannot be written, or says which process holds it.
    """
    make_data_folder(path)
    try:
        descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"data.folder = '{path}': cannot be written: {error.strerror}") from error
    try:
        _lock(descriptor, path)
        yield DataFolder(path, _read_secret(path), _read_node(path))
    finally:
        os.close(descriptor)  # which lets go of the lock


def look_at_data_folder(path: Path) -> str | None:
    """Which process serves from a folder that is there, for people; None: nobody. Changes nothing in it.

    ConfigError when we may not write there, or what lies in it is no good. The lock is tried for an instant: a server
    that starts in it is told so, and starts when it is asked again.
    """
    if not path.is_dir():
        raise ConfigError(f"data.folder = '{path}': is not a folder")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise ConfigError(f"data.folder = '{path}': is not ours to write: it belongs to user {path.stat().st_uid}")
    _stored_secret(path)
    _stored_node(path)
    try:
        descriptor = os.open(path / _LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path / _LOCK}: cannot be read: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(descriptor)
    finally:
        os.close(descriptor)
    return None


def make_data_folder(path: Path) -> None:
    """Make the folder for its owner only; one that exists keeps its mode. ConfigError when that fails."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise ConfigError(f"data.folder = '{path}': is not a folder") from None
    except OSError as error:
        raise ConfigError(f"data.folder = '{path}': cannot be made: {error.strerror}") from error
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & stat.S_IRWXO:
        _log.warning("data_folder_open_to_others", folder=str(path), mode=f"{mode:o}", advice=f"chmod 700 {path}")


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise ConfigError(f"data.folder = '{path}': cannot be locked: {error.strerror}") from error
        raise ConfigError(f"data.folder = '{path}': in use by {_holder(descriptor)}") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"process {os.getpid()} on {os.uname().nodename}\n".encode(), 0)


def _holder(descriptor: int) -> str:
    """What `_lock` wrote of itself."""
    return os.pread(descriptor, _LOCK_TEXT_MAX, 0).decode("utf-8", "replace").strip() or "another process"


def _read_secret(path: Path) -> bytes:
    """The secret; drawn if there is none. Only ever called under the lock."""
    stored = _stored_secret(path)
    return _draw_secret(path) if stored is None else stored


def _stored_secret(path: Path) -> bytes | None:
    file = path / _SECRET
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            secret = opened.read(1024)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{file}: others may read it (mode {mode:o}), run: chmod 600 {file}")
    if len(secret) != _SECRET_BYTES:
        raise ConfigError(f"{file}: holds {len(secret)} bytes instead of {_SECRET_BYTES}; restore it from a backup")
    return secret


def _draw_secret(path: Path) -> bytes:
    secret = secrets.token_bytes(_SECRET_BYTES)
    write_private(path / _SECRET, secret)
    _log.info("secret_drawn", file=str(path / _SECRET))
    return secret


def _read_node(path: Path) -> str:
    """The name; drawn if there is none. Only ever called under the lock."""
    node = _stored_node(path)
    if node is None:
        node = new_id("node")
        write_private(path / _NODE, f"{node}\n".encode())
    return node


def _stored_node(path: Path) -> str | None:
    file = path / _NODE
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as opened:
            node = opened.read(1024).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    if not _NODE_NAME.fullmatch(node):
        raise ConfigError(f"{file}: holds no node's name; restore it from a backup")
    return node


def write_private(path: Path, data: bytes) -> None:
    """Write a file of mode 0600, whole or not at all, also over a power cut. ConfigError when the disk refuses."""
    unfinished = path.with_name(path.name + ".new")
    try:
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
