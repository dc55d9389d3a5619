"""One microphone, its tap and the recogniser: lines, in a real worker process that spells."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.inference.client import Inference
from appliance.live.voice import Line, Voice
from tests.support.inference_world import running
from tests.support.spoken import PACKET_MS, packets, spelling_folder
from tests.support.still_media import StillTap
from tests.support.waiting import until

pytestmark = pytest.mark.slow


def clock_us() -> int:
    return time.time_ns() // 1000


class Spoken:
    """A voice that serves, and the lines that it told."""

    def __init__(self, inference: Inference, model: str) -> None:
        self.tap = StillTap()
        self.lines: list[Line] = []
        self.shed = 0
        self.inference = inference
        self.voice = Voice(
            inference, self.tap, participant_id="prt_a", name="Ann", model=model, language="en", gated=True,
            clock_us=clock_us, tell=self._told, shed=self._shed,
        )  # fmt: skip
        self.voice.speaking = True
        self.ended = trio.Event()
        self._rtp = 0

    async def serve(self) -> None:
        await self.voice.serve()
        self.ended.set()

    def say(self, *words: str) -> None:
        self.tap.waiting += packets(*words, at_us=clock_us(), rtp=self._rtp)
        self._rtp += len(words) * PACKET_MS * 48

    async def final(self, count: int = 1) -> Line:
        """The last of so many finals, once they are there."""
        found = await until(lambda: self._finals(count), within_s=30)
        return found[count - 1]

    def _finals(self, count: int) -> list[Line]:
        found = [line for line in self.lines if line.final]
        return found if len(found) >= count else []

    async def _told(self, voice: Voice, line: Line) -> None:
        assert voice is self.voice
        self.lines.append(line)

    def _shed(self) -> None:
        self.shed += 1


@pytest.fixture
def spoken(tmp_path: Path) -> Callable[..., Any]:
    @asynccontextmanager
    async def open_it(*, installed: bool = True) -> AsyncIterator[Spoken]:
        models = spelling_folder(tmp_path)
        async with running(models) as inference, trio.open_nursery() as nursery:
            found = Spoken(inference, "spelling" if installed else "missing")
            nursery.start_soon(found.serve)
            yield found
            nursery.cancel_scope.cancel()

    return open_it


async def test_a_phrase_keeps_its_id_from_the_first_partial_to_the_final(spoken: Callable[..., Any]) -> None:
    async with spoken() as heard:
        heard.say("good", "morning", ".", "and", "you", ".")
        assert ((await heard.final(1)).text, (await heard.final(2)).text) == ("good morning", "and you")
        assert len({line.caption_id for line in heard.lines}) == 2
        assert all(line.start_ms <= line.end_ms and line.language == "en" for line in heard.lines)
        assert abs(heard.lines[0].start_ms - time.time() * 1000) < 30_000


async def test_its_end_finishes_what_was_said_and_frees_the_worker(spoken: Callable[..., Any]) -> None:
    async with spoken() as heard:
        heard.say("half", "a", "sentence")
        heard.voice.end()
        with trio.fail_after(30):
            await heard.ended.wait()
        assert (await heard.final()).text == "half a sentence"
        assert heard.tap.closed
        assert heard.inference.statistics()["sessions"] == 0


async def test_a_track_that_is_gone_ends_it(spoken: Callable[..., Any]) -> None:
    async with spoken() as heard:
        heard.say("bye")
        heard.tap.ended = True
        with trio.fail_after(30):
            await heard.ended.wait()
        assert [(line.text, line.final) for line in heard.lines] == [("bye", True)]


async def test_what_the_model_refuses_is_passed_over(spoken: Callable[..., Any]) -> None:
    async with spoken() as heard:
        heard.say("bad")
        await until(lambda: heard.inference.statistics()["answered"] == 1, within_s=30)
        heard.say("good", ".")
        assert (await heard.final()).text == "good"
        assert heard.shed == 0


async def test_a_model_that_is_not_there_tells_nothing_and_ends_nothing(spoken: Callable[..., Any]) -> None:
    async with spoken(installed=False) as heard:
        heard.say("hello", ".")
        await trio.sleep(0.5)
        assert heard.lines == [] and not heard.ended.is_set()
        heard.voice.end()
        with trio.fail_after(30):
            await heard.ended.wait()
