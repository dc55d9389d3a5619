"""Pictures and recordings are recognised, measured and shown small; what is broken or hostile is said to be."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
import trio
from PIL import Image

from appliance.files import probe
from appliance.files.probe import BrokenFileError, Probed, probe_untrusted
from tests.support.uploaded import film, immense_picture, picture, sound, turned_picture

slow = pytest.mark.slow


async def look(folder: Path, content: bytes) -> Probed:
    path = folder / "file"
    path.write_bytes(content)
    return await probe_untrusted(path)


def colour(thumbnail: bytes, share: float) -> tuple[int, ...]:
    """In the middle row, so far from the left."""
    with Image.open(io.BytesIO(thumbnail)) as image:
        pixel = image.convert("RGB").getpixel((int(image.width * share), image.height // 2))
        assert isinstance(pixel, tuple)
        return tuple(value // 64 for value in pixel)


@slow
@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "AVIF"])
async def test_pictures(tmp_path: Path, format: str) -> None:
    found = await look(tmp_path, picture(format))
    assert (found.media_type, found.kind) == (f"image/{format.lower()}", "image")
    assert (found.width, found.height, found.duration_ms) == (640, 480, None)
    with Image.open(io.BytesIO(found.thumbnail)) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("WEBP", (320, 240))
    assert colour(found.thumbnail, 0.1) == (3, 0, 0)
    assert colour(found.thumbnail, 0.9) == (0, 0, 3)


@slow
async def test_a_picture_that_lies_on_its_side_is_turned(tmp_path: Path) -> None:
    found = await look(tmp_path, turned_picture())
    assert (found.width, found.height) == (480, 640)
    with Image.open(io.BytesIO(found.thumbnail)) as thumbnail:
        assert thumbnail.size == (240, 320)
        assert not thumbnail.getexif()


@slow
@pytest.mark.parametrize(
    ("format", "media_type"),
    [
        ("mp4", "video/mp4"),
        ("mov", "video/quicktime"),
        ("webm", "video/webm"),
        ("matroska", "video/x-matroska"),
        ("avi", "video/x-msvideo"),
    ],
)
async def test_films(tmp_path: Path, format: str, media_type: str) -> None:
    found = await look(tmp_path, film(format))
    assert (found.media_type, found.kind, found.width, found.height) == (media_type, "video", 320, 180)
    assert found.duration_ms is not None and abs(found.duration_ms - 2000) <= 100
    if format == "mp4":
        assert colour(found.thumbnail, 0.5) == (0, 1, 0)  # from a tenth of its length; others have one key frame
    assert found.thumbnail


@slow
async def test_a_film_with_sound_is_a_film(tmp_path: Path) -> None:
    assert (await look(tmp_path, film("mp4", sound=True))).media_type == "video/mp4"


@slow
@pytest.mark.parametrize(
    ("format", "media_type"),
    [
        ("wav", "audio/wav"),
        ("mp3", "audio/mpeg"),
        ("flac", "audio/flac"),
        ("ogg", "audio/ogg"),
        ("mp4", "audio/mp4"),
        ("webm", "audio/webm"),
    ],
)
async def test_a_film_without_picture_is_sound(tmp_path: Path, format: str, media_type: str) -> None:
    found = await look(tmp_path, sound(format))
    assert (found.media_type, found.kind, found.thumbnail) == (media_type, "audio", b"")
    assert found.duration_ms is not None and abs(found.duration_ms - 1000) <= 100


async def test_what_is_neither_is_not_decoded(tmp_path: Path) -> None:
    for content in (b"", b"notes", b"<svg onload=alert(1)>", b"%PDF-1.7", os.urandom(100)):
        found = await look(tmp_path, content)
        assert (found.width, found.duration_ms, found.thumbnail) == (None, None, b"")


@slow
@pytest.mark.parametrize(
    "content",
    [
        picture("JPEG")[:-500],
        picture("PNG")[:-200],
        picture("PNG")[:33],
        picture("JPEG")[:3],
        film("mp4")[:-100],
        film("mp4")[:1000],
        film("webm")[:100],
        b"RIFF\xff\xff\xff\xffWAVE",
        b"OggS" + bytes(1000),
        b"\x00\x00\x00\x18ftypmp42" + bytes(12),
        b"ID3" + bytes(1000),
        immense_picture(),
    ],
    ids=range(12),
)
async def test_what_is_broken_or_cut_short_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BrokenFileError) as caught:
        await look(tmp_path, content)
    assert str(caught.value).isprintable() and "/" not in str(caught.value)


@slow
async def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    """FFmpeg would read what it names; ours are only tried as what their magic number says."""
    (tmp_path / "secret.mp4").write_bytes(film("mp4"))
    for text in (
        f"#EXTM3U\n#EXTINF:1,\nfile://{tmp_path}/secret.mp4\n",
        f"ffconcat version 1.0\nfile '{tmp_path}/secret.mp4'\n",
    ):
        found = await look(tmp_path, text.encode())
        assert (found.kind, found.duration_ms) == ("document", None)


@slow
async def test_a_decoder_that_hangs_or_floods_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "program.py"
    monkeypatch.setattr(probe, "_PROGRAM", program)
    monkeypatch.setattr(probe, "LOOK_WITHIN_S", 1.0)
    for text, sentence in (
        ("import time; time.sleep(600)", "within 1 s"),
        ("import os\nwhile True: os.write(1, bytes(65536))", "takes too much"),
        ("import os; os.abort()", "takes too much"),
        ("print('no JSON')", "breaks the decoder"),
        ("print('[]')", "breaks the decoder"),
        ("print('{\"width\": \"x\"}')", "breaks the decoder"),
    ):
        program.write_text(text)
        with trio.fail_after(10), pytest.raises(BrokenFileError, match=sentence):
            await look(tmp_path, picture())


@slow
async def test_what_a_decoder_says_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "program.py"
    monkeypatch.setattr(probe, "_PROGRAM", program)
    lie = '{"media_type": "text/html", "width": -1, "duration_ms": 99999999999999999}'
    program.write_text(f"print({lie!r})\nprint('<script>')")
    found = await look(tmp_path, picture())
    assert found == Probed(media_type="image/png", kind="image")
