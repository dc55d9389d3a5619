"""What waits of a stream, and results of a worker that was started anew joined with those before."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from appliance.api import ai_socket
from appliance.questions import streaming
from appliance.questions.streaming import (
    MAX_STEP_PACKETS,
    AnyAsked,
    HeardAnswer,
    HeardCaption,
    Pictures,
    Sound,
    Start,
    Stop,
)


def heard(heard_ms: int, *phrases: tuple[int, int]) -> HeardAnswer:
    captions = [
        {"kind": "final", "phrase": n, "start_ms": at, "end_ms": at + 5, "text": "x", "language": "en", "confidence": 1}
        for n, at in phrases
    ]
    return msgspec.convert({"captions": captions, "heard_ms": heard_ms}, HeardAnswer)


def test_opus_is_sent_with_the_sizes_of_its_packets() -> None:
    sound = Sound(Start())
    for frame in (b"abc", b"d"):
        sound.put(frame)
    assert sound.waiting == 2 and not sound.is_full
    frames = sound.take()
    options = sound.options(frames, "s", last=False)
    assert (options["packets"], options["format"], options["session"], options["last"]) == ([3, 1], "opus", "s", False)
    assert sound.waiting == 0
    sound.put(b"e")
    sound.give_back(frames)
    assert sound.take() == [b"abc", b"d", b"e"]


@pytest.mark.parametrize(
    ("start", "frame", "count"),
    [(Start(), b"x" * 100, MAX_STEP_PACKETS), (Start(), bytes(63_750), 5),
     (Start(format="pcm", sample_rate=16_000), bytes(3200), 50),
     (Start(format="pcm_f32", sample_rate=16_000, channels=2), bytes(12_800), 50)],
)  # fmt: skip
def test_five_seconds_wait_at_most(start: Start, frame: bytes, count: int) -> None:
    sound = Sound(start)
    for _ in range(count - 1):
        sound.put(frame)
    assert not sound.is_full
    sound.put(frame)
    assert sound.is_full


def test_a_worker_that_began_anew_goes_on_where_the_other_stopped() -> None:
    sound = Sound(Start())

    def shown(captions: list[HeardCaption]) -> list[tuple[int, int]]:
        return [(caption.phrase, caption.start_ms) for caption in captions]

    assert shown(sound.heard(heard(1000, (0, 100)), 1)) == [(0, 100)]
    assert shown(sound.heard(heard(3000, (1, 1500), (2, 2500)), 1)) == [(1, 1500), (2, 2500)]
    assert shown(sound.heard(heard(500, (0, 200)), 2)) == [(3, 3200)]
    assert sound.heard_ms == 3500
    assert shown(sound.heard(heard(900), 3)) == []
    assert sound.heard_ms == 4400


def test_only_the_newest_picture_waits() -> None:
    pictures = Pictures(Start(task="emotion"))
    assert pictures.take() is None
    assert [pictures.put(frame, at) for at, frame in enumerate((b"a", b"b", b"c"))] == [0, 1, 1]
    assert pictures.waiting == 1
    assert pictures.take() == (b"c", 2)
    assert pictures.waiting == 0


@pytest.mark.parametrize("message", [{"type": "begin"}, {"type": "start", "task": "dance"}, {"type": "start", "x": 1},
                                     {"type": "start", "sample_rate": 1}, {}])  # fmt: skip
def test_what_is_no_start(message: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(message, AnyAsked)


def test_the_messages_are_told_by_their_type() -> None:
    assert msgspec.convert({"type": "start"}, AnyAsked) == Start()
    assert msgspec.convert({"type": "stop"}, AnyAsked) == Stop()


def test_the_description_knows_every_message_field_and_bound() -> None:
    text = (Path(streaming.__file__).parent / "STREAM.md").read_text()
    for shape in (Start, Stop, *get_args(streaming.AnySaid)):
        assert f'"{shape.__struct_config__.tag}"' in text or f"`{shape.__struct_config__.tag}`" in text, shape
        for field in shape.__struct_fields__:
            assert f"`{field}`" in text or f'"{field}"' in text, (shape, field)
    for bound in (ai_socket.START_WITHIN_S, ai_socket.SILENCE_S):
        assert f"{bound:.0f} s" in text
    assert f"{ai_socket.MAX_STREAM_S / 3600:.0f} h" in text and f"{ai_socket.MAX_TROUBLES} frames" in text
    for code in (1000, ai_socket.GOING_AWAY, ai_socket.POLICY, 1009, 1011, ai_socket.TRY_AGAIN_LATER):
        assert f"{code}:" in text
