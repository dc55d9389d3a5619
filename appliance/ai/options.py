"""What a request says besides its media, checked. Pure.

Owns the reading of ``Request.options``: they come from a stranger, as JSON. Errors are TaskError ``bad_option``, named
by the option.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from appliance.ai.opus import opus_samples_untrusted
from appliance.ai.sound import RawFormat, Samples, decode_audio_untrusted
from appliance.inference.task import Request, TaskError

MAX_TEXT = 200
"""Of an option that is a text; none of ours needs more."""


def text_option(options: Mapping[str, Any], name: str, default: str) -> str:
    """A text."""
    value = options.get(name, default)
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise TaskError("bad_option", f"{name}: must be a text of at most {MAX_TEXT} characters")
    return value


def choice_option(options: Mapping[str, Any], name: str, choices: tuple[str, ...], default: str) -> str:
    """One of several texts."""
    value = text_option(options, name, default)
    if value not in choices:
        raise TaskError("bad_option", f"{name}: {value[:20]!r}, must be one of {', '.join(choices)}")
    return value


def number_option(options: Mapping[str, Any], name: str, default: float, least: float, most: float) -> float:
    """A finite number within bounds."""
    value = options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TaskError("bad_option", f"{name}: must be a number")
    if not least <= value <= most:
        raise TaskError("bad_option", f"{name}: {value:g}, must be {least:g} to {most:g}")
    return float(value)


def at_ms_option(options: Mapping[str, Any]) -> float | None:
    """``at_ms``, the place of the payload in its stream; None when it is not said."""
    if options.get("at_ms") is None:
        return None
    return number_option(options, "at_ms", 0, 0, 1e12)


def flag_option(options: Mapping[str, Any], name: str, default: bool) -> bool:
    """True or false."""
    value = options.get(name, default)
    if not isinstance(value, bool):
        raise TaskError("bad_option", f"{name}: must be true or false")
    return value


def raw_format(options: Mapping[str, Any]) -> RawFormat:
    """``sample_rate`` (48000) and ``channels`` (1) of raw PCM."""
    rate = number_option(options, "sample_rate", 48_000, 1, 1e6)
    channels = number_option(options, "channels", 1, 0, 255)
    if rate != int(rate) or channels != int(channels):
        raise TaskError("bad_option", "sample_rate, channels: must be whole numbers")
    return RawFormat(int(rate), int(channels))


def request_audio(request: Request, max_s: float) -> Samples:
    """The sound of a request that has it whole: ``format`` (wav), for PCM `raw_format`, and for ``opus`` without a
    container ``packets``, their sizes."""
    audio_format = text_option(request.options, "format", "wav")
    if audio_format == "opus" and "packets" in request.options:
        return opus_samples_untrusted(request.payload, request.options["packets"], max_s)
    return decode_audio_untrusted(request.payload, audio_format, raw_format(request.options), max_s)
