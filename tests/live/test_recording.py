"""Who is recorded: everybody who publishes, from the start to the end, and nobody who has not agreed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from appliance.errors import UserError
from appliance.recorder.journal import scan
from appliance.recorder.manifest import Manifest, read_manifest
from appliance.store import recordings
from appliance.store.meetings import Meeting
from tests.support.live_world import World, open_world


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[], Any]:
    @asynccontextmanager
    async def open_it() -> AsyncIterator[World]:
        async with open_world(tmp_path) as world:
            yield world

    return open_it


async def _start(world: World, meeting: Meeting, by: str | None = None) -> str:
    return await world.recorder.start(meeting.id, by_user_id=by, by_name="Ann", layout=None)


def _notes(folder: Path) -> list[dict[str, Any]]:
    with (folder / "events.journal").open("rb") as file:
        return [json.loads(record.payload) for record in scan(file)]


def _written(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    return {f"{t.name} {t.source}": (folder / t.file).read_bytes() for t in manifest.tracks}


async def test_everybody_is_recorded_from_start_to_end_and_told(opened: Callable[[], Any], tmp_path: Path) -> None:
    async with opened() as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        assert ann.welcome["room"]["recording"] is None
        await ann.offers("microphone", "camera")
        recording_id = await _start(world, meeting)
        shown = await ann.hears("recording")
        assert (shown["state"], shown["recording_id"], shown["by_name"]) == ("on", recording_id, "Ann")
        assert (shown["consent_required"], shown["reason"]) == (False, None)

        ben = await world.join(meeting, "Ben")
        assert ben.welcome["room"]["recording"] == {k: v for k, v in shown.items() if k not in ("seq", "type")}
        await ben.offers("microphone")
        await ben.says("mute", source="microphone", muted=True)
        await ben.catch_up()
        anns, bens = world.media.session(ann.id), world.media.session(ben.id)
        for session in (anns, bens):
            for source, (tap,) in session.taps.items():
                tap.waiting = f"{session.participant_id} {source}".encode()
        await ann.offers("microphone")  # the camera is off again
        await ann.catch_up()
        await world.recorder.stop(recording_id, "asked")

        assert (await ben.hears("recording", state="off"))["reason"] == "asked"
        folder = tmp_path / "recordings" / recording_id
        manifest = read_manifest(folder)
        assert _written(folder, manifest) == {
            "Ann microphone": f"{ann.id} microphone".encode(),
            "Ann camera": f"{ann.id} camera".encode(),
            "Ben microphone": f"{ben.id} microphone".encode(),
        }
        assert all(tap.closed for session in (anns, bens) for taps in session.taps.values() for tap in taps)
        notes = [(n["type"], n.get("source") or n.get("name")) for n in _notes(folder)]
        assert notes == [
            ("joined", "Ann"),
            ("published", "microphone"),
            ("published", "camera"),
            ("joined", "Ben"),
            ("published", "microphone"),
            ("muted", "microphone"),
            ("unpublished", "camera"),
            ("unpublished", "microphone"),
            ("unpublished", "microphone"),
        ]
        row = await world.database.read(recordings.by_id, recording_id)
        assert row is not None and (row.status, row.stop_reason, row.recovered) == ("processing", "asked", False)
        assert (await world.join(meeting, "Cy")).welcome["room"]["recording"] is None
        assert world.recorder.statistics()["recording"] == 0


async def test_while_it_is_paused_nobody_is(opened: Callable[[], Any], tmp_path: Path) -> None:
    async with opened() as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        await ann.offers("microphone")
        recording_id = await _start(world, meeting)
        media = world.media.session(ann.id)
        await world.recorder.pause(recording_id)
        await world.recorder.pause(recording_id)
        await ann.hears("recording", state="paused")
        assert [tap.closed for tap in media.taps["microphone"]] == [True]
        row = await world.database.read(recordings.by_id, recording_id)
        assert row is not None and row.status == "paused"
        await world.recorder.resume(recording_id)
        await ann.hears("recording", state="on")
        assert [tap.closed for tap in media.taps["microphone"]] == [True, False]
        await world.recorder.stop(recording_id, "asked")
        folder = tmp_path / "recordings" / recording_id
        first, second = read_manifest(folder).tracks
        assert second.track == f"{first.track}_2"
        assert [n["type"] for n in _notes(folder)][1:] == [
            "published", "paused", "unpublished", "resumed", "published", "unpublished",
        ]  # fmt: skip


async def test_nobody_is_recorded_who_has_not_agreed(opened: Callable[[], Any]) -> None:
    async with opened() as world:
        meeting = await world.meeting(recording_consent=True)
        subject = await world.account("Ann")
        ann = await world.join(meeting, "Ann", "host", subject=subject)
        ben = await world.join(meeting, "Ben")
        for client in (ann, ben):
            await client.offers("microphone")
        await _start(world, meeting, by=subject)
        assert (await ben.hears("recording"))["consent_required"]
        await ben.catch_up()
        assert list(world.media.session(ann.id).taps) == ["microphone"]  # who starts it knows
        bens = world.media.session(ben.id)
        assert not bens.taps
        await ben.says("recording_consent", accepted=True)
        await ben.catch_up()
        assert not bens.taps["microphone"][0].closed
        await ben.says("recording_consent", accepted=False)
        await ben.catch_up()
        assert bens.taps["microphone"][0].closed


async def test_what_does_not_run_is_told(opened: Callable[[], Any]) -> None:
    async with opened() as world:
        meeting = await world.meeting()
        for wrong in ("not_running",):
            with pytest.raises(UserError) as refused:
                await _start(world, meeting)
            assert refused.value.code == wrong
        await world.join(meeting, "Ann", "host")
        await world.quiet()
        recording_id = await _start(world, meeting)
        with pytest.raises(UserError) as refused:
            await _start(world, meeting)
        assert refused.value.code == "already_recording"
        await world.recorder.stop(recording_id, "asked")
        for again in (world.recorder.stop(recording_id, "asked"), world.recorder.pause(recording_id)):
            with pytest.raises(UserError) as refused:
                await again
            assert refused.value.code == "not_recording"


async def test_a_cohost_without_an_account_asks_on_the_socket(opened: Callable[[], Any]) -> None:
    async with opened() as world:
        meeting = await world.meeting(recording_consent=True)
        ann = await world.join(meeting, "Ann", "host")
        gil = await world.join(meeting, "Gil", subject="gst_gil")
        for client in (ann, gil):
            await client.offers("microphone")
        for kind, fields in (
            ("recording_start", {}),
            ("recording_pause", {"paused": True}),
            ("recording_stop", {}),
        ):
            await gil.says(kind, ref=kind, **fields)
            refused = await gil.hears("error")
            assert (refused["code"], refused["ref"]) == ("forbidden", kind)
        await ann.says("set_role", participant_id=gil.id, role="cohost")
        await gil.hears("moderation")
        await gil.says("recording_stop", ref="early")
        assert (await gil.hears("error"))["code"] == "not_recording"
        await gil.says("recording_start", layout="grid")
        on = await ann.hears("recording")
        assert (on["state"], on["by_name"], on["consent_required"]) == ("on", "Gil", True)
        await gil.catch_up()
        assert not world.media.session(gil.id).taps["microphone"][0].closed  # who starts it knows
        assert not world.media.session(ann.id).taps
        row = await world.database.read(recordings.by_id, on["recording_id"])
        assert row is not None
        assert (row.started_by_id, row.started_by_name, row.layout) == (None, "Gil", "grid")
        await gil.says("recording_start", ref="twice")
        refused = await gil.hears("error")
        assert (refused["code"], refused["ref"]) == ("already_recording", "twice")
        await gil.says("recording_pause", paused=True)
        await ann.hears("recording", state="paused")
        await gil.says("recording_pause", paused=False)
        await ann.hears("recording", state="on")
        await gil.says("recording_stop")
        assert (await ann.hears("recording", state="off"))["reason"] == "asked"
        await ann.says("set_role", participant_id=gil.id, role="participant")
        await gil.hears("moderation")
        await gil.says("recording_start", ref="late")
        assert (await gil.hears("error"))["code"] == "forbidden"


async def test_an_account_that_asks_on_the_socket_is_who_started_it(opened: Callable[[], Any]) -> None:
    async with opened() as world:
        meeting = await world.meeting()
        subject = await world.account("Ann")
        ann = await world.join(meeting, "Ann", "host", subject=subject)
        await ann.says("recording_start")
        on = await ann.hears("recording")
        row = await world.database.read(recordings.by_id, on["recording_id"])
        assert row is not None and row.started_by_id == subject


async def test_the_room_hears_how_far_the_film_is(opened: Callable[[], Any]) -> None:
    async with opened() as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        recording_id = await _start(world, meeting)
        row = await world.database.read(recordings.by_id, recording_id)
        assert row is not None
        world.live.recording_changed(row)  # it goes on: `recording` says so
        await ann.hears_nothing_of("recording-progress")
        await world.recorder.stop(recording_id, "asked")
        row = await world.database.read(recordings.by_id, recording_id)
        assert row is not None
        world.live.recording_changed(row)
        first = await ann.hears("recording-progress")
        assert (first["share"], first["stage"], first["time_left_s"]) == (0.0, "reading", None)
        assert "seq" not in first  # nothing that is worth a place in the replay
        progress = recordings.Progress(share=0.5, stage="video", time_left_s=3.0)
        world.live.recording_changed(replace(row, progress=progress))
        told = await ann.hears("recording-progress", share=0.5)
        assert (told["recording_id"], told["stage"], told["time_left_s"]) == (recording_id, "video", 3.0)
        for outcome in ("ready", "failed", "cancelled"):
            world.live.recording_changed(replace(row, status=outcome))
            assert (await ann.hears("recording-processed", outcome=outcome))["seq"] > 0
        other = await world.meeting()
        world.live.recording_changed(replace(row, meeting_id=other.id))  # nobody is in that one
        await ann.hears_nothing_of("recording-progress")
