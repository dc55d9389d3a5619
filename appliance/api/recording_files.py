"""The files of a recording: the film, each track, the picture and the captions, for who may see or download it.

Owns which object an URL means, what it is called when it is saved, and which answers are downloads: everything that is
to be saved, single tracks always, since no player of ours plays them. `ranges` has the answers.
"""

from __future__ import annotations

import re

from appliance.api.bodies import DownloadQuery
from appliance.api.call import Blob, Call, Stream
from appliance.api.file_names import disposition
from appliance.api.ranges import ranged
from appliance.api.recording_access import check, find
from appliance.api.subtitles import srt_of
from appliance.api.times import to_text
from appliance.errors import UserError
from appliance.store.recordings import Recording


async def video(call: Call, recording_id: str, query: DownloadQuery) -> Stream:
    """The film: to be watched, or with ``download`` to be saved by who may download. Ranges are answered."""
    recording = await _found(call, recording_id, download=query.download)
    return await video_of(call, recording, download=query.download)


async def track(call: Call, recording_id: str, track_id: str, query: DownloadQuery) -> Stream:
    """One track as it was sent, not encoded again, for who may download. Ranges are answered."""
    recording = await _found(call, recording_id, download=True)
    for one in recording.tracks if recording.status == "ready" else ():
        if one.id == track_id:
            return await ranged(
                call,
                call.services.files,
                one.key,
                media_type=one.media_type,
                filename=f"{_name(recording)} {one.name} {one.source}{_ending(one.key)}",
                download=query.download,
                etag=_tag(recording),
            )
    raise UserError(404, "not_found", "the recording has no such track", field="track_id")


async def thumbnail(call: Call, recording_id: str) -> Stream:
    """A picture of the film, JPEG."""
    return await thumbnail_of(call, await _found(call, recording_id))


async def captions_vtt(call: Call, recording_id: str, query: DownloadQuery) -> Stream:
    """What was said, as WebVTT: for a player, or with ``download`` to be saved by who may download."""
    recording = await _found(call, recording_id, download=query.download)
    return await captions_of(call, recording, download=query.download)


async def captions_srt(call: Call, recording_id: str) -> Blob:
    """What was said, as SubRip, for who may download."""
    recording = await _found(call, recording_id, download=True)
    key = _existing(recording, recording.captions_key, "captions")
    try:
        vtt = await call.services.files.read(key)
    except FileNotFoundError:
        raise UserError(404, "not_found", "the file is gone") from None
    return Blob(
        content=srt_of(vtt.decode("utf-8", "replace")).encode(),
        media_type="application/x-subrip; charset=utf-8",
        headers={
            "Content-Disposition": disposition("attachment", f"{_name(recording)}.srt"),
            "Cache-Control": "private, no-cache",
        },
    )


async def video_of(call: Call, recording: Recording, *, download: bool) -> Stream:
    """The film of a recording that the caller may see; UserError 404 while there is none."""
    key = _existing(recording, recording.video_key, "film")
    return await ranged(
        call,
        call.services.files,
        key,
        media_type=recording.video_type or "application/octet-stream",
        filename=f"{_name(recording)}{_ending(key)}",
        download=download,
        etag=_tag(recording),
    )


async def thumbnail_of(call: Call, recording: Recording) -> Stream:
    """Its picture; UserError 404 while there is none."""
    return await ranged(
        call,
        call.services.files,
        _existing(recording, recording.thumbnail_key, "picture"),
        media_type="image/jpeg",
        filename=f"{_name(recording)}.jpg",
        download=False,
        etag=_tag(recording),
    )


async def captions_of(call: Call, recording: Recording, *, download: bool) -> Stream:
    """Its captions; UserError 404 while there are none."""
    return await ranged(
        call,
        call.services.files,
        _existing(recording, recording.captions_key, "captions"),
        media_type="text/vtt; charset=utf-8",
        filename=f"{_name(recording)}.vtt",
        download=download,
        etag=_tag(recording),
    )


async def _found(call: Call, recording_id: str, *, download: bool = False) -> Recording:
    """The recording, if the caller may see or download it."""
    held = await call.read(find, recording_id, call.user)
    if download:
        check(held, "download")
    return held.recording


def _existing(recording: Recording, key: str | None, what: str) -> str:
    if recording.status != "ready" or key is None:
        raise UserError(404, "not_found", f"the recording has no {what}")
    return key


def _tag(recording: Recording) -> str:
    """Another one for other bytes: each run of processing makes files once."""
    return f"{recording.id}-{recording.run}"


def _name(recording: Recording) -> str:
    """Title and day, without what file systems refuse."""
    title = re.sub(r'[\\/:*?"<>|]+', "-", recording.title)
    return f"{title} {to_text(recording.started_at_ms)[:10]}"


def _ending(key: str) -> str:
    return key[key.rindex(".") :] if "." in key else ""
