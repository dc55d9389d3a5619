"""WebVTT to SubRip."""

from __future__ import annotations

import pytest

from appliance.api.subtitles import srt_of


def test_cues_are_numbered_timed_and_plain() -> None:
    vtt = (
        "\ufeffWEBVTT - Weekly\nKind: captions\n\nNOTE not shown\n00:01.000\n\nSTYLE\n::cue { color: red }\n\n"
        "intro\n00:01.000 --> 00:02.500 align:start position:10%\n<v.loud Ann B>Hello &amp; <b>welcome</b></v>\n\n\n"
        "01:00:00.000-->01:00:00.500\nno space, no cue\n\n"
        "100:00:59.999 --> 100:01:00.000\n<00:19.000><c>one\n\n\ntwo\n\n"
        "00:05.000 --> 00:06.000\n a  b \n-->&lt;i&gt;\n"
    )
    assert srt_of(vtt) == (
        "1\n00:00:01,000 --> 00:00:02,500\nAnn B: Hello & welcome\n\n"
        "2\n100:00:59,999 --> 100:01:00,000\none\n\n"
        "3\n00:00:05,000 --> 00:00:06,000\na b\n→<i>\n"
    )


def test_lines_may_end_as_on_any_system() -> None:
    unix = "WEBVTT\n\n00:01.000 --> 00:02.000\nA\nB\n"
    expected = "1\n00:00:01,000 --> 00:00:02,000\nA\nB\n"
    assert srt_of(unix) == srt_of(unix.replace("\n", "\r\n")) == srt_of(unix.replace("\n", "\r")) == expected


@pytest.mark.parametrize(
    "vtt",
    [
        *("", "WEBVTT", "WEBVTT\n\n", "\0" * 100, "-->", "WEBVTT\n\n1\n2\n3", "<" * 9999),
        *("WEBVTT\n\n00:01.000 --> 00:02.000", "WEBVTT\n\n00:61.000 --> 00:62.000\nx"),
    ],
)
def test_what_holds_no_cue_is_empty(vtt: str) -> None:
    assert srt_of(vtt) == ""
