"""A transcript as a file: WebVTT, SubRip, Markdown; pure.

Owns the formats. Times count from the first thing that was said, but for Markdown, which has them as people read them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from appliance.api.subtitles import srt_of
from appliance.api.times import to_text
from appliance.recorder.captions import usable, vtt
from appliance.store.transcripts import Segment

FileFormat = Literal["vtt", "srt", "md"]


class Written(msgspec.Struct, frozen=True):
    """A transcript, written."""

    content: bytes
    media_type: str


def written(segments: Sequence[Segment], title: str, file_format: FileFormat) -> Written:
    """``segments`` in the order of speaking."""
    content, media_type = _FORMATS[file_format]
    return Written(content(segments, title).encode(), f"{media_type}; charset=utf-8")


def _vtt(segments: Sequence[Segment], title: str) -> str:
    begin = segments[0].start_ms if segments else 0
    end = max((segment.end_ms for segment in segments), default=0)
    cues = [(s.start_ms - begin, s.end_ms - begin, s.name, s.text) for s in segments]
    return vtt(usable(cues, end - begin))


def _srt(segments: Sequence[Segment], title: str) -> str:
    return srt_of(_vtt(segments, title))


def _md(segments: Sequence[Segment], title: str) -> str:
    """Who said what: a paragraph for each turn, with its time in UTC."""
    parts = [f"# {escaped(title)}"]
    day = speaker = ""
    for segment in segments:
        time = to_text(segment.start_ms)
        if time[:10] != day:
            day, speaker = time[:10], ""
            parts.append(f"## {day}")
        if segment.participant_id == speaker:
            parts[-1] += f" {escaped(segment.text)}"
        else:
            speaker = segment.participant_id
            parts.append(f"**{escaped(segment.name)}** ({time[11:19]} UTC): {escaped(segment.text)}")
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """For Markdown: what somebody said is never markup."""
    one_line = " ".join(text.split())
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>()#+-!|~&" else char for char in one_line)


_FORMATS: dict[FileFormat, tuple[Callable[[Sequence[Segment], str], str], str]] = {
    "vtt": (_vtt, "text/vtt"),
    "srt": (_srt, "application/x-subrip"),
    "md": (_md, "text/markdown"),
}
