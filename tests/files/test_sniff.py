"""A file is what its bytes say, never less dangerous than it is."""

from __future__ import annotations

import pytest

from appliance.files.sniff import sniff
from tests.support.uploaded import film, picture, sound


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "AVIF"])
def test_pictures(format: str) -> None:
    found = sniff(picture(format)[:4096])
    assert (found.media_type, found.kind, found.decoder) == (f"image/{format.lower()}", "image", f"image:{format}")


@pytest.mark.parametrize(
    ("format", "media_type", "decoder"),
    [
        ("mp4", "video/mp4", "av:mov"),
        ("mov", "video/quicktime", "av:mov"),
        ("webm", "video/webm", "av:matroska"),
        ("matroska", "video/x-matroska", "av:matroska"),
        ("avi", "video/x-msvideo", "av:avi"),
    ],
)
def test_films(format: str, media_type: str, decoder: str) -> None:
    found = sniff(film(format)[:4096])
    assert (found.media_type, found.kind, found.decoder) == (media_type, "video", decoder)


@pytest.mark.parametrize(
    ("format", "media_type", "decoder"),
    [
        ("wav", "audio/wav", "av:wav"),
        ("mp3", "audio/mpeg", "av:mp3"),
        ("flac", "audio/flac", "av:flac"),
        ("ogg", "audio/ogg", "av:ogg"),
        ("adts", "audio/aac", "av:aac"),
    ],
)
def test_sound(format: str, media_type: str, decoder: str) -> None:
    found = sniff(sound(format)[:4096])
    assert (found.media_type, found.kind, found.decoder) == (media_type, "audio", decoder)


def test_sound_without_anything_around_it() -> None:
    tagged = sound("mp3")
    size = int.from_bytes(bytes(byte & 127 for byte in tagged[6:10]), "big")  # ID3v2 §3.1: seven bits a byte
    if tagged.startswith(b"ID3"):
        size = (tagged[6] << 21) | (tagged[7] << 14) | (tagged[8] << 7) | tagged[9]
        assert sniff(tagged[10 + size :][:4096]).media_type == "audio/mpeg"


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"<!DOCTYPE html><p>", "text/html"),
        (b"  \n<HTML>", "text/html"),
        (b"\xef\xbb\xbf<script>alert(1)</script>", "text/html"),
        (b"<!-- x --><b>", "text/html"),
        (b"<iframe src=x>", "text/html"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "image/svg+xml"),
        (b"<?xml version='1.0'?><!-- --><SVG/>", "image/svg+xml"),
        (b"<?xml version='1.0'?><feed/>", "application/xml"),
        (b"notes: a < b\n", "text/plain; charset=utf-8"),
        ("Grüße".encode(), "text/plain; charset=utf-8"),
        ("ß".encode()[:1], "text/plain; charset=utf-8"),  # cut by the head's end
        (b"%PDF-1.7", "application/pdf"),
        (b"PK\x03\x04....", "application/zip"),
        (b"\x1f\x8b\x08", "application/gzip"),
        (b"", "application/octet-stream"),
        (b"MZ\x90\x00\x03", "application/octet-stream"),
        (b"\x7fELF\x02", "application/octet-stream"),
        (b"\xff\xfe<\x00s\x00", "application/octet-stream"),  # UTF-16
        (b"text \xff text", "application/octet-stream"),
        (b"text\x00", "application/octet-stream"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "text/plain; charset=utf-8"),
        (b"\xff\xfb\xf0\x00", "application/octet-stream"),  # no bitrate that MPEG audio has
    ],
)
def test_the_rest(content: bytes, media_type: str) -> None:
    found = sniff(content)
    assert (found.media_type, found.decoder) == (media_type, "")
    assert found.kind in ("document", "other")


def test_heic_is_kept_without_a_look() -> None:
    found = sniff(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00")
    assert (found.media_type, found.kind, found.decoder) == ("image/heic", "image", "")
