"""A reel goes on from its last key frame, whatever a kill left behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
from av.packet import Packet

from appliance.recorder.journal import Codec
from appliance.recorder.reel import Reel, read_reel


def _append(reel: Reel, pts: int, *, is_key: bool = False, dts: int | None = None) -> None:
    packet = Packet(b"picture %d" % pts)  # type: ignore[var-annotated]
    packet.pts, packet.dts, packet.is_keyframe = pts, pts - 2 if dts is None else dts, is_key
    reel.append(packet)


def _write(path: Path, count: int = 25) -> None:
    reel = Reel(path, Codec.H264)
    for number in range(reel.next_picture, count):
        _append(reel, number, is_key=number % 10 == 0)
    reel.close()


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "reel"
    _write(path)
    pictures = list(read_reel(path))
    assert [picture.pts for picture in pictures] == list(range(25))
    assert pictures[3].dts == 1
    assert pictures[3].payload == b"picture 3"
    assert [picture.pts for picture in pictures if picture.is_key] == [0, 10, 20]


@pytest.mark.parametrize("cut", [0, 1, 17, 300])
def test_it_goes_on_from_the_last_key_frame(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "reel"
    _write(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size - cut])
    reel = Reel(path, Codec.H264)
    assert reel.next_picture == (10 if cut == 300 else 20)
    reel.close()
    _write(path, 40)
    assert [picture.pts for picture in read_reel(path)] == list(range(40))


def test_damage_in_the_middle_is_where_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "reel"
    _write(path)
    data = bytearray(path.read_bytes())
    data[data.index(b"picture 15")] ^= 1
    path.write_bytes(data)
    reel = Reel(path, Codec.H264)
    reel.close()
    assert reel.next_picture == 10
    assert [picture.pts for picture in read_reel(path)] == list(range(10))


def test_a_new_one_begins_at_zero(tmp_path: Path) -> None:
    reel = Reel(tmp_path / "reel", Codec.VP9)
    reel.close()
    assert reel.next_picture == 0
    assert list(read_reel(tmp_path / "reel")) == []
