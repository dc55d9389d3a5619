"""The container holds pictures, sound and words in the order in which they are played."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from appliance.recorder.composed import ComposedChapter, Format
from appliance.recorder.encoders import Chosen, choose, open_encoder
from appliance.recorder.film import join, write_thumbnail
from appliance.recorder.mix import write_sound
from appliance.recorder.muxing import MuxingError
from appliance.recorder.segments import Content, Learnt, SegmentWriter, segment_path

FPS, SECONDS = 10, 5


def _segment(folder: Path, number: int, chosen: Chosen, kind: Format, first: int, count: int) -> Path:
    content = Content(
        made_by="",
        encoder=chosen.name,
        format=kind,
        width=320,
        height=180,
        fps=FPS,
        first=first,
        count=count,
        scenes="",
        tracks={},
    )
    encoder = open_encoder(chosen.name, kind, 320, 180, FPS, threads=1)
    segment = SegmentWriter(segment_path(folder, number), content, chosen.codec)
    for picture in range(first, first + count):
        whole = np.full((270, 320), 128, np.uint8)
        whole[:180] = 40 + 30 * (picture // FPS)
        frame = av.VideoFrame.from_numpy_buffer(whole, format="yuv420p")
        frame.pts = picture
        for packet in encoder.encode(frame):
            segment.append(packet)
    for packet in encoder.encode(None):
        segment.append(packet)
    segment.finish(Learnt())
    return segment_path(folder, number)


def _film(folder: Path, kind: Format, *, with_sound: bool = True) -> Path:
    chosen = choose("", kind, 320, 180, FPS)
    half = FPS * SECONDS // 2
    segments = [_segment(folder, n, chosen, kind, n * half, half) for n in range(2)]
    write_sound(folder / "sound", [], SECONDS * 1_000_000, channels=1, lufs=None, kind=kind, report=lambda at_us: None)
    reported: list[int] = []
    join(
        folder / "film",
        kind=kind,
        codec=chosen.codec,
        segments=segments,
        fps=FPS,
        sound=folder / "sound" if with_sound else None,
        channels=1,
        captions=[(1000, 2000, "Ann", "hello"), (1500, 4900, "", "world")],
        chapters=[ComposedChapter(start_ms=0, title="A"), ComposedChapter(start_ms=3000, title="B")],
        title="T",
        duration_ms=SECONDS * 1000,
        report=reported.append,
    )
    assert sorted(reported) == list(range(FPS * SECONDS))
    return folder / "film"


@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_everything_is_in_it(tmp_path: Path, kind: Format) -> None:
    with av.open(_film(tmp_path, kind)) as film:
        assert abs(film.duration / 1e6 - SECONDS) < 0.1
        chapters = [(c["metadata"]["title"], c["start"] * c["time_base"]) for c in film.chapters()]
        assert chapters == [("A", 0), ("B", 3)]
        assert film.metadata.get("title", film.metadata.get("TITLE")) == "T"
        ends = {"video": 0.0, "audio": 0.0}
        apart = 0.0
        for packet in film.demux([stream for stream in film.streams if stream.type in ends]):
            if packet.dts is None:
                continue
            ends[packet.stream.type] = float(packet.dts * packet.time_base)
            apart = max(apart, abs(ends["video"] - ends["audio"]))
        assert apart < 1.5  # interleaved: a player need not jump about
    with av.open(tmp_path / "film") as film:
        words = [bytes(packet).decode(errors="ignore") for packet in film.demux(subtitles=0) if packet.size > 2]
    assert [word.lstrip("\x00\x05\x0a\x10\x11") for word in words] == ["Ann: hello", "Ann: hello\nworld", "world"]


def test_a_film_may_be_silent(tmp_path: Path) -> None:
    with av.open(_film(tmp_path, "mp4", with_sound=False)) as film:
        assert not film.streams.audio
        assert len(list(film.decode(video=0))) == FPS * SECONDS


def test_a_thumbnail_is_of_its_moment(tmp_path: Path) -> None:
    film = _film(tmp_path, "mp4")
    for second in (0, 2, 4):
        write_thumbnail(film, tmp_path / "thumbnail", second * 1_000_000 + 550_000)
        with Image.open(tmp_path / "thumbnail") as picture:
            assert (picture.format, picture.size) == ("JPEG", (640, 360))
            red = picture.convert("L").getpixel((320, 180))
        assert isinstance(red, (int, float))
        assert abs(red - (40 + 30 * second - 16) * 255 / 219) < 12


def test_without_pictures_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(MuxingError, match="without a picture"):
        join(
            tmp_path / "film",
            kind="mp4",
            codec=choose("", "mp4", 64, 64, 5).codec,
            segments=[],
            fps=5,
            sound=None,
            channels=1,
            captions=[],
            chapters=[],
            title="",
            duration_ms=0,
            report=lambda number: None,
        )
    (tmp_path / "film").write_bytes(b"no film")
    with pytest.raises(MuxingError):
        write_thumbnail(tmp_path / "film", tmp_path / "thumbnail", 0)
