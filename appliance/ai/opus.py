"""A live stream of Opus packets, or of raw PCM, into samples with their place in time. Pure.

Owns the stream's clock: packets that were lost or never sent (DTX) become silence, a damaged packet becomes silence of
its length, a long pause moves the clock on. Files are `sound`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import av
import av.error
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from appliance.ai.sound import RATE_HZ, RawFormat, Resampling, Samples, check_raw_format, raw_samples_untrusted
from appliance.ai.tasks import split_payload_untrusted
from appliance.inference.task import TaskError

OPUS_HZ = 48_000
"""Opus decodes at this rate, whatever went in (RFC 6716 §2)."""
MAX_PACKET_S = 0.12
"""RFC 6716 §3.2.5 [R5]: a packet holds at most 120 ms."""
SILENCE_S = 1.0
"""So much silence at most is put into a gap: enough that every phrase ends, and no more work than that."""
GAP_S = 0.06
"""Packets come with jitter of time stamps below this and no gap is made of it."""
MAX_PACKETS = 100_000
"""Of one request: half an hour of 20 ms."""
STREAM_FORMATS = ("opus", "pcm", "pcm_f32")

_FRAME_MS = (10, 20, 40, 60) * 3 + (10, 20) * 2 + (2.5, 5, 10, 20) * 4
"""RFC 6716 §3.1, table 2: the length of a frame by the configuration number."""


def packet_length_s(packet: bytes) -> float:
    """How much sound an Opus packet holds, by its first bytes (RFC 6716 §3.1); TaskError ``bad_audio``."""
    if not packet:
        raise TaskError("bad_audio", "an Opus packet of 0 bytes")
    frame_s = _FRAME_MS[packet[0] >> 3] / 1000
    code = packet[0] & 3
    if code == 3:
        if len(packet) < 2:
            raise TaskError("bad_audio", "an Opus packet without its frame count")
        count = packet[1] & 0x3F
    else:
        count = 1 if code == 0 else 2
    length_s = frame_s * count
    if not 0 < length_s <= MAX_PACKET_S + 1e-9:
        raise TaskError("bad_audio", f"an Opus packet of {length_s * 1000:.0f} ms")
    return length_s


@dataclass(frozen=True)
class Piece:
    """Samples that follow each other, and when the first was spoken."""

    at_s: float
    samples: Samples


class LiveSound:
    """Decodes one track. The clock is the caller's, in milliseconds, and only ever goes on."""

    def __init__(self, audio_format: str, raw: RawFormat | None = None) -> None:
        """TaskError ``bad_option``."""
        if audio_format not in STREAM_FORMATS:
            raise TaskError("bad_option", f"format: {audio_format[:20]!r} of a stream, must be one of "
                                          f"{', '.join(STREAM_FORMATS)}")  # fmt: skip
        self._format = audio_format
        self._raw = check_raw_format(raw or RawFormat())
        self._codec = _opus_decoder() if audio_format == "opus" else None
        self._resampling = Resampling(OPUS_HZ if self._codec else self._raw.rate_hz)
        self._next_s: float | None = None
        self.damaged_packets = 0
        """Of Opus; each was replaced by silence."""

    def feed(self, payload: bytes, at_ms: float | None, packets: object = None) -> list[Piece]:
        """Samples of a payload whose first sample is of ``at_ms``; None: it follows the one before.

        ``packets``: their sizes, for Opus. TaskError ``bad_option`` or ``bad_audio``; the stream may go on after it.
        """
        if self._codec is not None:
            split = split_payload_untrusted(payload, packets, "packets", MAX_PACKETS)
            for packet in split:
                packet_length_s(packet)
            sound = self._decode(split)
        else:
            sound = raw_samples_untrusted(payload, self._format, self._raw.channels)
        pieces = self._silence_before(None if at_ms is None else at_ms / 1000)
        samples = self._resampling.feed(sound)
        start_s = self._next_s or 0.0
        rate = OPUS_HZ if self._codec is not None else self._raw.rate_hz
        self._next_s = start_s + len(sound) / rate
        if len(samples):
            pieces.append(Piece(start_s, samples))
        return pieces

    def _silence_before(self, at_s: float | None) -> list[Piece]:
        if at_s is None or self._next_s is None:
            self._next_s = at_s if self._next_s is None else self._next_s
            return []
        gap_s = at_s - self._next_s
        if gap_s < GAP_S:
            return []
        before, self._next_s = self._next_s, at_s
        return [Piece(before, np.zeros(int(min(gap_s, SILENCE_S) * RATE_HZ), np.float32))]

    def _decode(self, packets: Sequence[bytes]) -> Samples:
        assert self._codec is not None
        blocks = []
        for packet in packets:
            length = round(packet_length_s(packet) * OPUS_HZ)
            try:
                frames = self._codec.decode(av.Packet(packet))
                block = np.concatenate([_mono(frame) for frame in frames]) if frames else np.zeros(0, np.float32)
            except av.error.FFmpegError:
                # A damaged packet is the network's doing: the sound has a hole, the stream goes on, and it is counted.
                self.damaged_packets += 1
                block = np.zeros(0, np.float32)
            # The first packet of a decoder is shorter by what the encoder looks ahead.
            blocks.append(np.pad(block, (max(0, length - len(block)), 0))[:length])
        return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def opus_samples_untrusted(payload: bytes, sizes: object, max_s: float) -> Samples:
    """Packets that follow each other, whole; TaskError ``bad_option`` or ``bad_audio``, which is also of more than
    ``max_s``."""
    packets = split_payload_untrusted(payload, sizes, "packets", MAX_PACKETS)
    length_s = sum(packet_length_s(packet) for packet in packets)
    if length_s > max_s:
        raise TaskError("bad_audio", f"{length_s:.1f} s of sound, at most {max_s:g} s")
    pieces = LiveSound("opus").feed(payload, None, sizes)
    return np.concatenate([piece.samples for piece in pieces]) if pieces else np.zeros(0, np.float32)


def _opus_decoder() -> AudioCodecContext:
    codec = av.CodecContext.create("libopus", "r")
    codec.sample_rate = OPUS_HZ
    codec.layout = "stereo"
    return codec


def _mono(frame: av.AudioFrame) -> Samples:
    samples = frame.to_ndarray()
    if frame.format.is_planar:
        mixed = samples.mean(axis=0)
    else:
        mixed = samples.reshape(-1, frame.layout.nb_channels).mean(axis=1)
    if samples.dtype == np.int16:
        mixed = mixed / 32768
    return cast(Samples, mixed.astype(np.float32))
