"""DTLS 1.2 records once the handshake is over: what is left to do of a connection, without OpenSSL's 94 kB.

Owns the protection of records with the keys of a finished handshake, the replay window, the answer to a client that has
not heard the end of the handshake, and goodbyes. Refuses to shake hands: OpenSSL does, and keeps connections that are
not of version 1.2 with one of the ciphers below. `Records` has the methods of an OpenSSL connection that aiortc calls.

OpenSSL 4.0 keeps for each DTLS connection, however idle, the buffer of its handshake (22 kB), one datagram (15 kB), a
read buffer (16 kB), three record layers and more, 94 kB with SSL_MODE_RELEASE_BUFFERS, half of what a subscriber took
of the whole server; here it is 7 kB. Rejected: ending DTLS after the handshake for clients without data channels, who
would then leave without a goodbye.
"""

from __future__ import annotations

import hmac
from collections import deque
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from OpenSSL import SSL

_VERSION = b"\xfe\xfd"  # RFC 6347 §4.1: DTLS 1.2
_HEADER = 13  # RFC 6347 §4.1: type, version, epoch, sequence number, length
_TAG = 16
_EPOCH = 1  # of the first keys (RFC 6347 §4.1); there are no others, nobody may renegotiate
# RFC 5246 §6.2.1
_ALERT, _HANDSHAKE, _DATA = 21, 22, 23
# RFC 5246 §7.2: warning(1), close_notify(0); and what ends a connection at once
_CLOSE_NOTIFY = b"\x01\x00"
_FATAL = 2
_FINISHED = 20  # RFC 5246 §7.4
_WINDOW = 64  # RFC 6347 §4.1.2.6
# OpenSSL has sent its Finished, perhaps several times, under the first numbers of this epoch: a number must not come
# twice under one key. Receivers take any that is higher (RFC 6347 §4.1.2.6).
_FIRST_NUMBER = 1 << 16
# A client asks for the end of the handshake at most after 1, 2, 4 … s (RFC 6347 §4.2.4.1).
_MAX_REPEATS = 8
# Records of one datagram that wait to be read, one by one; SCTP sends one in each.
_MAX_PENDING = 16


@dataclass(frozen=True, slots=True)
class _Cipher:
    key_size: int
    iv_size: int
    explicit: int
    """Bytes of the nonce that a record carries (RFC 5288 §3)."""


# By OpenSSL's names. Both have SHA-256 as pseudo-random function (RFC 5246 §5).
_CIPHERS = {
    "ECDHE-ECDSA-AES128-GCM-SHA256": _Cipher(16, 4, 8),  # RFC 5289 §3.2
    "ECDHE-ECDSA-CHACHA20-POLY1305": _Cipher(32, 12, 0),  # RFC 7905 §2
}


def _expand(secret: bytes, seed: bytes, size: int) -> bytes:
    """P_SHA256 (RFC 5246 §5)."""
    out, chain = b"", seed
    while len(out) < size:
        chain = hmac.digest(secret, chain, "sha256")
        out += hmac.digest(secret, chain + seed, "sha256")
    return out[:size]


class _Direction:
    """The keys of one direction."""

    __slots__ = ("_aead", "_cipher", "_iv")

    def __init__(self, cipher: _Cipher, key: bytes, iv: bytes) -> None:
        self._cipher = cipher
        self._aead = AESGCM(key) if cipher.explicit else ChaCha20Poly1305(key)
        self._iv = iv

    def _nonce(self, number: bytes) -> bytes:
        if self._cipher.explicit:
            return self._iv + number
        padded = bytes(len(self._iv) - len(number)) + number
        return bytes(a ^ b for a, b in zip(self._iv, padded, strict=True))

    def seal(self, kind: int, number: bytes, plain: bytes) -> bytes:
        """The record; ``number``: epoch and sequence number, 8 bytes."""
        head = bytes((kind,)) + _VERSION
        sealed = self._aead.encrypt(self._nonce(number), plain, number + head + len(plain).to_bytes(2))
        if self._cipher.explicit:
            sealed = number + sealed
        return head + number + len(sealed).to_bytes(2) + sealed

    def open_untrusted(self, kind: int, number: bytes, body: bytes) -> bytes | None:
        """What a record's body holds; None when it is not authentic."""
        explicit = self._cipher.explicit
        size = len(body) - explicit - _TAG
        if size < 0:
            return None
        nonce = self._iv + body[:explicit] if explicit else self._nonce(number)
        associated = number + bytes((kind,)) + _VERSION + size.to_bytes(2)
        try:
            return self._aead.decrypt(nonce, body[explicit:], associated)
        except InvalidTag:
            return None


class Records:
    """Both directions of one connection; the methods are those of `OpenSSL.SSL.Connection`, one thread at a time."""

    __slots__ = ("_highest", "_last_flight", "_next", "_out", "_pending", "_repeats", "_rx", "_seen", "_tx")

    def __init__(self, tx: _Direction, rx: _Direction, last_flight: bytes) -> None:
        self._tx = tx
        self._rx = rx
        self._last_flight = last_flight
        self._repeats = 0
        self._next = _FIRST_NUMBER
        self._highest = -1
        self._seen = 0
        """Bit n: the number highest − n came."""
        self._pending: deque[tuple[int, bytes]] | None = None
        self._out: deque[bytes] | None = None

    def bio_write(self, datagram: bytes) -> int:
        """Take a datagram in; what it holds that is not authentic, or came before, is dropped."""
        view = memoryview(datagram)
        while len(view) >= _HEADER:
            end = _HEADER + int.from_bytes(view[11:13])
            if view[1:3] == _VERSION and end <= len(view):
                self._take(view[0], bytes(view[3:11]), bytes(view[_HEADER:end]))
            view = view[end:]
        return len(datagram)

    def recv(self, _size: int) -> bytes:
        """The data of the next record. ZeroReturnError when the client has ended the connection, else WantReadError."""
        while self._pending:
            kind, plain = self._pending.popleft()
            if kind == _DATA:
                return plain
            if kind == _ALERT and len(plain) == 2 and (plain[0] == _FATAL or plain == _CLOSE_NOTIFY):
                raise SSL.ZeroReturnError
            if kind == _HANDSHAKE and plain[:1] == bytes((_FINISHED,)) and self._repeats < _MAX_REPEATS:
                self._repeats += 1  # the client has not heard ours
                self._queue(self._last_flight)
        self._pending = None
        raise SSL.WantReadError

    def send(self, data: bytes) -> int:
        """Queue data as one record."""
        self._write(_DATA, data)
        return len(data)

    def shutdown(self) -> bool:
        """Queue the goodbye."""
        self._write(_ALERT, _CLOSE_NOTIFY)
        return False

    def bio_read(self, _size: int) -> bytes:
        """The next datagram to send; WantReadError when there is none."""
        if not self._out:
            self._out = None
            raise SSL.WantReadError
        return self._out.popleft()

    def DTLSv1_get_timeout(self) -> None:  # noqa: N802  # pyOpenSSL's name
        """Nothing is sent again by itself: the handshake is over."""

    def _take(self, kind: int, number: bytes, body: bytes) -> None:
        if int.from_bytes(number[:2]) != _EPOCH:
            return
        sequence = int.from_bytes(number[2:])
        behind = self._highest - sequence
        if behind >= _WINDOW or (behind >= 0 and self._seen >> behind & 1):
            return
        plain = self._rx.open_untrusted(kind, number, body)
        if plain is None:
            return
        if behind < 0:
            self._seen = (self._seen << -behind if -behind < _WINDOW else 0) & (1 << _WINDOW) - 1 | 1
            self._highest = sequence
        else:
            self._seen |= 1 << behind
        if self._pending is None:
            self._pending = deque(maxlen=_MAX_PENDING)
        self._pending.append((kind, plain))

    def _write(self, kind: int, plain: bytes) -> None:
        number = _EPOCH.to_bytes(2) + self._next.to_bytes(6)
        self._next += 1
        self._queue(self._tx.seal(kind, number, plain))

    def _queue(self, datagram: bytes) -> None:
        if self._out is None:
            self._out = deque()
        self._out.append(datagram)


def take_over(connection: SSL.Connection, last_flight: bytes) -> Records | None:
    """What goes on where a server's finished handshake ends; None when ``connection`` itself must.

    ``last_flight``: the datagram that ended the handshake. The connection must not be used afterwards.
    """
    cipher = _CIPHERS.get(connection.get_cipher_name() or "")
    secret, client, server = connection.master_key(), connection.client_random(), connection.server_random()
    if connection.get_protocol_version_name() != "DTLSv1.2" or cipher is None or not (secret and client and server):
        return None
    key, iv = cipher.key_size, cipher.iv_size
    # RFC 5246 §6.3: client's and server's key, client's and server's nonce; ciphers of this kind have no MAC key
    block = _expand(secret, b"key expansion" + server + client, 2 * (key + iv))
    keys, ivs = block[: 2 * key], block[2 * key :]
    rx, tx = _Direction(cipher, keys[:key], ivs[:iv]), _Direction(cipher, keys[key:], ivs[iv:])
    return Records(tx, rx, last_flight)
