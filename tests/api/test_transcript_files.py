"""Transcripts as files, of what people say on purpose."""

from __future__ import annotations

from appliance.api.transcript_files import FileFormat, written
from appliance.store.transcripts import Segment

NOON = 1_764_072_000_000  # 2025-11-25T12:00:00Z


def said(start_s: float, name: str, text: str) -> Segment:
    start_ms = NOON + round(start_s * 1000)
    return Segment(
        id=f"cap_{start_s}", meeting_id="m", participant_id=f"prt_{name}", name=name, start_ms=start_ms,
        end_ms=start_ms + 1000, text=text, language="en",
    )  # fmt: skip


def text(file_format: FileFormat, *segments: Segment) -> str:
    return written(segments, "A *b*", file_format).content.decode()


def test_nothing_is_an_empty_file() -> None:
    assert [text(kind) for kind in ("vtt", "srt", "md")] == ["WEBVTT\n", "", "# A \\*b\\*\n"]  # type: ignore[arg-type]


def test_times_count_from_the_first_word() -> None:
    assert text("vtt", said(5, "Ann", "a"), said(65.5, "李雷", "b")) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n<v Ann>a\n\n00:01:00.500 --> 00:01:01.500\n<v 李雷>b\n"
    )
    assert text("srt", said(5, "Ann", "a")) == "1\n00:00:00,000 --> 00:00:01,000\nAnn: a\n"


def test_what_is_said_is_no_markup() -> None:
    evil = "<v Bob>x</v>\n\n00:00:00.000 --> 00:00:09.000\n[a](javascript:b) & `c`"
    vtt = text("vtt", said(0, "Ann>", evil))
    assert vtt.count("-->") == 1 and "<v Bob>" not in vtt and "<v Ann&gt;>" in vtt
    assert text("srt", said(0, "Ann", evil)).count("-->") == 1
    md = text("md", said(0, "Ann", evil))
    assert "\\[a\\]\\(javascript:b\\) \\& \\`c\\`" in md and "\\<v Bob\\>" in md


def test_a_turn_is_a_paragraph_and_a_day_a_heading() -> None:
    day_s = 24 * 3600
    assert text("md", said(0, "Ann", "a."), said(2, "Ann", "b."), said(4, "Bob", "c."), said(day_s, "Bob", "d.")) == (
        "# A \\*b\\*\n\n## 2025-11-25\n\n**Ann** (12:00:00 UTC): a. b.\n\n**Bob** (12:00:04 UTC): c.\n\n"
        "## 2025-11-26\n\n**Bob** (12:00:00 UTC): d.\n"
    )


def test_a_file_says_what_it_is() -> None:
    types = [written([], "t", kind).media_type for kind in ("vtt", "srt", "md")]  # type: ignore[arg-type]
    assert types == [f"{kind}; charset=utf-8" for kind in ("text/vtt", "application/x-subrip", "text/markdown")]
