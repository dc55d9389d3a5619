"""The signature of Standard Webhooks 1.0.0, symmetric: HMAC-SHA256 over id, time and body. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

_PREFIX = "whsec_"
# The specification: at least 24 bytes, at most 64.
_KEY_BYTES = range(24, 65)


def read_secret(key: str, text: str) -> bytes:
    """The key behind ``whsec_…``; ValueError names the setting ``key`` and not the secret."""
    try:
        raw = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not text.startswith(_PREFIX) or len(raw) not in _KEY_BYTES:
        raise ValueError(f"{key}: must be whsec_ and 24 to 64 random bytes in base64")
    return raw


def sign(keys: Iterable[bytes], message_id: str, timestamp_s: int, body: bytes) -> str:
    """Value of ``webhook-signature``: one for each key, so that a secret can be changed without a gap.

    A dot in the id could move the border between id and time: ValueError.
    """
    if "." in message_id:
        raise ValueError("the id holds a dot")
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    made = (base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)
    return " ".join(f"v1,{signature}" for signature in made)
