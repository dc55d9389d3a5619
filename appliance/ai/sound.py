"""Sound from a stranger into samples: wav, webm, ogg, mp3, mp4 (and m4a) and raw PCM. Pure.

Owns the limits, the check that a file is whole, and resampling. Decoders are FFmpeg's, through PyAV, and only the one
demuxer of the format that is claimed: a playlist or a link in disguise is not followed. Streams of Opus packets are
`opus`'s.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from appliance.inference.task import TaskError

Samples = NDArray[np.float32]
"""Mono, -1 to 1."""

RATE_HZ = 16_000
"""What every speech model here was trained on."""
MAX_AUDIO_S = 3600.0
"""An hour of samples takes 230 MB; longer recordings are given in pieces."""
MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 192_000
"""From the narrowest telephony to studio equipment."""
MAX_CHANNELS = 8
"""7.1; also of what a header may claim."""

_DEMUXERS = {"wav": "wav", "webm": "matroska", "ogg": "ogg", "mp3": "mp3", "mp4": "mov"}
_RAW_TYPES: dict[str, tuple[str, float]] = {"pcm": ("<i2", 1 / 32768), "pcm_f32": ("<f4", 1.0)}
FORMATS = (*_RAW_TYPES, *_DEMUXERS)
"""``pcm`` is signed 16 bit, ``pcm_f32`` float 32 bit, both little-endian and interleaved."""

_MISSING_S = 0.5
_MISSING_SHARE = 0.02
# A container whose sound is shorter than its header says by more than this was cut off. Encoders pad by some 50 ms, and
# MP3 headers count whole frames.


@dataclass(frozen=True)
class RawFormat:
    """What raw PCM does not say of itself."""

    rate_hz: int = 48_000
    channels: int = 1


def decode_audio_untrusted(
    data: bytes, audio_format: str, raw: RawFormat | None = None, max_s: float = MAX_AUDIO_S
) -> Samples:
    """The sound, mono at `RATE_HZ`. ``raw`` matters for PCM alone.

    TaskError ``bad_option`` for an unknown format, rate or number of channels, ``audio_too_long``, and ``bad_audio``
    for what is empty, cut off, broken or not a number.
    """
    if audio_format not in FORMATS:
        raise TaskError("bad_option", f"format: {audio_format[:20]!r}, must be one of {', '.join(FORMATS)}")
    if not data:
        raise TaskError("bad_audio", "no audio: 0 bytes")
    if audio_format in _RAW_TYPES:
        return _decode_raw(data, audio_format, raw or RawFormat(), max_s)
    if audio_format == "wav":
        data = _with_known_length(data)
    elif audio_format == "ogg":
        _check_ogg(data)
    try:
        blocks = list(_decode_container(data, _DEMUXERS[audio_format], max_s))
    except (av.error.FFmpegError, ValueError) as error:
        raise TaskError("bad_audio", f"not readable as {audio_format}: {_reason(error)}") from None
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    return _checked(samples)


def resample(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """A whole sound at another rate, without a shift in time."""
    if from_hz == to_hz or not len(samples):
        return samples
    stream = Resampling(from_hz, to_hz)
    return np.concatenate([stream.feed(samples), stream.finish()])


class Resampling:
    """A mono stream at another rate; FFmpeg's resampler keeps the last few samples until more come."""

    def __init__(self, from_hz: int, to_hz: int = RATE_HZ) -> None:
        self._from_hz = from_hz
        self._resampler = AudioResampler(format="flt", layout="mono", rate=to_hz)

    def feed(self, samples: Samples) -> Samples:
        """What is ready of it."""
        if not len(samples):
            return samples
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples, np.float32)[None], format="flt", layout="mono")
        frame.sample_rate = self._from_hz
        return _joined(self._resampler.resample(frame))

    def finish(self) -> Samples:
        """The rest."""
        return _joined(self._resampler.resample(None))


def to_wav(samples: Samples, rate_hz: int = RATE_HZ) -> bytes:
    """A WAV file, 16 bit, mono."""
    data = (np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes()
    head = struct.pack("<4sI8sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVEfmt ", 16, 1, 1, rate_hz, rate_hz * 2, 2, 16,
                       b"data", len(data))  # fmt: skip
    return head + data


def raw_samples_untrusted(data: bytes, audio_format: str, channels: int) -> Samples:
    """Raw PCM as mono samples at its own rate; TaskError ``bad_audio``."""
    kind, scale = _RAW_TYPES[audio_format]
    width = np.dtype(kind).itemsize * channels
    if len(data) % width:
        raise TaskError("bad_audio", f"{len(data)} bytes are not a whole number of {width}-byte samples")
    samples = np.frombuffer(data, kind).astype(np.float32).reshape(-1, channels).mean(axis=1) * np.float32(scale)
    return _checked(samples.astype(np.float32))


def check_raw_format(raw: RawFormat) -> RawFormat:
    """The same; TaskError ``bad_option``."""
    if not MIN_RATE_HZ <= raw.rate_hz <= MAX_RATE_HZ:
        raise TaskError("bad_option", f"sample_rate: {raw.rate_hz} Hz, must be {MIN_RATE_HZ} to {MAX_RATE_HZ}")
    if not 1 <= raw.channels <= MAX_CHANNELS:
        raise TaskError("bad_option", f"channels: {raw.channels}, must be 1 to {MAX_CHANNELS}")
    return raw


def _decode_raw(data: bytes, audio_format: str, raw: RawFormat, max_s: float) -> Samples:
    check_raw_format(raw)
    width = np.dtype(_RAW_TYPES[audio_format][0]).itemsize * raw.channels
    _check_length(len(data) / width / raw.rate_hz, max_s)
    return resample(raw_samples_untrusted(data, audio_format, raw.channels), raw.rate_hz, RATE_HZ)


def _decode_container(data: bytes, demuxer: str, max_s: float) -> Iterator[Samples]:
    with av.open(io.BytesIO(data), format=demuxer, mode="r", metadata_errors="replace") as container:
        if not container.streams.audio:
            raise TaskError("bad_audio", "the file has no audio track")
        stream = container.streams.audio[0]
        if not 0 < stream.codec_context.sample_rate <= MAX_RATE_HZ or stream.codec_context.channels > MAX_CHANNELS:
            raise TaskError("bad_audio", "the header claims a sample rate or channels that no sound has")
        told_s = _told_length_s(container, stream)
        _check_length(told_s, max_s)
        resampler = AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
        most = int(max_s * RATE_HZ)
        count = 0
        for packet in container.demux(stream):
            if packet.is_corrupt:
                raise TaskError("bad_audio", f"damaged at {count / RATE_HZ:.2f} s")
            for frame in packet.decode():
                block = _joined(resampler.resample(frame))
                count += len(block)
                if count > most:
                    _check_length(count / RATE_HZ, max_s)
                yield block
        last = _joined(resampler.resample(None))
        count += len(last)
        yield last
        got_s = count / RATE_HZ
        if got_s < told_s * (1 - _MISSING_SHARE) - _MISSING_S:
            raise TaskError("bad_audio", f"cut off: {told_s:.1f} s long by its header, {got_s:.1f} s are there")


def _told_length_s(container: av.container.InputContainer, stream: av.AudioStream) -> float:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration is not None else 0.0


def _check_length(length_s: float, max_s: float) -> None:
    if length_s > max_s:
        raise TaskError("audio_too_long", f"{length_s:.0f} s of audio, more than {max_s:.0f} s")


_UNKNOWN_SIZE = 0x7FFF_F000
"""Who writes a WAV to a pipe cannot say how long it will be: FFmpeg says 2³² - 1, espeak this, others 0."""


def _with_known_length(data: bytes) -> bytes:
    """A WAV file, checked to be whole, which FFmpeg forgives; what was written to a pipe gets its length."""
    if len(data) < 12 or data[:4] not in (b"RIFF", b"RF64") or data[8:12] != b"WAVE":
        raise TaskError("bad_audio", "not readable as wav: no RIFF/WAVE header")
    at = 12
    while at + 8 <= len(data):
        (size,) = struct.unpack_from("<I", data, at + 4)
        if data[at : at + 4] == b"data":
            there = len(data) - at - 8
            if size == 0 or size >= _UNKNOWN_SIZE:
                return data[: at + 4] + struct.pack("<I", there) + data[at + 8 :]
            if size > there:
                raise TaskError("bad_audio", f"cut off: {size} bytes of samples by its header, {there} are there")
            return data
        at += 8 + size + size % 2
    raise TaskError("bad_audio", "not readable as wav: no samples")


_OGG_PAGE = struct.Struct("<4sBBqIIIB")


def _check_ogg(data: bytes) -> None:
    """What FFmpeg forgives: the last page of the first stream must say that it is (RFC 3533 §6, header type 0x04)."""
    at, last_flags, serial = 0, 0, None
    while at + _OGG_PAGE.size <= len(data):
        magic, _, flags, _, page_serial, _, _, segments = _OGG_PAGE.unpack_from(data, at)
        if magic != b"OggS":
            raise TaskError("bad_audio", f"not readable as ogg: no page at byte {at}")
        table = data[at + _OGG_PAGE.size : at + _OGG_PAGE.size + segments]
        at += _OGG_PAGE.size + segments + sum(table)
        if at > len(data):
            raise TaskError("bad_audio", "cut off: the last page is not whole")
        serial = page_serial if serial is None else serial
        if page_serial == serial:
            last_flags = flags
    if not last_flags & 0x04:
        raise TaskError("bad_audio", "cut off: the stream has no end")


def _checked(samples: Samples) -> Samples:
    if not len(samples):
        raise TaskError("bad_audio", "no audio: 0 samples")
    finite = np.isfinite(samples)
    if not finite.all():
        raise TaskError("bad_audio", f"sample {int(np.argmin(finite))} is not a finite number")
    return samples


def _joined(frames: list[AudioFrame]) -> Samples:
    if not frames:
        return np.zeros(0, np.float32)
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames]).astype(np.float32, copy=False)


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return str(text).lower()[:120]
