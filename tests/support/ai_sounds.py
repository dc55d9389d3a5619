"""Sounds and pictures made for a test, in the formats that strangers send."""

from __future__ import annotations

import io
import shutil
import subprocess

import av
import numpy as np
import pytest
from PIL import Image

from appliance.ai.pictures import Pixels
from appliance.ai.sound import RATE_HZ, Samples, decode_audio_untrusted, to_wav

OPUS_HZ = 48_000


def tone(seconds: float, hz: float = 440.0, rate_hz: int = RATE_HZ, level: float = 0.3) -> Samples:
    """A sine."""
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def noise(seconds: float, level: float = 0.05, seed: int = 0) -> Samples:
    """White noise of this RMS at 16 kHz."""
    return np.random.default_rng(seed).normal(0, level, round(seconds * RATE_HZ)).astype(np.float32)


def encoded(samples: Samples, container: str, codec: str, rate_hz: int = OPUS_HZ) -> bytes:
    """A file, as browsers and encoders make them."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate_hz, layout="mono")
        _encode(samples, rate_hz, stream, file.mux)
    return out.getvalue()


def opus_packets(samples: Samples, rate_hz: int = RATE_HZ) -> list[bytes]:
    """Packets of 20 ms, as WebRTC sends them."""
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format = OPUS_HZ, "mono", "flt"
    codec.options = {"application": "voip"}
    packets: list[bytes] = []
    _encode(samples, rate_hz, codec, lambda found: packets.extend(bytes(packet) for packet in found))
    return packets


def _encode(samples: Samples, rate_hz: int, encoder: object, put: object) -> None:
    if isinstance(encoder, av.AudioStream):
        context, encode = encoder.codec_context, encoder.encode
    else:
        context = encoder
        encode = encoder.encode  # type: ignore[attr-defined]
    context.open(strict=False) if not context.is_open else None
    resampler = av.AudioResampler(format=context.format, layout="mono", rate=OPUS_HZ, frame_size=context.frame_size)
    frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
    frame.sample_rate = rate_hz
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        put(encode(piece))  # type: ignore[operator]
    put(encode(None))  # type: ignore[operator]


def picture(pixels: Pixels, kind: str = "PNG", **options: object) -> bytes:
    """An encoded picture."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def espeak(text: str, voice: str = "en-us") -> Samples:
    """Synthetic speech, where espeak-ng is installed."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed: apt-get install espeak-ng")
    command = ["espeak-ng", "-v", voice, "--stdout", text]
    return decode_audio_untrusted(subprocess.run(command, check=True, timeout=30, capture_output=True).stdout, "wav")


__all__ = ["encoded", "espeak", "noise", "opus_packets", "picture", "to_wav", "tone"]
