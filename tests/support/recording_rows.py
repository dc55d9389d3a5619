"""Recordings put into a test server: running ones by its recorder, finished ones with files in its storage."""

from __future__ import annotations

from typing import Any

import trio

from appliance.store import participants, recording_runs, recordings
from appliance.store.database import Conn
from appliance.store.recordings import Chapter, Outputs, Recording, Track
from tests.support.api_server import Account, ApiServer
from tests.support.meeting_rows import in_server

VIDEO, PICTURE, SOUND = b"film " * 1000, b"\xff\xd8 picture", b"sound" * 10
VTT = "WEBVTT\n\n00:01.000 --> 00:02.500\n<v Ann>Hello &amp; welcome\n"


def run_in(api: ApiServer, fn: Any, *args: Any) -> Any:
    """Await something in the server's loop."""
    return trio.from_thread.run(fn, *args, trio_token=api.token)


def running_meeting(host: Account, **fields: Any) -> str:
    """A meeting that runs; its id."""
    meeting = host.post("/meetings", fields).data["id"]
    host.post(f"/meetings/{meeting}/join")
    return str(meeting)


def processing(host: Account, meeting_id: str) -> str:
    """A recording that has ended; its id."""
    recording = str(host.post("/recordings", {"meeting_id": meeting_id}).data["id"])
    host.post(f"/recordings/{recording}/stop").data  # noqa: B018  # asserts success
    return recording


def ready(api: ApiServer, host: Account, meeting_id: str, *, captions: bool = True) -> str:
    """A recording whose files are there; its id."""
    recording = processing(host, meeting_id)
    base = f"recordings/{recording}_1"
    track = Track(
        id="trk_mic",
        participant_id="par_a",
        name="Ann/é",
        source="microphone",
        codec="opus",
        key=f"{base}_trk_mic.webm",
        media_type="audio/webm",
        bytes=len(SOUND),
        start_ms=500,
        duration_ms=1500,
    )
    outputs = Outputs(
        duration_ms=2500,
        bytes=len(VIDEO) + len(SOUND),
        video_key=f"{base}.mp4",
        video_type="video/mp4",
        thumbnail_key=f"{base}.jpg",
        captions_key=f"{base}.vtt" if captions else None,
        tracks=(track,),
        chapters=(Chapter(start_ms=0, title="Ann"), Chapter(start_ms=1250, title="Screen")),
    )
    files = api.services.files
    for key, data in zip(
        [outputs.video_key, outputs.thumbnail_key, outputs.captions_key, track.key],
        [VIDEO, PICTURE, VTT.encode(), SOUND],
        strict=True,
    ):
        if key is not None:
            run_in(api, files.write, key, data)
    in_server(api, _set_ready, recording, outputs)
    return recording


async def _set_ready(conn: Conn, recording_id: str, outputs: Outputs) -> None:
    assert await recording_runs.announce(conn, recording_id, 1, outputs.keys)
    assert await recording_runs.set_ready(conn, recording_id, 1, outputs, 1)


def row(api: ApiServer, recording_id: str) -> Recording:
    """The row, also of a deleted one."""
    found: Recording | None = in_server(api, recordings.by_id, recording_id)
    assert found is not None
    return found


def give_role(api: ApiServer, meeting_id: str, account: Account, role: str) -> None:
    """What `live` remembers of a promotion."""
    in_server(api, participants.set_member_role, meeting_id, account.id, role)


def remove(api: ApiServer, meeting_id: str, account: Account) -> None:
    """What `live` remembers of a kick."""
    in_server(api, participants.set_kicked, meeting_id, account.id, 1)
