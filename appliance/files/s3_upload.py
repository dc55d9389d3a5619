"""Large files to an S3-compatible service: in parts, resumed after a failure or a crash (multipart upload).

Owns how a file is cut, which parts are there already, and the pauses after failures. Refuses to know how a request is
made (`s3`).

What was sent before is found again at the service, by the object's name: its list of unfinished uploads, and of their
parts. A part is kept when its size and MD5 are those of the same bytes of the file: a file that changed is never mixed
with its former self. Rejected: a state file beside the source, which can be lost, stale or of another bucket.

Until the last request an object of that name is not there; that request puts it there whole.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import msgspec
import structlog
import trio

from appliance.files.s3_errors import NoSuchUploadError, RefusedError
from appliance.files.storage import StorageUnavailableError

_log = structlog.get_logger(__name__)

# In memory while it is sent; at 10 Mbit/s it takes 13 s, which is what a failure loses. S3 wants 5 MiB at least.
PART_BYTES = 16 * 1024 * 1024
# S3 user guide, "Amazon S3 multipart upload limits".
MAX_PARTS = 10_000
# After a failure that botocore has tried to mend for some seconds already: a service that restarts is back by then.
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0)
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Request(Protocol):
    """`S3Storage.request`."""

    async def __call__(self, operation: str, /, **arguments: Any) -> Any:
        """The answer."""


class _Part(msgspec.Struct, frozen=True):
    """Of an object, as the service tells of it."""

    etag: str
    """As it was told, in quotes. The MD5 in hex, unless the service encrypts with keys of its own."""
    size: int


class _Piece(msgspec.Struct, frozen=True):
    """Of the file."""

    number: int
    """From 1."""
    data: bytes
    md5: bytes


def part_bytes(size: int) -> int:
    """How large the parts of a file are: whole MiB, and not too many."""
    mib = 1024 * 1024
    return max(PART_BYTES, -(-size // (MAX_PARTS * mib)) * mib)


async def upload(request: Request, name: str, path: Path, content_type: str, counts: dict[str, int]) -> None:
    """Send a file; see `ObjectStorage.put_file`. ``counts``: its ``parts_sent`` and ``parts_kept`` are counted up."""
    descriptor = await trio.to_thread.run_sync(os.open, path, _OPEN_FILE)
    try:
        size = os.fstat(descriptor).st_size
        if size <= PART_BYTES:
            piece = await trio.to_thread.run_sync(_read, descriptor, 1, 0, size)
            await _persistently(
                request,
                "put_object",
                Key=name,
                Body=piece.data,
                ContentType=content_type,
                ContentMD5=base64.b64encode(piece.md5).decode(),
            )
            return
        try:
            await _in_parts(request, name, descriptor, size, content_type, counts)
        except NoSuchUploadError:
            # Finished by an attempt whose answer was lost, or removed by somebody: then from the start, once.
            await _in_parts(request, name, descriptor, size, content_type, counts)
    finally:
        os.close(descriptor)


async def _in_parts(
    request: Request, name: str, descriptor: int, size: int, content_type: str, counts: dict[str, int]
) -> None:
    upload_id = await _unfinished_upload(request, name)
    if upload_id is None:
        if await _is_there(request, name, descriptor, size):
            return
        begun = await _persistently(request, "create_multipart_upload", Key=name, ContentType=content_type)
        upload_id, there = str(begun["UploadId"]), {}
    else:
        there = await _parts_of(request, name, upload_id)
        _log.info("upload_resumed", object=name, parts=len(there))
    finished = []
    for number, start, length in _cut(size):
        piece = await trio.to_thread.run_sync(_read, descriptor, number, start, length)
        part = there.get(piece.number)
        if part is not None and part.size == len(piece.data) and part.etag.strip('"') == piece.md5.hex():
            counts["parts_kept"] += 1
            etag = part.etag
        else:
            etag = await _send(request, name, upload_id, piece)
            counts["parts_sent"] += 1
        finished.append({"PartNumber": piece.number, "ETag": etag})
    await _persistently(
        request,
        "complete_multipart_upload",
        Key=name,
        UploadId=upload_id,
        MultipartUpload={"Parts": finished},
    )


async def _send(request: Request, name: str, upload_id: str, piece: _Piece) -> str:
    answer = await _persistently(
        request,
        "upload_part",
        Key=name,
        UploadId=upload_id,
        PartNumber=piece.number,
        Body=piece.data,
        ContentMD5=base64.b64encode(piece.md5).decode(),  # the service refuses what was damaged on its way
    )
    return str(answer["ETag"])


async def _unfinished_upload(request: Request, name: str) -> str | None:
    """The newest unfinished upload of exactly this object."""
    found = [
        (known["Initiated"], str(known["UploadId"]))
        for known in await _unfinished(request, name)
        if known["Key"] == name
    ]
    return max(found)[1] if found else None


async def _parts_of(request: Request, name: str, upload_id: str) -> dict[int, _Part]:
    parts: dict[int, _Part] = {}
    after = 0
    while True:
        page = await _persistently(request, "list_parts", Key=name, UploadId=upload_id, PartNumberMarker=after)
        for part in page.get("Parts", ()):
            parts[int(part["PartNumber"])] = _Part(str(part["ETag"]), int(part["Size"]))
        if not page.get("IsTruncated"):
            return parts
        after = int(page["NextPartNumberMarker"])


async def _is_there(request: Request, name: str, descriptor: int, size: int) -> bool:
    """Whether the object is this file already: an attempt may have ended between its last request and being noted.

    The entity tag of an object of parts is the MD5 of their MD5s, a hyphen and their number, as all services have it.
    """
    try:
        head = await _persistently(request, "head_object", Key=name)
    except FileNotFoundError:
        return False
    if int(head["ContentLength"]) != size:
        return False
    digests = [
        (await trio.to_thread.run_sync(_read, descriptor, number, start, length)).md5
        for number, start, length in _cut(size)
    ]
    whole = hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()
    return str(head["ETag"]).strip('"') == f"{whole}-{len(digests)}"


def _cut(size: int) -> Iterator[tuple[int, int, int]]:
    """Number, first byte and length of each part."""
    length = part_bytes(size)
    for number, start in enumerate(range(0, size, length), 1):
        yield number, start, min(length, size - start)


def _read(descriptor: int, number: int, start: int, length: int) -> _Piece:
    data = bytearray()
    while len(data) < length:
        part = os.pread(descriptor, length - len(data), start + len(data))
        if not part:
            raise OSError(f"the file ends at byte {start + len(data)}: it became shorter while it was sent")
        data += part
    return _Piece(number, bytes(data), hashlib.md5(data, usedforsecurity=False).digest())


async def remove_unfinished(request: Request, prefix: str, before_ms: int) -> int:
    """Remove uploads below the prefix that were begun before a time and never finished; how many there were."""
    stale = [
        (str(known["Key"]), str(known["UploadId"]))
        for known in await _unfinished(request, prefix)
        if known["Initiated"].timestamp() * 1000 < before_ms
    ]
    removed = 0
    for name, upload_id in stale:
        try:
            await request("abort_multipart_upload", Key=name, UploadId=upload_id)
        except (NoSuchUploadError, FileNotFoundError):
            continue  # it was finished, or removed, meanwhile
        removed += 1
    return removed


async def _unfinished(request: Request, prefix: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    markers: dict[str, str] = {}
    while True:
        page = await _persistently(request, "list_multipart_uploads", Prefix=prefix, **markers)
        # Some services do not look at the prefix.
        found += [known for known in page.get("Uploads", ()) if str(known["Key"]).startswith(prefix)]
        if not page.get("IsTruncated"):
            return found
        markers = {"KeyMarker": str(page["NextKeyMarker"]), "UploadIdMarker": str(page.get("NextUploadIdMarker", ""))}


async def _persistently(request: Request, operation: str, **arguments: Any) -> Any:
    """A request, again after each pause while the service is away."""
    for pause_s in PAUSES_S:
        try:
            return await request(operation, **arguments)
        except RefusedError:
            raise
        except StorageUnavailableError as error:
            _log.warning("storage_unavailable", reason=str(error), again_in_s=pause_s)
        await trio.sleep(pause_s)
    return await request(operation, **arguments)
