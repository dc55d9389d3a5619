"""Captions say who said what, and hold whatever people say."""

from __future__ import annotations

from appliance.recorder.captions import mov_text, samples, usable, vtt


def test_what_is_outside_or_empty_is_left_out() -> None:
    captions = [
        (5000, 6000, "B", "late"),
        (-500, 900, " A ", "a\n b"),
        (1, 1, "A", "x"),
        (2, 3, "A", " "),
        (0, 9e9, "C", "c"),
    ]
    assert usable([(int(a), int(b), c, d) for a, b, c, d in captions], 4000) == [
        (0, 900, "A", "a b"),
        (0, 4000, "C", "c"),
    ]


def test_a_file() -> None:
    text = vtt([(0, 1500, "Ann & <Bob>", "a --> b"), (3_661_001, 3_662_000, "", "x")])
    assert text == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\n<v Ann &amp; &lt;Bob&gt;>a --&gt; b\n\n"
        "01:01:01.001 --> 01:01:02.000\nx\n"
    )
    assert vtt([]) == "WEBVTT\n"


def test_samples_do_not_overlap() -> None:
    found = samples([(0, 3000, "A", "one"), (1000, 2000, "B", "two"), (5000, 6000, "", "three")])
    assert found == [
        (0, 1000, "A: one"),
        (1000, 2000, "A: one\nB: two"),
        (2000, 3000, "A: one"),
        (5000, 6000, "three"),
    ]
    assert samples([]) == []


def test_a_sample_has_its_length_in_front_and_an_end() -> None:
    assert mov_text("é") == b"\x00\x02\xc3\xa9"
    assert len(mov_text("é" * 60_000)) <= 2 + 0xFFFF
    mov_text("é" * 60_000)[2:].decode()
