"""A file on its way in: announced, received, looked at, stored. What ``POST /media/upload`` and tus have in common.

Owns the order, the quota and that nothing is kept of what is refused::

    announce (row, counts for the quota) → receive (staging) → finish: look at it → storage → row of the file

A crash at any point leaves the row of the upload, by which `file_chores` finds all that is left of it, or by which a
resumable one goes on. Refuses to know how bytes come (`media_files`, `media_uploads`).
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import trio

from appliance.api.call import Call
from appliance.api.file_names import display_name
from appliance.errors import UserError
from appliance.file_chores import object_key, remove_objects, thumbnail_key
from appliance.files.probe import BrokenFileError, Probed, probe_untrusted
from appliance.files.staging import StagedFile
from appliance.files.storage import StorageUnavailableError
from appliance.ids import new_id
from appliance.store import media_files, media_uploads
from appliance.store.database import Conn, DatabaseUnavailableError
from appliance.store.media_files import MediaFile
from appliance.store.media_uploads import MediaUpload

_log = structlog.get_logger(__name__)

# Of one account at the same time: a page with many files sends a handful at once.
MAX_UPLOADS = 100

# Cleaning up after a refusal, also when the client is gone; what is late is found by the chore.
_CLEAN_WITHIN_S = 10.0

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


async def announce(call: Call, *, name: str, meeting_id: str | None, metadata: str, length: int) -> MediaUpload:
    """Write an upload down. UserError 413 ``payload_too_large`` or ``quota_exceeded``, 429 ``too_many_uploads``."""
    settings = call.services.settings.media_files
    if length > settings.max_bytes:
        raise too_large(settings.max_bytes)
    upload = MediaUpload(
        id=new_id("med"),
        user_id=call.user.id,
        meeting_id=meeting_id,
        name=display_name(name),
        metadata=metadata,
        length=length,
        checking_from=None,
        created_at_ms=call.now_ms,
        expires_at_ms=expiry(call),
    )
    await call.run(_announce, upload, call.user.id, settings.quota_bytes)
    return upload


def expiry(call: Call) -> int:
    """Until when an upload is kept that goes on now."""
    return call.services.now_ms() + call.services.settings.media_files.unfinished_keep_s * 1000


async def _announce(conn: Conn, upload: MediaUpload, user_id: str, quota_bytes: int) -> None:
    count, _ = await media_uploads.announced(conn, user_id)
    if count >= MAX_UPLOADS:
        raise UserError(429, "too_many_uploads", f"there are {count} unfinished uploads: finish or delete some first")
    await _check_quota(conn, user_id, upload.length, quota_bytes)
    await media_uploads.insert(conn, upload)


async def _check_quota(conn: Conn, user_id: str, length: int, quota_bytes: int, *, besides: str = "") -> None:
    if not quota_bytes:
        return
    used = sum(one.bytes for one in (await media_files.usage(conn, user_id)).values())
    _, announced = await media_uploads.announced(conn, user_id, besides=besides)
    if used + announced + length > quota_bytes:
        left = max(0, quota_bytes - used - announced)
        message = f"your files may have {quota_bytes} bytes together, {left} of them are left"
        raise UserError(413, "quota_exceeded", message, field="file")


async def finish(call: Call, upload: MediaUpload, staged: StagedFile) -> MediaFile:
    """Make a file of what was received. UserError 400 ``invalid_media`` for what is broken, 413 ``quota_exceeded``.

    The caller holds the upload. Whatever is raised, no file is there; the upload still is.
    """
    if staged.size == 0:
        raise UserError(400, "invalid_field", "the file is empty", field="file")
    with disk_errors():
        await staged.sync()
    probed = await _look(staged)
    file = _file(call, upload, staged.size, probed)
    files = call.services.files
    try:
        with disk_errors():
            await files.put_file(object_key(file.id), staged.path, file.media_type)
            if probed.thumbnail:
                await files.write(thumbnail_key(file.id), probed.thumbnail)
        await call.run(_finish, file, call.services.settings.media_files.quota_bytes)
    except UserError:
        with trio.move_on_after(_CLEAN_WITHIN_S, shield=True):
            await remove_objects(files, file.id)
        raise
    await call.services.staging.remove(upload.id)
    return file


async def _look(staged: StagedFile) -> Probed:
    try:
        return await probe_untrusted(staged.path)
    except BrokenFileError as error:
        raise UserError(400, "invalid_media", str(error), field="file") from None


def _file(call: Call, upload: MediaUpload, size: int, probed: Probed) -> MediaFile:
    return MediaFile(
        id=upload.id,
        user_id=upload.user_id,
        meeting_id=upload.meeting_id,
        name=upload.name,
        media_type=probed.media_type,
        kind=probed.kind,
        bytes=size,
        width=probed.width,
        height=probed.height,
        duration_ms=probed.duration_ms,
        has_thumbnail=bool(probed.thumbnail),
        created_at_ms=call.services.now_ms(),
    )


async def _finish(conn: Conn, file: MediaFile, quota_bytes: int) -> None:
    upload = await media_uploads.by_id(conn, file.id)
    if upload is None or upload.user_id is None:
        raise UserError(404, "not_found", "the upload was removed", field="upload_id")
    await _check_quota(conn, upload.user_id, file.bytes, quota_bytes, besides=file.id)
    await media_files.insert(conn, file)
    await media_uploads.delete(conn, file.id)


async def discard(call: Call, upload_id: str) -> None:
    """Nothing of an upload is kept; also when the client is gone. The caller holds it."""
    reason = f"not done within {_CLEAN_WITHIN_S:.0f} s"
    with trio.move_on_after(_CLEAN_WITHIN_S, shield=True):
        await call.services.staging.remove(upload_id)
        try:
            if await call.read(media_files.by_id, upload_id) is None:
                await remove_objects(call.services.files, upload_id)
            await call.run(media_uploads.delete, upload_id)
            return
        except (StorageUnavailableError, DatabaseUnavailableError) as error:
            reason = str(error)
    # The upload's row is still there: by it the chore finds the rest.
    _log.warning("upload_left_behind", upload=upload_id, reason=reason)


def too_large(most: int) -> UserError:
    """The file is larger than any may be."""
    return UserError(413, "payload_too_large", f"the file has more than {most} bytes", field="file")


@contextmanager
def disk_errors() -> Iterator[None]:
    """UserError 507 ``disk_full`` for a disk, or a quota of the system, that has no room."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise UserError(507, "disk_full", "the server has no room for the file", field="file") from error
        raise
