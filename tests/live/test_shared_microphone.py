"""Voices at one microphone, told apart by the real model in a real worker process, from Opus as it is sent."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from appliance.ai.sound import RATE_HZ, Samples, to_wav
from appliance.inference.client import Inference
from appliance.inference.installed import ModelFolder
from appliance.live.shared_microphone import KEEP_MS, LEAST_MS, SharedMicrophone
from appliance.live.speech_feed import Step
from tests.support.ai_models import CATALOG, install, recording
from tests.support.ai_sounds import opus_packets
from tests.support.inference_world import running

pytestmark = pytest.mark.slow

PACKET_MS = 20


def step(samples: Samples, at_ms: float, stream: str = "spk_one") -> tuple[Step, float]:
    """A request with all of a sound in it, and when it ends."""
    packets = tuple(opus_packets(samples))
    times = tuple(at_ms + number * PACKET_MS for number in range(len(packets)))
    end_ms = at_ms + len(samples) / RATE_HZ * 1000
    return Step(stream=stream, packets=packets, at_ms=at_ms, each_at_ms=times, base_ms=0, last=False), end_ms


@pytest.fixture
def models(tmp_path: Path) -> ModelFolder:
    catalog = Path(shutil.copy(CATALOG, tmp_path))
    folder = ModelFolder(tmp_path / "models", [catalog])
    install(folder, "ge2e")
    return folder


async def test_two_people_take_turns(models: ModelFolder) -> None:
    reader, actor = recording("two_cities"), recording("beckett")
    turns = [reader[RATE_HZ : 6 * RATE_HZ], actor[: 5 * RATE_HZ], reader[20 * RATE_HZ : 26 * RATE_HZ]]
    async with _open(models) as inference:
        microphone = SharedMicrophone(inference, "ge2e")
        told, at_ms = [], 0.0
        for samples in turns:
            asked, end_ms = step(samples, at_ms)
            microphone.take(asked)
            told.append(await microphone.voice_of(at_ms, end_ms))
            at_ms = end_ms + 500
        assert told == [1, 2, 1]

        microphone.take(step(actor[: 5 * RATE_HZ], 0.0, "spk_two")[0])
        assert await microphone.voice_of(0, 5000) == 2  # another stream of the same microphone
        assert inference.statistics()["sessions"] == 1
        microphone.close()
        assert inference.statistics()["sessions"] == 0


async def test_a_word_is_nobodys_and_what_is_forgotten_too(models: ModelFolder) -> None:
    async with _open(models) as inference:
        microphone = SharedMicrophone(inference, "ge2e")
        microphone.take(step(recording("beckett")[: 5 * RATE_HZ], 0.0)[0])
        assert await microphone.voice_of(0, LEAST_MS - 1) is None
        microphone.take(step(recording("beckett")[: 2 * RATE_HZ], KEEP_MS + 5000.0)[0])
        assert await microphone.voice_of(0, 4000) is None
        assert await microphone.voice_of(KEEP_MS + 5000.0, KEEP_MS + 7000.0) == 1


async def test_a_model_that_does_not_answer_costs_the_phrase_nothing(models: ModelFolder) -> None:
    async with _open(models) as inference:
        microphone = SharedMicrophone(inference, "missing")
        microphone.take(step(recording("beckett")[: 5 * RATE_HZ], 0.0)[0])
        assert await microphone.voice_of(0, 5000) is None


@asynccontextmanager
async def _open(models: ModelFolder) -> AsyncIterator[Inference]:
    """A worker that has the model loaded: that takes longer than a phrase waits."""
    async with running(models) as inference:
        await inference.infer("ge2e", to_wav(recording("beckett")), {}, within_s=30)
        yield inference
