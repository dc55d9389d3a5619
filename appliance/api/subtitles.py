"""Captions in another format: WebVTT to SubRip; pure.

Owns the little that SubRip has: numbers, times and plain lines. Who speaks (WebVTT's voice tags) becomes "Name: "; what
is about looks is left out.
"""

from __future__ import annotations

import html
import re

# W3C WebVTT §4.4: hours are optional. What follows the end is about the place on the screen.
_TIME = r"(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_TIMING = re.compile(rf"\s*{_TIME}\s+-->\s+{_TIME}")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]*)>")
_TAG = re.compile(r"<[^>]*>")


def srt_of(vtt: str) -> str:
    """The captions as SubRip; empty when the text holds no cue."""
    cues: list[str] = []
    for block in re.split(r"\n{2,}", vtt.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")):
        lines = block.strip("\n").split("\n")
        if lines and "-->" not in lines[0]:
            lines = lines[1:]  # the cue's name; of a header, a note or a style nothing is left that is a time
        match = _TIMING.match(lines[0]) if lines else None
        text = _plain("\n".join(lines[1:])) if match else ""
        if match and text:
            start, end = _time(match.groups()[:4]), _time(match.groups()[4:])
            cues.append(f"{len(cues) + 1}\n{start} --> {end}\n{text}\n")
    return "\n".join(cues)


def _time(parts: tuple[str | None, ...]) -> str:
    hours, minutes, seconds, millis = parts
    return f"{hours or '00'}:{minutes}:{seconds},{millis}"


def _plain(payload: str) -> str:
    """Lines without tags; an empty one would end the cue."""
    named = _VOICE.sub(lambda voice: f"{voice[1].strip()}: ", payload)
    text = html.unescape(_TAG.sub("", named))
    lines = (re.sub(r"\s+", " ", line).strip() for line in text.split("\n"))
    # "-->" in a line would be read as a time.
    return "\n".join(line.replace("-->", "→") for line in lines if line)
