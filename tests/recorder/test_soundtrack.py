"""What the encoder gave comes back, with its times, and players take it."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from appliance.recorder.composed import Format
from appliance.recorder.sound import RATE
from appliance.recorder.soundtrack import layout_of, read_packets, sound_encoder, write_packet
from tests.support.films import play, sound


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_packets_come_back_and_are_played(tmp_path: Path, kind: Format, channels: int) -> None:
    encoder = sound_encoder(kind, channels)
    wave = (0.5 * np.sin(2 * np.pi * 100 * np.arange(2 * RATE) / RATE)).astype(np.float32)
    resampler = av.AudioResampler(encoder.format, encoder.layout, RATE)
    given = []
    with (tmp_path / "packets").open("wb") as file:
        whole = av.AudioFrame.from_ndarray(np.tile(wave, (channels, 1)), format="fltp", layout=layout_of(channels))
        whole.sample_rate, whole.pts = RATE, 0
        frames = [*resampler.resample(whole), None]
        for packet in (packet for frame in frames for packet in encoder.encode(frame)):
            write_packet(file, packet)
            given.append((packet.pts, packet.duration, bytes(packet)))
    assert given[0][0] is not None
    assert given[0][0] < 0  # what an encoder needs to begin
    assert [(packet.pts, packet.duration, bytes(packet)) for packet in read_packets(tmp_path / "packets")] == given
    play(tmp_path / "packets", tmp_path / "film", kind, channels)
    times, samples = sound(tmp_path / "film")
    assert abs(times[-1] - 2) < 0.03
    with av.open(tmp_path / "film") as film:
        assert film.streams.audio[0].codec_context.layout.name == layout_of(channels)
    # At its time: the phase is that of what went in, within the millisecond in which Matroska counts.
    inside = (times > 0.5) & (times < 1.5)
    at = np.round(times[inside] * RATE).astype(int)
    assert np.abs(samples[inside] - wave[at]).max() < 0.25
