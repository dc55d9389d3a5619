"""Frames come in the order in which they were made, each once."""

from __future__ import annotations

from pathlib import Path

from appliance.recorder.frames import read_frames
from appliance.recorder.journal import KEY_FRAME, Codec, Kind, Record, encode
from appliance.recorder.notes import Note, ShownTime
from appliance.recorder.timeline import Readings, TrackClock, align

S = 1_000_000
START = 1000 * S


def _record(sent_s: float, arrived_s: float, codec: Codec = Codec.OPUS, payload: bytes = b"x") -> Record:
    rate = 48_000 if codec is Codec.OPUS else 90_000
    return Record(
        kind=Kind.FRAME,
        codec=codec,
        flags=KEY_FRAME,
        at_us=START + round(arrived_s * S),
        rtp=round(sent_s * rate),
        clock_rate=rate,
        payload=payload,
    )


def _written(path: Path, records: list[Record]) -> tuple[Path, TrackClock]:
    readings = Readings()
    for record in records:
        readings.add(record)
    path.write_bytes(b"".join(map(encode, records)))
    return path, align({"t": readings}, {"t": "p"})["t"]


def test_late_sound_is_put_in_its_place_and_what_came_twice_is_heard_once(tmp_path: Path) -> None:
    sent = [(n * 0.02, n * 0.02) for n in range(200)]
    sent[50] = (1.0, 1.2)  # a repair
    sent.append((3.0, 4.1))  # again
    records = [_record(*one, payload=str(round(one[0] * 50)).encode()) for one in sorted(sent, key=lambda s: s[1])]
    path, clock = _written(tmp_path / "j", records)
    frames = list(read_frames(path, clock, ShownTime(START, START + 10 * S)))
    assert [int(frame.payload) for frame in frames] == list(range(200))
    assert all(abs(frame.at_us - n * 20_000) < 1000 for n, frame in enumerate(frames))


def test_pictures_stay_in_order_whatever_their_times_say(tmp_path: Path) -> None:
    records = [_record(n / 30 if n != 40 else 1.0, n / 30, Codec.VP8, bytes([n])) for n in range(90)]
    path, clock = _written(tmp_path / "j", records)
    frames = list(read_frames(path, clock, ShownTime(START, START + 10 * S)))
    assert [frame.payload[0] for frame in frames] == list(range(90))
    assert [frame.at_us for frame in frames] == sorted(frame.at_us for frame in frames)


def test_what_is_cut_out_is_not_read(tmp_path: Path) -> None:
    records = [_record(n * 0.1, n * 0.1, Codec.VP8, bytes([n])) for n in range(100)]
    path, clock = _written(tmp_path / "j", records)
    notes = [Note(type="paused", at_us=START + 3 * S), Note(type="resumed", at_us=START + 6 * S)]
    frames = list(read_frames(path, clock, ShownTime(START, START + 8 * S, notes)))
    numbers = [frame.payload[0] for frame in frames]
    assert not set(range(37, 54)) & set(numbers)
    assert 90 not in numbers
    assert frames[-1].at_us <= 5 * S


def test_reading_may_begin_anywhere(tmp_path: Path) -> None:
    records = [_record(n * 0.1, n * 0.1, Codec.VP8, bytes([n])) for n in range(10)]
    path, clock = _written(tmp_path / "j", records)
    time = ShownTime(START, START + 8 * S)
    offset = sum(len(encode(record)) for record in records[:6])
    assert [frame.payload[0] for frame in read_frames(path, clock, time, from_offset=offset)] == [6, 7, 8, 9]
