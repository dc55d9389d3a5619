"""What of uploaded files is removed, and the jobs that remove what nobody asked to remove.

Owns where a media file's bytes lie in the storage, their removal, and when something counts as left behind; refuses to
know when jobs run, and who may remove what.
"""

from __future__ import annotations

from collections.abc import Callable

from appliance.files.staging import BusyError, Staging
from appliance.files.storage import ObjectStorage
from appliance.jobs.places import JobContext
from appliance.jobs.registry import Registry
from appliance.jobs.schedule import Daily, Every
from appliance.jobs.types import JobType, NoPayload
from appliance.store import media_files, media_uploads
from appliance.store.database import Database

_DAY_MS = 86_400_000
# Somebody who is away for some days still finds an upload that can go on; config/appliance.toml says "a week".
_UNFINISHED_DAYS = 7
# Rows that are looked at in one transaction.
_BATCH = 100

FORGET_UNFINISHED = JobType(name="storage.forget_unfinished", payload=NoPayload, priority="low", at_once=1)
"""Parts of large files at an S3 service that nobody will complete cost money for ever otherwise."""
FORGET_MEDIA = JobType(name="media.forget", payload=NoPayload, at_once=1, deadline_s=600.0)
"""Uploads that expired, and files of accounts that were deleted: at once when an account is, else each hour."""


def object_key(media_id: str) -> str:
    """Where a file's bytes lie."""
    return f"media/{media_id}"


def thumbnail_key(media_id: str) -> str:
    """Where its thumbnail lies, if it has one."""
    return f"thumbnails/{media_id}.webp"


async def remove_objects(files: ObjectStorage, media_id: str) -> None:
    """Both; what is not there is fine."""
    await files.delete(object_key(media_id))
    await files.delete(thumbnail_key(media_id))


async def forget_media(database: Database, files: ObjectStorage, staging: Staging, now_ms: int) -> int:
    """Remove uploads that are over and files of nobody; how many there were. Bytes first: a row is what finds them."""
    forgotten = 0
    for upload in await database.read(media_uploads.over, now_ms, _BATCH):
        try:
            async with staging.hold(upload.id):
                if upload != await database.read(media_uploads.by_id, upload.id):
                    continue  # it went on meanwhile, or is finished
                await staging.remove(upload.id)
                if await database.read(media_files.by_id, upload.id) is None:
                    await remove_objects(files, upload.id)  # put there by a server that was killed before it said so
                await database.run(media_uploads.delete, upload.id)
                forgotten += 1
        except BusyError:
            pass  # somebody sends a part this very moment, which prolongs it
    while orphans := await database.read(media_files.of_nobody, _BATCH):
        for file in orphans:
            await remove_objects(files, file.id)
            await database.run(media_files.delete, file.id)
            forgotten += 1
    staged = await staging.ids()
    known = await database.read(media_uploads.known, staged)
    for upload_id in staged:
        if upload_id not in known:  # an upload's row is there before its file
            await staging.remove(upload_id)
            forgotten += 1
    return forgotten


def add_file_chores(
    registry: Registry, database: Database, files: ObjectStorage, staging: Staging, *, now_ms: Callable[[], int]
) -> None:
    """Bind the jobs and say when they recur."""

    async def forget_unfinished(_context: JobContext, _payload: NoPayload) -> int:
        return await files.forget_unfinished(now_ms() - _UNFINISHED_DAYS * _DAY_MS)

    async def forget(_context: JobContext, _payload: NoPayload) -> int:
        return await forget_media(database, files, staging, now_ms())

    registry.task(FORGET_UNFINISHED, forget_unfinished)
    registry.task(FORGET_MEDIA, forget)
    registry.recur("storage.forget_unfinished", FORGET_UNFINISHED, NoPayload(), Daily(3))
    registry.recur("media.forget", FORGET_MEDIA, NoPayload(), Every(3600))
