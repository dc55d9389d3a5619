"""The analysis of pictures in a room: who switches it, who agreed, who is told, what is kept.

The models are the real ones in a real worker process, and the face is a photograph's; media are still, so that a test
says which frames a camera sends.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.inference.client import Inference
from appliance.live.watcher import Watcher
from appliance.settings import VisionSettings
from appliance.store import vision
from appliance.store.meetings import Meeting
from tests.support.faces import empty_frames, face_frames, inference_on, models_that_watch, records
from tests.support.live_world import Client, World, open_world, world_settings
from tests.support.still_media import StillTap

pytestmark = pytest.mark.slow

# A look each second, two that agree, on a machine that has other things to do.
FELT_WITHIN_S = 20.0


class Seen:
    """A world whose server looks, and cameras with faces."""

    def __init__(self, world: World, inference: Inference, nursery: trio.Nursery) -> None:
        self.world = world
        self.inference = inference
        self._nursery = nursery

    def taps(self, client: Client) -> list[StillTap]:
        """All that were ever opened of somebody's camera."""
        return self.world.media.session(client.id).taps.get("camera", [])

    def _sessions(self) -> list[Any]:
        return [session for room in self.world.media.rooms.values() for session in room.sessions]

    def shows(self, client: Client, frames: tuple[bytes, ...]) -> trio.CancelScope:
        """From now on the camera sends these, ten a second, with a key frame wherever a tap is new."""
        scope = trio.CancelScope()
        self._nursery.start_soon(self._send, client, frames, scope)
        return scope

    async def _send(self, client: Client, frames: tuple[bytes, ...], scope: trio.CancelScope) -> None:
        sent: dict[StillTap, int] = {}
        with scope:
            while True:
                # who is not in the room any more has no taps, at the end of a test
                there = any(client.id == session.participant_id for session in self._sessions())
                for tap in self.taps(client) if there else []:
                    number = sent.get(tap, 0)
                    if not tap.closed:
                        # what follows the last frame of a picture that holds still is the one before once more
                        frame = frames[min(number, len(frames) - 1)]
                        tap.waiting += records((frame,), key=number == 0)
                        sent[tap] = number + 1
                await trio.sleep(0.1)

    async def hears(self, client: Client, kind: str, **fields: Any) -> dict[str, Any]:
        """As `Client.hears`, with the patience that models need."""
        for _ in range(round(FELT_WITHIN_S / 5)):
            try:
                return await client.hears(kind, **fields)
            except AssertionError:
                continue
        raise AssertionError(f"no {kind} {fields} came")


@pytest.fixture
def looking(tmp_path: Path) -> Callable[..., Any]:
    @asynccontextmanager
    async def open_it(*models: str, accusing: bool = False) -> AsyncIterator[Seen]:
        inference = inference_on(models_that_watch(tmp_path, *models, accusing=accusing))
        async with trio.open_nursery() as nursery:
            await nursery.start(inference.serve)
            await inference.wait_up()
            watcher = Watcher(VisionSettings(), inference)
            settings = world_settings(tmp_path, silence_s=120.0)  # the models take their time
            async with open_world(tmp_path, settings=settings, watching=watcher) as world:
                yield Seen(world, inference, nursery)
            nursery.cancel_scope.cancel()

    return open_it


async def _two(seen: Seen, meeting: Meeting) -> tuple[Client, Client]:
    ann = await seen.world.join(meeting, "Ann", "host")
    ben = await seen.world.join(meeting, "Ben")
    for client in (ann, ben):
        await client.offers("camera", "microphone")
    return ann, ben


async def test_hosts_and_the_person_hear_what_a_face_expresses_once_that_person_agreed(
    looking: Callable[..., Any],
) -> None:
    async with looking("emotion") as seen:
        meeting = await seen.world.meeting()
        ann, ben = await _two(seen, meeting)
        cy = await seen.world.join(meeting, "Cy")
        off = {"on": False, "since_ms": None, "by_name": None}
        assert ann.welcome["vision"] == {
            "emotion": {**off, "available": True, "reason": None},
            "deepfake": {**off, "available": False, "reason": "model_not_installed"},
            "consented": [], "declined": [],
        }  # fmt: skip
        await ann.says("vision", emotion=True)
        state = await ben.hears("vision")
        assert (state["emotion"]["on"], state["emotion"]["by_name"], state["deepfake"]["on"]) == (True, "Ann", False)
        await ann.says("vision_consent", accepted=False)
        assert (await ben.hears("vision"))["declined"] == [ann.id]
        await seen.world.quiet()
        assert seen.taps(ann) == seen.taps(ben) == []  # nobody agreed

        await ben.says("vision_consent", accepted=True)
        assert (await ann.hears("vision", consented=[ben.id]))["declined"] == [ann.id]
        seen.shows(ben, face_frames())
        for listener in (ann, ben):
            felt = await seen.hears(listener, "emotion")
            assert (felt["participant_id"], felt["label"]) == (ben.id, "happy")
            assert 0.45 <= felt["score"] <= 1 and felt["seq"] > 0
        await cy.hears_nothing_of("emotion")
        assert seen.taps(ann) == []  # she is not looked at
        late = await seen.world.join(meeting, "Dee", "cohost")
        assert (await late.hears("emotion"))["label"] == "happy"

        await ben.says("vision_consent", accepted=False)
        assert (await ann.hears("emotion"))["label"] is None
        assert (await ann.hears("vision", declined=[ann.id, ben.id]))["consented"] == []
        await seen.world.until(lambda: all(tap.closed for tap in seen.taps(ben)))
        await seen.world.quiet()
        (span,) = await seen.world.database.read(vision.spans, meeting.id, 10)
        assert (span.name, span.label, span.participant_id) == ("Ben", "happy", ben.id)
        await ann.hears_nothing_of("emotion")


async def test_a_meetings_settings_switch_it_on_and_a_muted_camera_is_not_looked_at(
    looking: Callable[..., Any],
) -> None:
    async with looking("emotion") as seen:
        meeting = await seen.world.meeting(emotion_detection=True)
        ann, ben = await _two(seen, meeting)
        assert ann.welcome["vision"]["emotion"]["on"] is True
        assert ann.welcome["vision"]["emotion"]["by_name"] is None
        await ben.says("vision_consent", accepted=True)
        await seen.world.until(lambda: len(seen.taps(ben)) == 1)
        await ben.says("mute", source="camera", muted=True)
        await seen.world.until(lambda: seen.taps(ben)[-1].closed)
        await ben.says("mute", source="camera", muted=False)
        await seen.world.until(lambda: len(seen.taps(ben)) == 2)
        await ann.says("vision", emotion=False)
        await seen.world.until(lambda: seen.taps(ben)[-1].closed)
        await seen.world.quiet()
        assert seen.world.live.statistics()["sockets"] == 2


async def test_only_hosts_switch_and_only_what_there_is(looking: Callable[..., Any]) -> None:
    async with looking("emotion") as seen:
        ann, ben = await _two(seen, await seen.world.meeting())
        await ben.says("vision", emotion=True, ref="a")
        assert (await ben.hears("error", ref="a"))["code"] == "forbidden"
        await ann.says("vision", emotion=True, deepfake=True, ref="b")
        error = await ann.hears("error", ref="b")
        assert (error["code"], error["field"]) == ("vision_unavailable", "deepfake")
        await ben.hears_nothing_of("vision")  # neither was switched


async def test_several_looks_in_a_row_make_an_alert_with_its_frame(looking: Callable[..., Any]) -> None:
    async with looking("face-spoof", accusing=True) as seen:
        meeting = await seen.world.meeting()
        ann, ben = await _two(seen, meeting)
        await ann.says("vision", deepfake=True)
        await ben.says("vision_consent", accepted=True)
        seen.shows(ben, face_frames())
        alert = await seen.hears(ann, "vision_alert")
        assert (alert["participant_id"], alert["name"], alert["kind"]) == (ben.id, "Ben", "face_spoof")
        assert (alert["model"], alert["has_evidence"]) == ("face-spoof", True)
        await ben.hears_nothing_of("vision_alert")
        (row,) = await seen.world.database.read(vision.alerts, meeting.id, 10)
        assert (row.id, row.score, row.at_ms) == (alert["alert_id"], alert["score"], alert["at_ms"])
        assert row.box is not None
        picture = await seen.world.database.read(vision.evidence, row.id)
        assert picture is not None and picture.startswith(b"\xff\xd8\xff")
        events = await seen.world.database.read(_told_types)
        assert "deepfake_detection.completed" in events


async def _told_types(conn: Any) -> list[str]:
    return [row["type"] for row in await conn.fetch("SELECT type FROM events")]


async def test_who_shows_no_face_expresses_nothing(looking: Callable[..., Any]) -> None:
    async with looking("emotion", "face-spoof", accusing=True) as seen:
        meeting = await seen.world.meeting(emotion_detection=True, deepfake_detection=True)
        ann, ben = await _two(seen, meeting)
        await ben.says("vision_consent", accepted=True)
        await seen.world.until(lambda: len(seen.taps(ben)) == 1)
        seen.shows(ben, empty_frames())
        await trio.sleep(10.0)  # five looks of the slower one
        for kind in ("emotion", "vision_alert"):
            await ann.hears_nothing_of(kind)


async def test_after_a_kill_it_goes_on_by_itself(looking: Callable[..., Any]) -> None:
    async with looking("emotion") as seen:
        meeting = await seen.world.meeting(emotion_detection=True)
        ann, ben = await _two(seen, meeting)
        await ben.says("vision_consent", accepted=True)
        sending = seen.shows(ben, face_frames())
        assert (await seen.hears(ann, "emotion"))["label"] == "happy"
        (worker,) = [link.hello.pid for link in seen.inference._links.values() if link.hello is not None]
        os.kill(worker, signal.SIGKILL)
        sending.cancel()
        seen.shows(ben, empty_frames())
        assert (await seen.hears(ann, "emotion"))["label"] is None  # so it looks again
