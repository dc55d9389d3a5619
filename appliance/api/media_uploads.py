"""Uploads that can be resumed, by tus 1.0.0: core, creation, expiration, checksum, termination.

Owns the handlers; `tus` reads the headers, `media_intake` does what every upload needs. An upload's id is that of the
file that it becomes: when the last byte has come, ``GET /media/{id}`` has it. It is looked at before the last PATCH is
answered, so that one that is broken is refused there.

::

    POST /media/uploads  Upload-Length: 7340032, Upload-Metadata: filename dG91ci5tcDQ=,meeting_id bXRnXw==
                                                            → 201, Location: /api/v1/media/uploads/med_…
    PATCH …/med_…        Upload-Offset: 0                   → 204, Upload-Offset: 5242880      (the line broke)
    HEAD …/med_…                                            → 200, Upload-Offset: 5242880
    PATCH …/med_…        Upload-Offset: 5242880             → 204, Upload-Offset: 7340032

What was received lies on this server's disk: with several servers on one database, a proxy must send one upload to one
of them.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NoReturn

from appliance.api import tus
from appliance.api.bodies import Empty
from appliance.api.call import Blob, Call
from appliance.api.media_access import find_meeting
from appliance.api.media_intake import announce, discard, disk_errors, expiry, finish, too_large
from appliance.api.media_shapes import MEDIA_PATH
from appliance.api.request_body import Incoming
from appliance.errors import UserError
from appliance.files.staging import BusyError, StagedFile
from appliance.store import media_files, media_uploads
from appliance.store.database import Conn
from appliance.store.media_files import MediaFile
from appliance.store.media_uploads import MediaUpload

UPLOADS_PATH = f"{MEDIA_PATH}/uploads"
_ID = re.compile(r"med_[a-z2-7]{20}")


async def options(call: Call) -> Blob:
    """What this server knows of tus."""
    headers = tus.headers(tus.VERSION, call.services.settings.media_files.max_bytes)
    return _answer(204, {"Allow": "POST, OPTIONS", **headers})


async def options_of_one(call: Call, upload_id: str) -> Blob:
    """The same, of one upload."""
    headers = tus.headers(tus.VERSION, call.services.settings.media_files.max_bytes)
    return _answer(204, {"Allow": "HEAD, PATCH, DELETE, POST, OPTIONS", **headers})


async def create(call: Call, body: Empty) -> Blob:
    """Announce a file of ``Upload-Length`` bytes; ``Upload-Metadata`` may hold ``filename`` and ``meeting_id``."""
    tus.check_version(call.headers)
    length = tus.length(call.headers)
    text, pairs = tus.metadata(call.headers)
    if length == 0:
        raise UserError(400, "invalid_field", "the file is empty", field="Upload-Length")
    meeting_id = await find_meeting(call, pairs.get("meeting_id"))
    name = pairs.get("filename") or pairs.get("name") or ""
    upload = await announce(call, name=name, meeting_id=meeting_id, metadata=text, length=length)
    async with call.services.staging.hold(upload.id):
        try:
            with disk_errors():
                async with call.services.staging.open(upload.id, create=True):
                    pass
        except BaseException:
            await discard(call, upload.id)
            raise
    headers = {"Location": f"{UPLOADS_PATH}/{upload.id}", "Upload-Expires": tus.expires(upload.expires_at_ms)}
    return _answer(201, headers)


async def look(call: Call, upload_id: str) -> Blob:
    """How much of an upload is there."""
    tus.check_version(call.headers)
    upload, file = await _find(call, upload_id)
    if upload is None:
        return _state(file.bytes, file.bytes, "") if file is not None else _missing()
    there = await _size(call, upload)
    if there == upload.length:
        # Whole, but perhaps a crash or a storage that was away stopped what comes then: now it is done.
        await _finish(call, upload_id)
    return _state(there, upload.length, upload.metadata)


async def append(call: Call, upload_id: str, incoming: Incoming) -> Blob:
    """Send the bytes from ``Upload-Offset`` on; ``Upload-Checksum`` is compared where it is given."""
    tus.check_version(call.headers)
    if incoming.media_type != tus.OFFSET_TYPE:
        message = f"the body must be {tus.OFFSET_TYPE}"
        raise UserError(415, "unsupported_media_type", message, field="Content-Type")
    offset, checksum = tus.offset(call.headers), tus.checksum(call.headers)
    async with _hold(call, upload_id):
        upload = await _own(call, upload_id)
        async with _open(call, upload) as staged:
            await _receive(call, incoming, upload, staged, offset, checksum)
            size, expires_at_ms = staged.size, expiry(call)
            await call.run(media_uploads.touch, upload.id, expires_at_ms)
            if size == upload.length:
                await _make_file(call, upload, staged)
    return _answer(204, {"Upload-Offset": str(size), "Upload-Expires": tus.expires(expires_at_ms)})


async def remove(call: Call, upload_id: str, body: Empty) -> Blob:
    """Give an upload up: nothing of it is kept."""
    tus.check_version(call.headers)
    async with _hold(call, upload_id):
        await discard(call, (await _own(call, upload_id)).id)
    return _answer(204, {})


async def override(call: Call, upload_id: str, incoming: Incoming) -> Blob:
    """``X-HTTP-Method-Override: PATCH``, ``DELETE`` or ``HEAD``, where something between drops those methods."""
    match call.headers.get("x-http-method-override", "").strip().upper():
        case "PATCH":
            return await append(call, upload_id, incoming)
        case "DELETE":
            return await remove(call, upload_id, Empty())
        case "HEAD":
            return await look(call, upload_id)
    raise UserError(400, "invalid_field", "must be PATCH, DELETE or HEAD", field="X-HTTP-Method-Override")


async def _receive(
    call: Call,
    incoming: Incoming,
    upload: MediaUpload,
    staged: StagedFile,
    begin: int,
    checksum: tus.Checksum | None,
) -> None:
    """One request's bytes. What came before the line broke stays, unless a checksum should say that it is right: then
    it counts when that was compared, over a crash too."""
    if begin != staged.size:
        message = f"the upload has {staged.size} bytes, not {begin}"
        raise UserError(409, "offset_conflict", message, field="Upload-Offset")
    if incoming.declared is not None and begin + incoming.declared > upload.length:
        raise too_large(upload.length)
    checking_from = None if checksum is None else begin
    await call.run(media_uploads.touch, upload.id, expiry(call), checking_from=checking_from)
    hashed = None if checksum is None else checksum.begin()
    with disk_errors():
        async for piece in incoming:
            if staged.size + len(piece) > upload.length:
                await staged.cut(begin)
                raise too_large(upload.length)
            await staged.append(piece)
            if hashed is not None:
                hashed.update(piece)
        if checksum is not None and hashed is not None and hashed.digest() != checksum.digest:
            await staged.cut(begin)
            # The number is tus's own.
            raise UserError(460, "checksum_mismatch", "the bytes do not have this checksum", field="Upload-Checksum")
        await staged.sync()


async def _make_file(call: Call, upload: MediaUpload, staged: StagedFile) -> None:
    """The file that the upload becomes; what is refused is not kept, what cannot be stored now is tried again."""
    try:
        await finish(call, upload, staged)
    except UserError as error:
        if error.status < 500:
            await discard(call, upload.id)
        raise


async def _finish(call: Call, upload_id: str) -> None:
    """Make the file of an upload that is whole, unless somebody makes it already: then wait."""
    async with call.services.staging.hold(upload_id, wait=True):
        upload, file = await _find(call, upload_id)
        if upload is None and file is None:
            _missing()
        if upload is not None:
            async with _open(call, upload) as staged:
                await _make_file(call, upload, staged)


@asynccontextmanager
async def _hold(call: Call, upload_id: str) -> AsyncIterator[None]:
    """Work on an upload alone. UserError 423 ``locked``."""
    try:
        async with call.services.staging.hold(upload_id):
            yield
    except BusyError:
        raise UserError(423, "locked", "another request works on this upload", retry_after_s=1.0) from None


@asynccontextmanager
async def _open(call: Call, upload: MediaUpload) -> AsyncIterator[StagedFile]:
    """What was received of it and counts, for its holder. UserError 404."""
    async with AsyncExitStack() as stack:
        try:
            staged = await stack.enter_async_context(call.services.staging.open(upload.id))
        except FileNotFoundError:
            _missing()
        if upload.checking_from is not None and upload.checking_from < staged.size:
            await staged.cut(upload.checking_from)
        yield staged


async def _size(call: Call, upload: MediaUpload) -> int:
    """Bytes that count. UserError 404."""
    try:
        size = await call.services.staging.size(upload.id)
    except FileNotFoundError:
        _missing()
    return size if upload.checking_from is None else min(size, upload.checking_from)


async def _own(call: Call, upload_id: str) -> MediaUpload:
    """One's own unfinished upload. UserError 404."""
    upload, _ = await _find(call, upload_id)
    return upload if upload is not None else _missing()


async def _find(call: Call, upload_id: str) -> tuple[MediaUpload | None, MediaFile | None]:
    """One's own upload, or the file that it became; perhaps neither. UserError 410 ``upload_expired``."""
    if not _ID.fullmatch(upload_id):
        return None, None
    upload, file = await call.read(_both, upload_id)
    if upload is not None and upload.user_id == call.user.id:
        if upload.expires_at_ms <= call.now_ms:
            raise UserError(410, "upload_expired", "the upload was not finished in time", field="upload_id")
        return upload, None
    return None, file if file is not None and file.user_id == call.user.id else None


async def _both(conn: Conn, upload_id: str) -> tuple[MediaUpload | None, MediaFile | None]:
    return await media_uploads.by_id(conn, upload_id), await media_files.by_id(conn, upload_id)


def _missing() -> NoReturn:
    raise UserError(404, "not_found", "there is no such upload", field="upload_id")


def _state(offset: int, length: int, metadata: str) -> Blob:
    headers = {"Upload-Offset": str(offset), "Upload-Length": str(length)}
    if metadata:
        headers["Upload-Metadata"] = metadata
    return _answer(200, headers)


def _answer(status: int, headers: dict[str, str]) -> Blob:
    return Blob(content=b"", media_type="", status=status, headers={"Cache-Control": "no-store", **headers})
