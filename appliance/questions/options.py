"""What may be said with a question, besides the sound or the picture. Pure.

Owns names, bounds and defaults; unknown ones are refused. What a model does not take (a language) it refuses itself.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Function = Literal["asr", "emotion", "synthesis", "denoise", "enhance"]
AudioFormat = Literal["pcm", "pcm_f32", "wav", "webm", "ogg", "mp3", "mp4"]
PictureFormat = Literal["jpeg", "png", "webp"]

Language = Annotated[str, Meta(pattern=r"^([A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8}){0,4}|auto)$")]
"""BCP 47, or "auto"."""
ModelName = Annotated[str, Meta(min_length=1, max_length=64)]


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of every question."""

    model: ModelName | None = None
    """By its name, as `GET /models` lists it; null: the preferred one that is installed."""


class SoundOptions(Options, frozen=True, kw_only=True):
    """Of a question about a sound."""

    format: AudioFormat | None = None
    """Null: by the content, which ``pcm`` (16 bit) and ``pcm_f32``, both little-endian, do not tell."""
    sample_rate: Annotated[int, Meta(ge=4000, le=192_000)] = 48_000
    """Hz, of PCM."""
    channels: Annotated[int, Meta(ge=1, le=8)] = 1
    """Of PCM, interleaved."""


class AsrOptions(SoundOptions, frozen=True, kw_only=True):
    """Of speech recognition."""

    language: Language = "auto"


class DenoiseOptions(SoundOptions, frozen=True, kw_only=True):
    """Of speech out of noise."""

    strength: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """How much of the noise is taken out."""


class EmotionOptions(Options, frozen=True, kw_only=True):
    """Of expressions."""

    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5
    """From which score on something counts as a face."""


class SynthesisOptions(SoundOptions, frozen=True, kw_only=True):
    """Of the question whether something is genuine; those of a sound do not matter for a picture."""


class EnhanceOptions(Options, frozen=True, kw_only=True):
    """Of better pictures."""

    mode: Literal["brighten", "upscale"] = "brighten"
    """``brighten``: of a dark room; ``upscale``: twice the width and height."""
    only_dark: bool = True
    """With ``brighten``: a picture that is light enough stays as it is."""
    output: PictureFormat | None = None
    """Null: as it came."""


class PluggedOptions(SoundOptions, frozen=True, kw_only=True):
    """Of what a plugin's processor is asked; those of a sound do not matter for a picture."""

    language: Language | None = None


OPTIONS: dict[Function, type[Options]] = {
    "asr": AsrOptions,
    "emotion": EmotionOptions,
    "synthesis": SynthesisOptions,
    "denoise": DenoiseOptions,
    "enhance": EnhanceOptions,
}

_MAGIC: tuple[tuple[bytes, AudioFormat], ...] = (
    (b"RIFF", "wav"),
    (b"RF64", "wav"),
    (b"\x1aE\xdf\xa3", "webm"),
    (b"OggS", "ogg"),
    (b"ID3", "mp3"),
)


def audio_format_of(data: bytes) -> AudioFormat | None:
    """What a sound is by its first bytes; None: nothing that says."""
    for magic, found in _MAGIC:
        if data.startswith(magic):
            return found
    if data[4:8] == b"ftyp":  # ISO 14496-12 §4.3
        return "mp4"
    # ISO 11172-3 §2.4.1.3: eleven set bits, then a layer that is not the reserved one.
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0 and data[1] & 0x06:
        return "mp3"
    return None


def is_picture(data: bytes) -> bool:
    """Whether it begins as a JPEG, PNG or WebP does."""
    return data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or (data[:4], data[8:12]) == (b"RIFF", b"WEBP")
