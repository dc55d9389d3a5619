"""Media files: sent in one request, shown in ranges, listed, counted, deleted.

Owns the handlers; `media_uploads` has those of uploads that can be resumed, `media_intake` what both do with the bytes,
`media_access` who may see a file.

A file is what its content says: neither the name nor the type that its sender gave decides anything. What could run
scripts in a browser (HTML, SVG, PDF) is taken, and only ever given out to be saved.
"""

from __future__ import annotations

import msgspec

from appliance.api.bodies import Empty
from appliance.api.call import Call, Stream
from appliance.api.file_names import display_name
from appliance.api.forms import read_form
from appliance.api.media_access import find_meeting, find_owned, find_seen
from appliance.api.media_intake import announce, discard, disk_errors, finish, too_large
from appliance.api.media_shapes import (
    MediaListQuery,
    MediaQuery,
    MediaStats,
    MediaView,
    UploadQuery,
    media_stats,
    media_view,
)
from appliance.api.pages import Page, cut, decode_cursor
from appliance.api.ranges import ranged
from appliance.api.request_body import Incoming
from appliance.api.shapes import Nothing
from appliance.errors import UserError
from appliance.file_chores import object_key, remove_objects, thumbnail_key
from appliance.files.staging import StagedFile
from appliance.store import media_files, media_uploads
from appliance.store.database import Conn
from appliance.store.media_files import MediaKind, Usage
from appliance.store.media_uploads import MediaUpload

FORM = "multipart/form-data"
# Around the file in a form; what a client declares holds both.
_FORM_FRAME_BYTES = 65_536


async def upload(call: Call, incoming: Incoming, query: UploadQuery) -> MediaView:
    """Send a file: multipart with the field ``file`` (and ``meeting_id``), or the file itself as the body.

    Large ones are better sent to ``/media/uploads``, which resumes.
    """
    meeting_id = await find_meeting(call, query.meeting_id)
    frame = _FORM_FRAME_BYTES if incoming.media_type == FORM else 0
    announced = await announce(
        call,
        name=query.name or "",
        meeting_id=meeting_id,
        metadata="",
        length=max(0, (incoming.declared or 0) - frame),
    )
    staging = call.services.staging
    async with staging.hold(announced.id):
        try:
            with disk_errors():
                async with staging.open(announced.id, create=True) as staged:
                    received = await _receive(call, incoming, announced, staged, query.name)
                    return media_view(await finish(call, received, staged))
        except BaseException:  # a client that is gone, too
            await discard(call, announced.id)
            raise


async def _receive(
    call: Call, incoming: Incoming, announced: MediaUpload, staged: StagedFile, given: str | None
) -> MediaUpload:
    """All of the body, in staging; the upload as a form's fields say."""
    most = call.services.settings.media_files.max_bytes

    async def write(data: bytes) -> None:
        if staged.size + len(data) > most:
            raise too_large(most)
        await staged.append(data)

    if incoming.media_type != FORM:
        async for piece in incoming:
            await write(piece)
        return announced
    form = await read_form(incoming, "file", write)
    for name in form.fields:
        if name not in ("meeting_id", "name"):
            raise UserError(400, "invalid_field", "the form has a field that is not known", field=name[:64])
    meeting_id = await find_meeting(call, form.fields.get("meeting_id"))
    return msgspec.structs.replace(
        announced,
        name=display_name(given or form.fields.get("name") or form.filename),
        meeting_id=meeting_id or announced.meeting_id,
    )


async def show(call: Call, media_id: str, query: MediaQuery) -> Stream:
    """A file, whole or a range; shown where browsers do so safely, else to be saved."""
    file = await find_seen(call, media_id)
    return await ranged(
        call,
        call.services.files,
        object_key(file.id),
        media_type=file.media_type,
        filename=file.name,
        download=query.download,
        etag=file.id,
    )


async def thumbnail(call: Call, media_id: str) -> Stream:
    """A picture or film, at most 320×320 pixels, as WebP."""
    file = await find_seen(call, media_id)
    if not file.has_thumbnail:
        raise UserError(404, "not_found", "the file has no thumbnail", field="media_id")
    return await ranged(
        call,
        call.services.files,
        thumbnail_key(file.id),
        media_type="image/webp",
        filename=f"{file.name}.webp",
        download=False,
        etag=file.id,
    )


async def delete(call: Call, media_id: str, body: Empty) -> Nothing:
    """Remove a file, its thumbnail and all that is known of it; its owner or an administrator."""
    file = await find_owned(call, media_id)
    # Bytes first: as long as the row is there, this can be asked for again.
    await remove_objects(call.services.files, file.id)
    await call.run(media_files.delete, file.id)
    return Nothing()


async def list_page(call: Call, query: MediaListQuery) -> Page[MediaView]:
    """My files, or those of a meeting that I am a member of; newest first."""
    meeting_id = await find_meeting(call, query.meeting_id)
    rows = await call.read(
        media_files.page,
        user_id=call.user.id if meeting_id is None else None,
        meeting_id=meeting_id,
        kind=query.kind,
        after=decode_cursor(query.cursor),
        limit=query.limit + 1,
    )
    return cut(rows, query.limit, media_view, lambda file: (file.created_at_ms, file.id))


async def stats(call: Call) -> MediaStats:
    """What my files take: how many, how large, by kind, and of which quota."""
    settings = call.services.settings.media_files
    usage, announced = await call.read(_usage, call.user.id)
    return media_stats(usage, announced, quota_bytes=settings.quota_bytes, max_file_bytes=settings.max_bytes)


async def _usage(conn: Conn, user_id: str) -> tuple[dict[MediaKind, Usage], tuple[int, int]]:
    return await media_files.usage(conn, user_id), await media_uploads.announced(conn, user_id)
