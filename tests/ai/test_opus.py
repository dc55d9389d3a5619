"""A live stream: its clock, its gaps, its damaged packets."""

import numpy as np
import pytest

from appliance.ai.opus import LiveSound, opus_samples_untrusted, packet_length_s
from appliance.ai.sound import RATE_HZ, RawFormat
from appliance.inference.task import TaskError
from tests.support.ai_sounds import opus_packets, tone


def fed(sound: LiveSound, packets: list[bytes], at_ms: float | None):
    return sound.feed(b"".join(packets), at_ms, [len(packet) for packet in packets])


def test_opus_gives_the_tone_at_its_time() -> None:
    packets = opus_packets(tone(1.0))
    assert {packet_length_s(packet) for packet in packets} == {0.02}
    sound = LiveSound("opus")
    pieces = [piece for at in range(0, 50, 5) for piece in fed(sound, packets[at : at + 5], 3000 + at * 20)]
    samples = np.concatenate([piece.samples for piece in pieces])
    assert pieces[0].at_s == 3.0
    assert pieces[-1].at_s == pytest.approx(3.9)
    assert len(samples) == pytest.approx(RATE_HZ, abs=40)
    assert np.argmax(np.abs(np.fft.rfft(samples))) * RATE_HZ / len(samples) == pytest.approx(440, abs=4)


def test_a_pause_becomes_silence_of_a_second_at_most() -> None:
    packets = opus_packets(tone(0.2))
    sound = LiveSound("opus")
    fed(sound, packets[:5], 0)
    silence, after = fed(sound, packets[5:10], 10_000)
    assert (silence.at_s, len(silence.samples)) == (pytest.approx(0.1), RATE_HZ)
    assert not silence.samples.any()
    assert after.at_s == 10.0
    short, _ = fed(sound, packets[:5], 10_300)
    assert len(short.samples) == pytest.approx(0.2 * RATE_HZ, abs=1)


def test_jitter_of_time_stamps_makes_no_gap() -> None:
    packets = opus_packets(tone(0.3))
    sound = LiveSound("opus")
    fed(sound, packets[:5], 0)
    (piece,) = fed(sound, packets[5:10], 130)
    assert piece.at_s == pytest.approx(0.1)


def test_a_damaged_packet_is_silence_of_its_length_and_counted() -> None:
    packets = opus_packets(tone(0.4))
    bad = bytes([packets[0][0] | 3, 0xFF, *packets[0][2:6]])  # a frame count that cannot be
    sound = LiveSound("opus")
    with pytest.raises(TaskError, match="Opus packet of"):
        fed(sound, [*packets[:5], bad], 0)
    truncated = bytes([packets[0][0] | 3, 0x82]) + b"\xff\xff"  # code 3 with sizes that lie behind its end
    pieces = fed(sound, [*packets[:5], truncated, *packets[5:10]], 0)
    assert sound.damaged_packets == 1
    assert sum(len(piece.samples) for piece in pieces) == pytest.approx(12 * 0.02 * RATE_HZ, abs=40)


@pytest.mark.parametrize(
    ("first", "rest", "length_s"),
    [
        (0x00, b"", 0.01),
        (0x18, b"", 0.06),
        (0xF8, b"", 0.02),
        (0xF9, b"", 0.04),
        (0xFB, b"\x05", 0.1),
        (0x80, b"", 0.0025),
    ],
)
def test_the_length_of_a_packet_is_in_its_first_bytes(first: int, rest: bytes, length_s: float) -> None:
    assert packet_length_s(bytes([first]) + rest) == pytest.approx(length_s)


@pytest.mark.parametrize("packet", [b"", b"\xfb", b"\xfb\x00", b"\xfb\x3f"])
def test_packets_that_cannot_be_are_refused(packet: bytes) -> None:
    with pytest.raises(TaskError) as caught:
        packet_length_s(packet)
    assert caught.value.code == "bad_audio"


def test_packets_without_a_container_are_a_whole_sound_of_bounded_length() -> None:
    packets = opus_packets(tone(1.0))
    sizes = [len(packet) for packet in packets]
    samples = opus_samples_untrusted(b"".join(packets), sizes, 2.0)
    assert len(samples) == pytest.approx(RATE_HZ, rel=0.05)
    with pytest.raises(TaskError, match=r"at most 0\.5 s"):
        opus_samples_untrusted(b"".join(packets), sizes, 0.5)
    with pytest.raises(TaskError, match="packets: "):
        opus_samples_untrusted(b"".join(packets), sizes[1:], 2.0)


def test_raw_pcm_is_a_stream_too() -> None:
    sound = LiveSound("pcm", RawFormat(48_000))
    data = (tone(0.1, rate_hz=48_000) * 32767).astype("<i2").tobytes()
    first, second = sound.feed(data, 0)[-1], sound.feed(data, None)[-1]
    assert second.at_s == pytest.approx(0.1)
    assert len(first.samples) + len(second.samples) == pytest.approx(0.2 * RATE_HZ, abs=20)
    with pytest.raises(TaskError, match="format"):
        LiveSound("mp3")
