"""Frames of server and worker: what goes in comes out, and rubbish fails with one error."""

from __future__ import annotations

import random

import msgspec
import pytest

from appliance.inference.messages import (
    MAX_MESSAGES,
    Answer,
    Cancel,
    FrameError,
    Greet,
    Infer,
    Ping,
    Pong,
    decode_to_server_untrusted,
    decode_to_worker_untrusted,
    encode,
)


def _infer(number: int, *, framed: bool) -> Infer:
    return Infer(number, "echo", {"language": "en", "session": "s"}, 3, 250.0, framed)


def test_a_batch_comes_out_as_it_went_in() -> None:
    sound = bytes(range(256)) * 16
    batch = [(_infer(1, framed=True), sound), (Ping(7), b""), (_infer(2, framed=False), b""), (Cancel(1), b"")]
    frames = encode(batch)
    assert len(frames) == 2, "one header, and the one payload that there is"
    assert frames[1] is sound, "payloads are not copied, let alone encoded"
    assert decode_to_worker_untrusted(frames) == batch


def test_answers_come_out_as_they_went_in() -> None:
    answer = Answer(9, {"text": "你好", "segments": [[0.0, 1.5]]}, 0.25, 12.5, 4, True)
    pong = Pong(3, "i", 100, None, 1.5, ())
    assert decode_to_server_untrusted(encode([(answer, b"\x00"), (pong, b"")])) == [(answer, b"\x00"), (pong, b"")]


def test_an_empty_payload_that_is_framed_is_a_frame() -> None:
    assert decode_to_worker_untrusted(encode([(_infer(1, framed=True), b"")])) == [(_infer(1, framed=True), b"")]


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        ([], "without frames"),
        ([b""], "header"),
        ([b"\xc1"], "header"),
        ([msgspec.msgpack.encode([["hello"]])], "header"),
        ([msgspec.msgpack.encode([["infer", 1, "echo", {}, 0, 1.0, True]])], "fewer payload frames"),
        ([msgspec.msgpack.encode([["ping", 1]]), b"x"], "more payload frames"),
        ([msgspec.msgpack.encode([["ping", 1]] * (MAX_MESSAGES + 1))], "more than"),
        ([b"\x91" * 100_000 + b"\xc0"], "header"),
    ],
)
def test_rubbish_is_refused_by_name(frames: list[bytes], says: str) -> None:
    with pytest.raises(FrameError, match=says):
        decode_to_worker_untrusted(frames)


def test_altered_bytes_raise_nothing_else() -> None:
    source = random.Random(7)
    good = encode([(_infer(1, framed=True), b"abc"), (Greet(1), b"")])
    for _ in range(2000):
        header = bytearray(good[0])
        header[source.randrange(len(header))] = source.randrange(256)
        try:
            decode_to_worker_untrusted([bytes(header), *good[1:]])
        except FrameError:
            continue
