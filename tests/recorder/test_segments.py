"""A segment is there whole or not at all, and is taken for what it shows only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from av.packet import Packet

from appliance.recorder.journal import Codec
from appliance.recorder.segments import (
    MOST_APART_US,
    Content,
    Learnt,
    SegmentWriter,
    TrackPart,
    agree,
    read_content,
    read_pictures,
    segment_path,
    take,
)

CONTENT = Content(
    made_by="1",
    encoder="libx264",
    format="mp4",
    width=320,
    height=180,
    fps=10,
    first=20,
    count=25,
    scenes="s",
    tracks={"trk_0": TrackPart("f", (1_000_000, 6_000_000))},
)
LEARNT = Learnt(broken=("trk_9",), missing_glyphs="ĳ")


def _with(**fields: Any) -> Content:
    return msgspec.structs.replace(CONTENT, **fields)


def _append(segment: SegmentWriter, pts: int) -> None:
    packet = Packet(b"picture %d" % pts)  # type: ignore[var-annotated]
    packet.pts, packet.dts, packet.is_keyframe = pts, pts - 2, pts % 10 == 0
    segment.append(packet)


def _write(folder: Path, *, count: int = 25) -> Path:
    path = segment_path(folder, 3)
    segment = SegmentWriter(path, CONTENT, Codec.H264)
    for number in range(20, 20 + count):
        _append(segment, number)
    segment.finish(LEARNT)
    segment.close()
    return path


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = _write(tmp_path)
    pictures = list(read_pictures(path))
    assert [picture.pts for picture in pictures] == list(range(20, 45))
    assert (pictures[3].dts, pictures[3].payload) == (21, b"picture 23")
    assert [picture.pts for picture in pictures if picture.is_key] == [20, 30, 40]
    assert read_content(path) == CONTENT
    assert take(path, CONTENT) == LEARNT
    assert [found.name for found in tmp_path.iterdir()] == ["000003.segment"]


def test_an_unfinished_one_is_not_there(tmp_path: Path) -> None:
    path = segment_path(tmp_path, 3)
    segment = SegmentWriter(path, CONTENT, Codec.H264)
    _append(segment, 20)
    assert take(path, CONTENT) is None
    segment.close()
    segment.close()
    assert list(tmp_path.iterdir()) == []
    # what a killed process left is written over
    (tmp_path / ".000003.segment.unfinished").write_bytes(b"x" * 100_000)
    assert take(_write(tmp_path), CONTENT) == LEARNT


@pytest.mark.parametrize("cut", [1, 50, 300, 1900])
def test_a_torn_one_is_not_taken(tmp_path: Path, cut: int) -> None:
    path = _write(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])
    assert take(path, CONTENT) is None


def test_a_damaged_or_short_one_is_not_taken(tmp_path: Path) -> None:
    path = _write(tmp_path)
    data = bytearray(path.read_bytes())
    data[data.index(b"picture 35")] ^= 1
    path.write_bytes(data)
    assert take(path, CONTENT) is None
    assert take(_write(tmp_path, count=24), CONTENT) is None
    path.write_bytes(b"")
    assert take(path, CONTENT) is None


def test_only_what_is_wanted_is_taken(tmp_path: Path) -> None:
    path = _write(tmp_path)
    others = [
        _with(made_by="2"),
        _with(encoder="h264_nvenc"),
        _with(height=360),
        _with(fps=25),
        _with(first=0),
        _with(count=24),
        _with(scenes="t"),
        _with(tracks={}),
        _with(tracks={"trk_0": TrackPart("g", (1_000_000, 6_000_000))}),
        _with(tracks={"trk_1": TrackPart("f", (1_000_000, 6_000_000))}),
    ]
    assert [take(path, other) for other in others] == [None] * len(others)


def test_clocks_may_be_known_better_by_now() -> None:
    def at(*shown_us: int) -> Content:
        return _with(tracks={"trk_0": TrackPart("f", shown_us)})

    assert agree(CONTENT, at(1_000_000 + MOST_APART_US, 6_000_000 - MOST_APART_US))
    assert not agree(CONTENT, at(1_000_000, 6_000_001 + MOST_APART_US))
    assert not agree(CONTENT, at(1_000_000))
