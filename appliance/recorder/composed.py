"""What is asked of a composition, and what it answers; pure.

Both cross into the worker process and back by pickle, and the answer is kept as ``out/summary.json``.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Layout = Literal["speaker", "grid", "screen"]
Format = Literal["mp4", "webm"]

# 360 is a telephone's; above 1080 decoding four cameras takes longer than the meeting did.
LEAST_HEIGHT, MOST_HEIGHT = 360, 1080
LEAST_FPS, MOST_FPS = 5, 30
# A segment's key frame and the encoder's start cost little against a second, and what a kill costs is bounded.
LEAST_SEGMENT_S, MOST_SEGMENT_S = 1, 600


class Spoken(msgspec.Struct, frozen=True):
    """What somebody said, as the meeting's transcript has it."""

    start_ms: int
    """Since the Unix epoch, by the clock of the journals."""
    end_ms: int
    participant_id: str
    name: str
    text: str


class ComposeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the film shall be."""

    layout: Layout = "speaker"
    """``speaker``: who speaks large, the others in a strip, a shared screen before both. ``grid``: all alike.
    ``screen``: as speaker, and while a screen is shared nothing but it and who speaks."""
    height: int = 720
    fps: int = 25
    format: Format = "mp4"
    """``mp4``: H.264 and AAC. ``webm``: VP9 and Opus."""
    captions: tuple[tuple[int, int, str, str], ...] = ()
    """(from ms, to ms, who speaks, words), times as in the film."""
    spoken: tuple[Spoken, ...] = ()
    """Further captions, of which the recording says where they are in the film, and whether they are in it at all."""
    encoder: str = "auto"
    """FFmpeg's name of a video encoder; ``auto``: the graphics card's when there is one."""
    segment_s: int = 60
    """Seconds of film in each of the parts of which a killed process loses only the last. A minute is made in half of
    one, and is what is left to make after a meeting whose film was made while it went on."""


class ComposedTrack(msgspec.Struct, frozen=True, kw_only=True):
    """One track as a file of its own."""

    track: str
    participant_id: str
    name: str
    source: str
    codec: str
    file: str
    """Below ``out``."""
    bytes: int
    start_ms: int
    """When its first frame is in the film; the file itself begins with it."""
    duration_ms: int


class ComposedChapter(msgspec.Struct, frozen=True, kw_only=True):
    """From here on."""

    start_ms: int
    title: str


class Composed(msgspec.Struct, frozen=True, kw_only=True):
    """What was made."""

    duration_ms: int
    width: int
    height: int
    video_codec: str
    encoder: str
    """FFmpeg's name of the one that was used."""
    tracks: tuple[ComposedTrack, ...]
    chapters: tuple[ComposedChapter, ...]
    bytes: int
    """Of all files together."""
    loudness_lufs: float | None = None
    """As it was before it was brought to -16; None when nothing was heard."""
    broken_tracks: tuple[str, ...] = ()
    """Tracks with frames that could not be decoded; whatever could be is there."""
    missing_glyphs: str = ""
    """Characters of names that no font here has; boxes stand for them."""
    refused_encoders: tuple[str, ...] = ()
    """Those that were tried before it, and what they answered: for the log."""
    segments: int = 0
    """Parts of which the film was made, each by itself."""
    segments_taken: int = 0
    """Those of them that an earlier process had made: before it was killed, or while the meeting went on."""
