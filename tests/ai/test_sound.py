"""Sound from strangers: every format, and every way to be broken."""

import struct

import numpy as np
import pytest

from appliance.ai.sound import (
    RATE_HZ,
    RawFormat,
    Resampling,
    decode_audio_untrusted,
    raw_samples_untrusted,
    resample,
    to_wav,
)
from appliance.inference.task import TaskError
from tests.support.ai_sounds import encoded, tone

HALF_SECOND = tone(0.5)


def refused(data: bytes, audio_format: str, raw: RawFormat | None = None, max_s: float = 60.0) -> TaskError:
    with pytest.raises(TaskError) as caught:
        decode_audio_untrusted(data, audio_format, raw, max_s)
    return caught.value


def wav_head(length: int, kind: int, rate_hz: int, width: int) -> bytes:
    """``kind`` 1 is integers, 3 floats."""
    form = struct.pack("<IHHIIHH", 16, kind, 1, rate_hz, rate_hz * width, width, 8 * width)
    return struct.pack("<4sI8s", b"RIFF", 36 + length, b"WAVEfmt ") + form + struct.pack("<4sI", b"data", length)


def pitch(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * RATE_HZ / len(samples))


@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [("wav", "wav", "pcm_s16le"), ("webm", "webm", "libopus"), ("ogg", "ogg", "libopus"), ("mp3", "mp3", "libmp3lame")],
)
def test_every_container_gives_the_tone(name: str, container: str, codec: str) -> None:
    samples = decode_audio_untrusted(encoded(tone(1.0), container, codec, RATE_HZ), name)
    assert samples.dtype == np.float32
    assert len(samples) / RATE_HZ == pytest.approx(1.0, abs=0.1)
    assert pitch(samples) == pytest.approx(440, abs=4)
    assert np.abs(samples).max() == pytest.approx(0.3, abs=0.08)


def test_raw_pcm_is_mixed_and_resampled() -> None:
    left = (tone(0.5, rate_hz=48_000) * 32767).astype("<i2")
    stereo = np.stack([left, np.zeros_like(left)], axis=1).tobytes()
    samples = decode_audio_untrusted(stereo, "pcm", RawFormat(48_000, 2))
    assert len(samples) == pytest.approx(0.5 * RATE_HZ, abs=2)
    assert pitch(samples) == pytest.approx(440, abs=4)
    assert np.abs(samples[1000:-1000]).max() == pytest.approx(0.15, abs=0.01)
    floats = decode_audio_untrusted(HALF_SECOND.astype("<f4").tobytes(), "pcm_f32", RawFormat(RATE_HZ))
    assert np.array_equal(floats, HALF_SECOND)


@pytest.mark.parametrize("name", ["wav", "webm", "ogg", "mp3", "mp4", "pcm", "pcm_f32"])
def test_nothing_is_no_sound(name: str) -> None:
    assert refused(b"", name).code == "bad_audio"


@pytest.mark.parametrize("name", ["wav", "webm", "ogg", "mp3", "mp4"])
def test_rubbish_is_no_sound(name: str) -> None:
    assert refused(np.random.default_rng(1).bytes(4000), name).code == "bad_audio"


def test_a_playlist_is_no_sound() -> None:
    error = refused(b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", "mp3")
    assert error.code == "bad_audio"


@pytest.mark.parametrize(
    ("name", "container", "codec", "share"),
    [("wav", "wav", "pcm_s16le", 0.5), ("webm", "webm", "libopus", 0.4), ("ogg", "ogg", "libopus", 0.7),
     ("mp4", "mp4", "aac", 0.7)],
)
def test_a_file_that_was_cut_off_is_refused(name: str, container: str, codec: str, share: float) -> None:
    whole = encoded(tone(4.0), container, codec, RATE_HZ)
    error = refused(whole[: int(len(whole) * share)], name)
    assert error.code == "bad_audio"
    assert "cut off" in error.message or "not readable" in error.message


def test_what_is_not_a_number_is_refused() -> None:
    samples = HALF_SECOND.copy()
    samples[100] = np.nan
    error = refused(samples.astype("<f4").tobytes(), "pcm_f32", RawFormat(RATE_HZ))
    assert (error.code, error.message) == ("bad_audio", "sample 100 is not a finite number")
    body = samples.astype("<f4").tobytes()
    head = wav_head(len(body), 3, 16_000, 4)
    assert refused(head + body, "wav").code == "bad_audio"


def test_two_hours_are_refused_before_they_are_decoded() -> None:
    silence = bytes(2 * 3600 * 8000 * 2)
    error = refused(silence, "pcm", RawFormat(8000), max_s=3600)
    assert (error.code, error.message) == ("audio_too_long", "7200 s of audio, more than 3600 s")
    head = wav_head(len(silence), 1, 8000, 2)
    assert refused(head + silence, "wav", max_s=3600).code == "audio_too_long"


def test_a_file_that_says_nothing_of_its_length_is_stopped_at_the_limit() -> None:
    for size in (b"\xff\xff\xff\xff", b"\x00\xf0\xff\x7f", bytes(4)):  # as written to a pipe
        wav = bytearray(to_wav(tone(3.0)))
        wav[40:44] = size
        assert refused(bytes(wav), "wav", max_s=1.0).code == "audio_too_long"
        assert len(decode_audio_untrusted(bytes(wav), "wav")) == 3 * RATE_HZ


@pytest.mark.parametrize("raw", [RawFormat(100), RawFormat(1_000_000), RawFormat(48_000, 0), RawFormat(48_000, 9)])
def test_rates_and_channels_are_bounded(raw: RawFormat) -> None:
    assert refused(bytes(8), "pcm", raw).code == "bad_option"


def test_an_unknown_format_is_named() -> None:
    error = refused(b"x", "flac")
    assert error.code == "bad_option"
    assert "'flac'" in error.message


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(TaskError, match="not a whole number"):
        raw_samples_untrusted(bytes(3), "pcm", 1)


def test_a_video_without_sound_is_refused(tmp_path) -> None:
    import av

    path = tmp_path / "silent.webm"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libvpx", rate=10, width=32, height=32, pix_fmt="yuv420p")
        for _ in range(3):
            file.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        file.mux(stream.encode(None))
    assert refused(path.read_bytes(), "webm").message == "the file has no audio track"


def test_pieces_are_resampled_like_the_whole() -> None:
    whole = tone(1.0, rate_hz=48_000)
    stream = Resampling(48_000)
    pieces = [stream.feed(whole[at : at + 960]) for at in range(0, len(whole), 960)]
    joined = np.concatenate([*pieces, stream.finish()])
    assert np.allclose(joined, resample(whole, 48_000, RATE_HZ), atol=1e-5)
    assert stream.feed(np.zeros(0, np.float32)).size == 0
