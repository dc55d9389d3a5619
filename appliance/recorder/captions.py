"""Captions: as a WebVTT file, and as samples of a container's track; pure.

Owns escaping and overlaps: two people who speak at once are two cues in the file, and one sample of two lines in a
container, where samples follow one another.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise

Caption = tuple[int, int, str, str]
"""(from ms, to ms, who speaks, words)."""

# 3GPP TS 26.245 §5.17: the length of a sample's text has two bytes.
_MOST_BYTES = 0xFFFF


def usable(captions: Sequence[Caption], duration_ms: int) -> list[Caption]:
    """Those that are within the film and say something, in order, cut to its end."""
    found = []
    for start, end, speaker, words in sorted(captions):
        start, end = max(start, 0), min(end, duration_ms)
        text = " ".join(words.split())
        if text and end > start:
            found.append((start, end, " ".join(speaker.split()), text))
    return found


def vtt(captions: Sequence[Caption]) -> str:
    """A WebVTT file (https://www.w3.org/TR/webvtt1/) of `usable` ones, speakers as voices."""
    cues = ["WEBVTT"]
    for start, end, speaker, words in captions:
        voice = f"<v {_escaped(speaker)}>" if speaker else ""
        cues.append(f"{_timestamp(start)} --> {_timestamp(end)}\n{voice}{_escaped(words)}")
    return "\n\n".join(cues) + "\n"


def samples(captions: Sequence[Caption]) -> list[tuple[int, int, str]]:
    """(from ms, to ms, text) that do not overlap: who speaks at the same time gets a line each."""
    moments = sorted({moment for start, end, _, _ in captions for moment in (start, end)})
    found: list[tuple[int, int, str]] = []
    active: list[Caption] = []
    waiting = sorted(captions, reverse=True)
    for start, end in pairwise(moments):
        active = [caption for caption in active if caption[1] > start]
        while waiting and waiting[-1][0] <= start:
            active.append(waiting.pop())
        if not active:
            continue
        text = "\n".join(f"{speaker}: {words}" if speaker else words for _, _, speaker, words in active)
        if found and found[-1][1] == start and found[-1][2] == text:
            found[-1] = (found[-1][0], end, text)
        else:
            found.append((start, end, text))
    return found


def mov_text(text: str) -> bytes:
    """A sample of MP4's timed text."""
    data = text.encode()
    if len(data) > _MOST_BYTES:
        data = data[:_MOST_BYTES].decode(errors="ignore").encode()
    return struct.pack(">H", len(data)) + data


def _timestamp(ms: int) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{ms:03}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
