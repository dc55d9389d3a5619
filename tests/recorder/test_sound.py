"""Samples lie where they were said, joined without a seam, whatever the clocks do."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from appliance.recorder.frames import Frame
from appliance.recorder.journal import Codec
from appliance.recorder.sound import RATE, Voice
from tests.support.recorded import beeps

TONE = beeps(4, hz=400, level=0.3)


def _frames(at_us: Callable[[int], int], count: int = 200, *, without: range = range(0)) -> list[Frame]:
    return [Frame(at_us(n), Codec.OPUS, True, False, TONE[n % len(TONE)][1]) for n in range(count) if n not in without]


def _heard(frames: list[Frame], seconds: float, *, channels: int = 1, piece: int = 7777) -> np.ndarray:
    voice = Voice(iter(frames), channels)
    whole = np.zeros((channels, int(seconds * RATE)), np.float32)
    for at in range(0, whole.shape[1], piece):
        voice.add_to(whole[:, at : at + piece], at)
    assert voice.ended
    return whole


def _starts(samples: np.ndarray) -> list[float]:
    loud = np.flatnonzero(np.abs(samples) > 0.05)
    return [float(loud[0] / RATE), *(float(loud[n + 1] / RATE) for n in np.flatnonzero(np.diff(loud) > RATE // 4))]


def test_beeps_are_where_they_were_said() -> None:
    heard = _heard(_frames(lambda n: 1_000_000 + n * 20_000), 5.5)
    assert np.allclose(_starts(heard[0]), [1, 2, 3, 4], atol=0.012)
    assert not heard[0, : RATE - 100].any()


@pytest.mark.parametrize("ppm", [-300, 300])
def test_a_clock_that_drifts_leaves_no_gap(ppm: int) -> None:
    frames = _frames(lambda n: round(n * 20_000 * (1 + ppm / 1e6)), 3000)
    heard = _heard(frames, 60.1)[0]
    starts = _starts(heard)
    assert len(starts) == 60
    assert abs(starts[59] - 59 * (1 + ppm / 1e6)) < 0.012


def test_pieces_make_no_difference() -> None:
    frames = _frames(lambda n: 300 + n * 20_003, without=range(40, 47))
    one = _heard(frames, 4.2, piece=RATE * 5)
    other = _heard(frames, 4.2, piece=313)
    assert np.array_equal(one, other)


def test_a_gap_is_faded_into_and_out_of() -> None:
    frames = _frames(lambda n: n * 20_000, 12, without=range(2, 4))
    heard = _heard(frames, 0.3)[0]
    assert not heard[2 * 960 : 4 * 960].any()
    assert abs(heard[2 * 960 - 1]) < 0.01
    assert abs(heard[4 * 960]) < 0.01


def test_what_lies_before_what_was_said_is_left_out() -> None:
    frames = _frames(lambda n: n * 20_000 - (500_000 if n >= 100 else 0), 200)
    heard = _heard(frames, 4.1)[0]
    assert np.allclose(_starts(heard), [0, 1, 2.5], atol=0.013)


def test_what_is_no_opus_is_silence() -> None:
    chance = random.Random(2)
    frames = [Frame(n * 20_000, Codec.OPUS, True, False, b"\xff\x00" + chance.randbytes(9)) for n in range(50)]
    voice = Voice(iter([*frames, Frame(0, Codec.VP8, True, False, b"x"), Frame(0, Codec.OPUS, True, False, b"")]), 1)
    block = np.zeros((1, RATE), np.float32)
    assert not voice.add_to(block, 0)
    assert (voice.broken, voice.ended, bool(block.any())) == (50, True, False)


def test_stereo_is_kept_and_mono_is_on_both_sides() -> None:
    loop = beeps(stereo=True)
    frames = [Frame(n * 20_000, Codec.OPUS, True, False, loop[n][1]) for n in range(20)]
    heard = _heard(frames, 0.5, channels=2)
    assert heard.shape[0] == 2
    assert np.abs(heard[0]).max() > 0.2
    assert np.allclose(heard[0], heard[1], atol=0.02)
    mono = _heard(_frames(lambda n: n * 20_000, 20), 0.5, channels=2)
    assert np.array_equal(mono[0], mono[1])
