"""Objects of the storage as answers: whole or one range, piece by piece (RFC 9110 §13, §14).

Owns ranges, entity tags, the name that a browser saves under, and what may be shown inside a page. Refuses to know what
an object is and who may see it: a handler has found that out before. Each download holds one piece in memory, and asks
for the next one when the client has taken the last.

::

    return await ranged(call, call.services.files, f"recordings/{id}.mp4", media_type="video/mp4",
                        filename="Weekly.mp4", download=query.download, etag=id)
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from appliance.api.call import Call, Stream
from appliance.api.file_names import disposition
from appliance.errors import UserError
from appliance.files.storage import PIECE_BYTES, ObjectStorage

# First byte, last byte; either may be missing, not both (RFC 9110 §14.1.1). Nineteen digits hold any file's size.
_RANGE = re.compile(r"bytes=[ \t]*(\d{0,19})-(\d{0,19})[ \t]*", re.ASCII | re.IGNORECASE)
# What browsers show without running anything of it in our origin. HTML, SVG and XML are not among them, nor is PDF,
# whose viewers run scripts.
_SHOWN = re.compile(r"(image/(jpeg|png|gif|webp|avif|bmp)|(audio|video)/[a-z0-9.+-]+|text/(plain|vtt))(;.*)?")
# Should something be shown as a page after all, it gets a page that may do nothing; a picture or film may show itself.
_PAGE_POLICY = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"


async def ranged(
    call: Call, storage: ObjectStorage, key: str, *, media_type: str, filename: str, download: bool, etag: str
) -> Stream:
    """The answer to GET or HEAD of an object that the caller may see. UserError 404, or 416 is answered.

    ``filename``: any text; the client is told its last part, for saving. ``download``: to be saved, not shown; types
    that could run scripts are never shown. ``etag``: the object's version without quotes, another one for other bytes;
    letters, digits and ``_.-``.
    """
    try:
        size = await storage.size(key)
    except FileNotFoundError:
        raise UserError(404, "not_found", "the file is gone") from None
    tag = f'"{etag}"'
    shown = _SHOWN.fullmatch(media_type) is not None and not download
    headers = {
        "Content-Type": media_type,
        "Content-Disposition": disposition("inline" if shown else "attachment", filename),
        "Content-Security-Policy": _PAGE_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Accept-Ranges": "bytes",
        "ETag": tag,
        # To be kept by this browser alone, and asked about each time: rights may end.
        "Cache-Control": "private, no-cache",
    }
    if _names(call.headers.get("if-none-match"), tag):
        return Stream(pieces=None, headers=headers, status=304)
    start, end, status = 0, size, 200
    wanted = _range(call, tag)
    if wanted is not None:
        found = _resolve(wanted, size)
        if found is None:
            headers["Content-Range"] = f"bytes */{size}"
            headers["Content-Length"] = "0"
            return Stream(pieces=None, headers=headers, status=416)
        (start, end), status = found, 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - start)
    if call.method == "HEAD":
        return Stream(pieces=None, headers=headers, status=status)
    return Stream(pieces=lambda: _pieces(storage, key, start, end), headers=headers, status=status)


async def _pieces(storage: ObjectStorage, key: str, start: int, end: int) -> AsyncIterator[bytes]:
    while start < end:
        piece = await storage.read_range(key, start, min(PIECE_BYTES, end - start))
        if not piece:
            raise EOFError(f"{key} ends at byte {start}, {end} was promised")
        yield piece
        start += len(piece)


def _names(header: str | None, tag: str) -> bool:
    """Whether an If-None-Match holds the tag; weak comparison (RFC 9110 §13.1.2)."""
    tags = [part.strip().removeprefix("W/") for part in (header or "").split(",")]
    return tag in tags or "*" in tags


def _range(call: Call, tag: str) -> tuple[int | None, int | None] | None:
    """What is asked for: (first, last), (first, None) or (None, how many at the end); None for the whole object.

    For another method than GET, a unit that is not bytes, several ranges and bad syntax RFC 9110 §14.2 lets a server
    answer with the whole. After an If-Range that is not this version it must (§13.1.5); we send no dates, so a date
    never is.
    """
    header = call.headers.get("range")
    if header is None or call.method != "GET":
        return None
    condition = call.headers.get("if-range")
    if condition is not None and condition.strip() != tag:
        return None
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = (int(text) if text else None for text in match.groups())
    if first is not None and last is not None and last < first:
        return None
    return first, last


def _resolve(wanted: tuple[int | None, int | None], size: int) -> tuple[int, int] | None:
    """Start and end (not included) within an object; None when nothing of it is there (RFC 9110 §15.5.17)."""
    first, last = wanted
    if first is None:
        assert last is not None  # the pattern: one of them is given
        return None if last == 0 or size == 0 else (max(0, size - last), size)
    if first >= size:
        return None
    return first, size if last is None else min(last + 1, size)
