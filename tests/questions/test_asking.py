"""Questions asked of real workers: parts, deadlines, deaths in the middle, and answers of another shape."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from appliance.inference.client import Inference
from appliance.inference.replies import InferenceError
from appliance.questions.answers import SpeechAnswer
from appliance.questions.asking import Asking, Medium, ask, overall
from appliance.questions.options import AsrOptions, EmotionOptions, SynthesisOptions
from tests.support.inference_world import entry_text, models_folder, running

pytestmark = pytest.mark.slow

SOUND = Medium(kind="sound", data=b"RIFF and more")
PICTURE = Medium(kind="picture", data=b"?")
ENTRIES = (
    entry_text("english", "Parts", task="asr", languages=["en"]),
    entry_text("all", "Parts", task="asr"),
    entry_text("patient", "Patient", task="emotion"),
    entry_text("liar", "Liar", task="spoof"),
)


@asynccontextmanager
async def asked(folder: Path) -> AsyncIterator[tuple[Inference, Asking]]:
    async with running(models_folder(folder, ENTRIES)) as inference:
        yield inference, Asking(inference=inference, priority="normal")


def crash(folder: Path, how: str) -> None:
    for model in ("english", "all"):
        (folder / "models" / f"{model}@1" / "crash").write_text(how)


async def test_a_sound_goes_in_parts_and_says_how_far_it_is(tmp_path: Path) -> None:
    async with asked(tmp_path) as (inference, how):
        told: list[float] = []
        answer = await ask(
            Asking(inference=inference, priority="normal", told=told.append), AsrOptions(language="en-GB"), SOUND
        )
        assert isinstance(answer, SpeechAnswer)
        assert (answer.text, answer.model) == ("13 parts", "english")
        assert told == [n / 13 for n in range(1, 13)]
        assert inference.statistics()["sessions"] == 0
        assert (await ask(how, AsrOptions(language="zh"), SOUND)).model == "all"
        assert (await ask(how, AsrOptions(), SOUND)).model == "all", "which recognises languages"
        assert (await ask(how, AsrOptions(model="english"), SOUND)).model == "english"


async def test_live_captions_get_their_turn_while_a_long_sound_goes_on(tmp_path: Path) -> None:
    async with asked(tmp_path) as (inference, _):
        done_when_live_was: list[int] = []
        told: list[float] = []

        async def live() -> None:
            for _ in range(5):
                await inference.infer("english", b"x", {"session": "live"}, priority="high")
                done_when_live_was.append(len(told))

        how = Asking(inference=inference, priority="normal", told=told.append)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, how, AsrOptions(language="en"), Medium(kind="sound", data=b"RIFF" + bytes(1000)))
            while len(told) < 10:  # told by the other task
                await trio.lowlevel.checkpoint()
            await live()
            assert done_when_live_was[-1] < 60, "the thousand parts were not waited for"


async def test_a_worker_that_dies_costs_nothing_but_time_once(tmp_path: Path) -> None:
    async with asked(tmp_path) as (inference, how):
        crash(tmp_path, "once")
        answer = await ask(how, AsrOptions(language="en"), SOUND)
        assert isinstance(answer, SpeechAnswer) and answer.text == "13 parts"
        assert inference.statistics()["workers"]["local-1"]["restarts"] == 1


async def test_what_kills_workers_is_given_up(tmp_path: Path) -> None:
    async with asked(tmp_path) as (inference, how):
        crash(tmp_path, "always")
        with pytest.raises(InferenceError) as failed:
            await ask(how, AsrOptions(language="en"), SOUND)
        assert failed.value.code == "worker_died"
        assert inference.statistics()["sessions"] == 0


async def test_a_deadline_is_kept_and_nothing_is_left_waiting(tmp_path: Path) -> None:
    async with asked(tmp_path) as (inference, _):
        with trio.fail_after(4), pytest.raises(InferenceError) as late:
            await ask(Asking(inference=inference, priority="low", within_s=0.5), EmotionOptions(), PICTURE)
        assert late.value.code == "expired"
        assert inference.statistics()["waiting"] == 0


async def test_another_shape_than_the_answers_is_the_models_fault(tmp_path: Path) -> None:
    async with asked(tmp_path) as (_, how):
        with pytest.raises(InferenceError) as wrong:
            await ask(how, SynthesisOptions(), PICTURE)
        assert wrong.value.code == "task_failed" and "liar answered something else" in str(wrong.value)


def test_one_check_that_finds_something_is_enough() -> None:
    assert overall(["real", "spoof", "unsure"]) == "synthetic"
    assert overall(["real", "generated"]) == "synthetic"
    assert overall(["real", "real"]) == "real"
    assert overall(["real", "unsure"]) == "unsure"
    assert overall([]) == "unsure"
