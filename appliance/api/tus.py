"""tus 1.0.0, the protocol of resumable uploads, as headers; pure (https://tus.io/protocols/resumable-upload).

Owns what the headers of requests mean and how those of answers are written: the core protocol and the extensions
creation, expiration, checksum and termination. Refuses to know uploads (`media_uploads`). Every function raises
UserError naming the header.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

import msgspec

from appliance.errors import UserError

VERSION = "1.0.0"
OFFSET_TYPE = "application/offset+octet-stream"
EXTENSIONS = "creation,expiration,checksum,termination"
# The protocol wants SHA-1; it finds what a line damaged, not what an attacker made.
_ALGORITHMS = ("sha1", "sha256", "md5")
_INTEGER = re.compile(r"[0-9]{1,16}", re.ASCII)
# What a file's name in three bytes a character and an id take, in base64, several times over.
_METADATA_BYTES = 4096


class Checksum(msgspec.Struct, frozen=True):
    """What the bytes of one request should come to."""

    algorithm: str
    digest: bytes

    def begin(self) -> Any:
        """A hashlib object to feed."""
        return hashlib.new(self.algorithm, usedforsecurity=False)


def headers(version: str, max_bytes: int) -> dict[str, str]:
    """Of an answer to OPTIONS."""
    return {
        "Tus-Resumable": version,
        "Tus-Version": version,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(max_bytes),
        "Tus-Checksum-Algorithm": ",".join(_ALGORITHMS),
    }


def check_version(sent: Mapping[str, str]) -> None:
    """412 ``tus_version``: the client speaks another version, or no tus at all."""
    if sent.get("tus-resumable", "").strip() != VERSION:
        raise UserError(412, "tus_version", f"the header Tus-Resumable must be {VERSION}", field="Tus-Resumable")


def length(sent: Mapping[str, str]) -> int:
    """Bytes that are announced."""
    if "upload-defer-length" in sent:
        raise _refuse("Upload-Defer-Length", "is not supported: Upload-Length must be known")
    return _integer(sent, "Upload-Length")


def offset(sent: Mapping[str, str]) -> int:
    """Where the client believes that the upload ends."""
    return _integer(sent, "Upload-Offset")


def metadata(sent: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Upload-Metadata as it came, and its pairs: keys, and values out of base64."""
    text = sent.get("upload-metadata", "").strip()
    if len(text) > _METADATA_BYTES:
        raise _refuse("Upload-Metadata", f"has more than {_METADATA_BYTES} bytes")
    pairs: dict[str, str] = {}
    for part in text.split(",") if text else ():
        key, _, value = part.strip().partition(" ")
        if not key or not key.isascii() or not key.isprintable() or key in pairs:
            raise _refuse("Upload-Metadata", "must be pairs of a key, a space and base64, with commas between")
        try:
            pairs[key] = base64.b64decode(value.strip(), validate=True).decode("utf-8", "replace").replace("\0", "")
        except (binascii.Error, ValueError):
            raise _refuse("Upload-Metadata", f"holds no base64 after {key[:64]!r}") from None
    return text, pairs


def checksum(sent: Mapping[str, str]) -> Checksum | None:
    """Upload-Checksum; None when there is none."""
    text = sent.get("upload-checksum")
    if text is None:
        return None
    algorithm, _, value = text.strip().partition(" ")
    if algorithm not in _ALGORITHMS:
        raise _refuse("Upload-Checksum", f"must be one of {', '.join(_ALGORITHMS)}, a space and base64")
    try:
        digest = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise _refuse("Upload-Checksum", "holds no base64") from None
    if len(digest) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise _refuse("Upload-Checksum", f"is no {algorithm} digest")
    return Checksum(algorithm, digest)


def expires(at_ms: int) -> str:
    """The value of Upload-Expires (RFC 9110 §5.6.7)."""
    return formatdate(at_ms / 1000, usegmt=True)


def _integer(sent: Mapping[str, str], name: str) -> int:
    text = sent.get(name.lower(), "").strip()
    if not _INTEGER.fullmatch(text):
        raise _refuse(name, "must be a number of bytes")
    return int(text)


def _refuse(field: str, message: str) -> UserError:
    return UserError(400, "invalid_field", f"the header {field} {message}", field=field)
