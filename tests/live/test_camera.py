"""One camera's tasks: when they ask, when a key frame is asked for, when they end.

What looks is a task in a real worker process that reads words (tests/support/spotted.py).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from appliance.inference.client import Inference
from appliance.inference.replies import Reply
from appliance.live.camera import Camera, Felt, Suspected
from tests.support.faces import records
from tests.support.inference_world import running
from tests.support.spotted import spotting_folder
from tests.support.still_media import StillTap

pytestmark = pytest.mark.slow


class Overheard:
    """The real `Inference`, and what it was asked."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self.asked: list[dict[str, Any]] = []
        self.closed: list[str] = []

    async def infer(self, name: str, payload: bytes, options: dict[str, Any], *, within_s: float) -> Reply:
        self.asked.append(options | {"payload": payload})
        return await self._inference.infer(name, payload, options, within_s=within_s)

    def close_session(self, name: str, session: str) -> None:
        self.closed.append(session)
        self._inference.close_session(name, session)


class Scene:
    """A camera and all that it does; every tap begins with a key frame, then shows ``word``."""

    def __init__(self, inference: Inference, task: Any) -> None:
        self.word = "happy"
        self.taps: list[StillTap] = []
        self.told: list[Felt | Suspected] = []
        self.shed: list[str] = []
        self.gone = False
        self.overheard = Overheard(inference)
        self.camera = Camera(
            self.overheard, self._open, participant_id="prt_1", name="Ann", models=[(task, "spotting")],
            tell=self._tell, shed=self.shed.append,
        )  # fmt: skip

    def _open(self) -> StillTap:
        if self.gone:
            raise LookupError("camera")
        tap = StillTap()
        tap.waiting = records((b"key", self.word.encode()))
        self.taps.append(tap)
        return tap

    async def _tell(self, camera: Camera, found: Felt | Suspected) -> None:
        self.told.append(found)

    async def film(self) -> None:
        """A frame five times a second."""
        while True:
            await trio.sleep(0.2)
            for tap in self.taps:
                if not tap.closed:
                    tap.waiting += records((self.word.encode(),), key=False)

    async def until(self, count: int) -> None:
        """Until so much was told."""
        with trio.fail_after(20):
            while len(self.told) < count:  # noqa: ASYNC110  # looks from outside: there is no event to wait for
                await trio.sleep(0.02)

    @property
    def labels(self) -> list[str | None]:
        return [found.label for found in self.told if isinstance(found, Felt)]


@asynccontextmanager
async def filming(folder: Path, task: Any = "emotion") -> AsyncIterator[Scene]:
    async with running(spotting_folder(folder)) as inference, trio.open_nursery() as nursery:
        scene = Scene(inference, task)
        nursery.start_soon(scene.film)
        nursery.start_soon(scene.camera.serve)
        yield scene
        scene.camera.end()
        await trio.testing.wait_all_tasks_blocked()
        assert all(tap.closed for tap in scene.taps)
        nursery.cancel_scope.cancel()


async def test_every_frame_is_sent_once_in_one_session_and_changes_are_told(tmp_path: Path) -> None:
    async with filming(tmp_path) as scene:
        await scene.until(1)
        scene.word = "sad"
        await scene.until(2)
        scene.word = "wall"
        await scene.until(3)
        assert scene.labels == ["happy", "sad", None]
        asked = scene.overheard.asked
        assert len({ask["session"] for ask in asked}) == 1 and len(scene.taps) == 1
        assert sum(ask["payload"].count(b"key") for ask in asked) == 1
        assert {(ask["format"], ask["turns"]) for ask in asked} == {("vp8", 0)}
        assert 4 <= len(asked[-1]["frames"]) <= 6 or len(asked[-2]["frames"]) >= 4  # those of a second
    assert scene.overheard.closed[-1] == asked[0]["session"]


async def test_a_worker_that_died_is_followed_by_another_key_frame(tmp_path: Path) -> None:
    async with filming(tmp_path) as scene:
        await scene.until(1)
        scene.word = "crash"
        with trio.fail_after(10):
            while len(scene.taps) < 2:  # noqa: ASYNC110  # as above
                await trio.sleep(0.02)
            scene.word = "sad"
            await scene.until(2)
        assert scene.labels == ["happy", "sad"]
        assert scene.taps[0].closed and len({ask["session"] for ask in scene.overheard.asked}) == 2
        assert len(scene.taps) == 2  # it was asked for once


async def test_looks_in_a_row_accuse_with_the_last_frame(tmp_path: Path) -> None:
    async with filming(tmp_path, "spoof") as scene:
        scene.word = "spoof"
        await scene.until(1)
        (found,) = scene.told
        assert isinstance(found, Suspected)
        assert (found.accusation.kind, found.accusation.score) == ("face_spoof", 0.9)
        assert (found.evidence, found.model) == (b"jpeg", "spotting")
        assert len(scene.overheard.asked) >= 4


async def test_an_answer_of_another_kind_is_passed_over(tmp_path: Path) -> None:
    async with filming(tmp_path) as scene:
        scene.word = "odd"
        await trio.sleep(2.5)
        scene.word = "happy"
        await scene.until(1)
        assert scene.labels == ["happy"]


async def test_it_ends_with_its_track(tmp_path: Path) -> None:
    async with running(spotting_folder(tmp_path)) as inference:
        scene = Scene(inference, "emotion")
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(scene.camera.serve)
                await trio.sleep(0.1)
                scene.taps[0].ended = True
            assert scene.taps[0].closed
            other = Scene(inference, "emotion")
            other.gone = True
            await other.camera.serve()
        assert other.taps == []
