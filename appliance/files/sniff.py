"""What a file is, by its first bytes; pure.

Owns the magic numbers and the media types that come of them. Refuses to believe anybody's name or header, and to look
deeper: whether a picture or a film can be decoded is `probe`'s. What is none of these is just bytes.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

Kind = Literal["image", "audio", "video", "document", "other"]

# Enough for every magic number and for a page's first tag behind a comment.
HEAD_BYTES = 4096

# WHATWG MIME Sniffing §7.1, "text/html", and what is beyond it but a browser could draw.
_MARKUP = re.compile(
    rb"<(!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|meta|link|img|form|input"
    rb"|object|embed|base|video|audio|!--)[\s>/]",
    re.IGNORECASE,
)
# §3: binary data bytes; ESC is allowed.
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")


class Sniffed(msgspec.Struct, frozen=True):
    """A first guess that can be relied on not to be too kind."""

    media_type: str
    kind: Kind
    decoder: str = ""
    """What `probe` tries it with: ``image:`` and Pillow's name of the format, or ``av:`` and FFmpeg's; or nothing."""


_BYTES = Sniffed("application/octet-stream", "other")
_BRANDS = {
    b"avif": Sniffed("image/avif", "image", "image:AVIF"),
    b"avis": Sniffed("image/avif", "image", "image:AVIF"),
    # Pillow alone does not decode it: kept and shown by browsers that do.
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"), Sniffed("image/heic", "image")),
    b"M4A ": Sniffed("audio/mp4", "audio", "av:mov"),
    b"M4B ": Sniffed("audio/mp4", "audio", "av:mov"),
    b"qt  ": Sniffed("video/quicktime", "video", "av:mov"),
}
_STARTS = (
    (b"\xff\xd8\xff", Sniffed("image/jpeg", "image", "image:JPEG")),
    (b"\x89PNG\r\n\x1a\n", Sniffed("image/png", "image", "image:PNG")),
    (b"GIF87a", Sniffed("image/gif", "image", "image:GIF")),
    (b"GIF89a", Sniffed("image/gif", "image", "image:GIF")),
    (b"OggS", Sniffed("audio/ogg", "audio", "av:ogg")),
    (b"fLaC", Sniffed("audio/flac", "audio", "av:flac")),
    (b"ID3", Sniffed("audio/mpeg", "audio", "av:mp3")),
    (b"%PDF-", Sniffed("application/pdf", "document")),
    (b"PK\x03\x04", Sniffed("application/zip", "other")),
    (b"\x1f\x8b", Sniffed("application/gzip", "other")),
)
_RIFF = {
    b"WEBP": Sniffed("image/webp", "image", "image:WEBP"),
    b"WAVE": Sniffed("audio/wav", "audio", "av:wav"),
    b"AVI ": Sniffed("video/x-msvideo", "video", "av:avi"),
}


def sniff(head: bytes) -> Sniffed:
    """What the file is that begins with ``head``: its first HEAD_BYTES, or all of it."""
    for start, found in _STARTS:
        if head.startswith(start):
            return found
    if head[:4] == b"RIFF" and head[8:12] in _RIFF:
        return _RIFF[head[8:12]]
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], Sniffed("video/mp4", "video", "av:mov"))
    if head[4:8] in (b"moov", b"mdat", b"wide"):  # QuickTime before it had ftyp
        return _BRANDS[b"qt  "]
    if head[:4] == b"\x1a\x45\xdf\xa3":  # EBML (RFC 8794)
        webm = b"webm" in head[:64]
        return Sniffed("video/webm" if webm else "video/x-matroska", "video", "av:matroska")
    return _sniff_frames(head) or _sniff_text(head)


def _sniff_frames(head: bytes) -> Sniffed | None:
    """MPEG audio without anything around it: a frame header of 32 bits that makes sense."""
    if len(head) < 4 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0:  # ADTS (ISO 13818-7 §6.2): layer 0
        return Sniffed("audio/aac", "audio", "av:aac") if (head[2] >> 2) & 15 < 13 else None
    layer_3 = head[1] & 0xE6 == 0xE2 and head[1] & 0x18 != 0x08
    sensible = head[2] >> 4 not in (0, 15) and (head[2] >> 2) & 3 != 3
    return Sniffed("audio/mpeg", "audio", "av:mp3") if layer_3 and sensible else None


def _sniff_text(head: bytes) -> Sniffed:
    if not head or _BINARY.search(head):
        return _BYTES
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":  # a character that the end of the head cuts is fine
            return _BYTES
    begin = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if b"<svg" in head.lower():
        return Sniffed("image/svg+xml", "document")
    if _MARKUP.match(begin):
        return Sniffed("text/html", "document")
    if begin.startswith(b"<?xml"):
        return Sniffed("application/xml", "document")
    return Sniffed("text/plain; charset=utf-8", "document")
