"""Questions to the models over HTTP: each way to send them, each format, and everything that may be wrong with them.

The worker and the models are real. Whatever was sent, the worker that answered the first question answers the last.
"""

from __future__ import annotations

import base64
import io
import struct
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from appliance.ai.measures import word_error_rate
from appliance.ai.pictures import decode_picture_untrusted
from appliance.ai.sound import RATE_HZ, decode_audio_untrusted, to_wav
from appliance.settings import AiSettings, LimitsSettings
from tests.support.ai_models import data_file, recording
from tests.support.ai_sounds import encoded, noise, picture, tone
from tests.support.api_server import NO_LIMITS, Account, ApiServer, Reply
from tests.support.inference_world import entry_text, models_folder
from tests.support.onnx_file import identity_graph
from tests.support.questions import MODELS, answering, ask_form, ask_json, ask_raw
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

FOX = "the quick brown fox jumps over the lazy dog"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with answering(tmp_path_factory.mktemp("ai"), *MODELS) as server:
        yield server


@pytest.fixture(scope="module")
def root(server: ApiServer) -> Account:
    return server.admin()


@pytest.fixture(scope="module")
def ann(server: ApiServer, root: Account) -> Account:
    return server.user("ann")


@pytest.fixture(scope="module", autouse=True)
def one_worker_answers_all(root: Account, ann: Account) -> Iterator[None]:
    """No test of this file may cost the worker its life."""
    fox = to_wav(recording("en_quick_brown_fox"))
    assert ask_raw(ann, "/ai/asr", fox, "audio/wav").data["text"]
    before = _worker(root)
    yield
    assert ask_raw(ann, "/ai/asr", fox, "audio/wav").data["text"]
    assert _worker(root) == before


def _worker(root: Account) -> tuple[int, int]:
    (worker,) = root.get("/admin/models").data["health"]["workers"]
    return worker["pid"], worker["restarts"]


def fox_in(audio_format: str) -> bytes:
    samples = recording("en_quick_brown_fox")
    match audio_format:
        case "wav":
            return to_wav(samples)
        case "pcm":
            return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
        case "pcm_f32":
            return samples.astype("<f4").tobytes()
        case "mp3":
            return encoded(samples, "mp3", "libmp3lame", RATE_HZ)
        case "mp4":
            return encoded(samples, "mp4", "aac", RATE_HZ)
        case other:
            return encoded(samples, other, "libopus", RATE_HZ)


# --- speech ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("audio_format", ["wav", "webm", "ogg", "mp3", "mp4", "pcm", "pcm_f32"])
def test_speech_of_each_format_by_each_way(ann: Account, audio_format: str) -> None:
    data, raw = fox_in(audio_format), audio_format.startswith("pcm")
    options: dict[str, Any] = {"format": audio_format, "sample_rate": RATE_HZ} if raw else {}
    query = f"?format={audio_format}&sample_rate={RATE_HZ}&language=en" if raw else "?language=en"
    for reply in (
        ask_raw(ann, f"/ai/asr{query}", data, "application/octet-stream" if raw else f"audio/{audio_format}"),
        ask_json(ann, "/ai/asr", "audio", data, language="en-US", **options),
        ask_form(ann, "/ai/speech-recognition", "audio", data, **{name: str(value) for name, value in options.items()}),
    ):
        heard = reply.data
        assert word_error_rate(FOX, heard["text"]) < 0.2, heard
        assert heard["task_id"].startswith("ait_") and heard["model"] == "moonshine-tiny-en"
        assert heard["latency_ms"] > 0 and heard["language"] == "en"
        assert heard["duration_ms"] == pytest.approx(2889, abs=130)  # encoders pad
        assert [segment["text"] for segment in heard["segments"]] == [heard["text"]]


def test_a_long_sound_is_told_as_one(ann: Account) -> None:
    heard = ask_raw(ann, "/ai/asr", data_file("two_cities").read_bytes(), "audio/wav").data
    assert heard["duration_ms"] == pytest.approx(44_000, abs=500)
    assert len(heard["segments"]) > 3 and heard["text"].startswith("It was the best of times")


# --- pictures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_an_expression_is_seen(ann: Account, kind: str) -> None:
    data = picture(np.asarray(Image.open(data_file("astronaut")).convert("RGB")), kind)
    for reply in (
        ask_raw(ann, "/ai/emotion", data, f"image/{kind.lower()}"),
        ask_json(ann, "/ai/emotion-detection", "image", data, threshold=0.6),
        ask_form(ann, "/ai/emotion", "image", data, threshold="0.6"),
    ):
        seen = reply.data
        (face,) = seen["faces"]
        assert (seen["model"], seen["width"], face["emotion"]) == ("emotion", 512, "happy")


def test_a_face_is_checked_and_what_is_not_is_named(ann: Account) -> None:
    checked = ask_raw(ann, "/ai/deepfake-detection", data_file("astronaut").read_bytes(), "image/png").data
    assert (checked["verdict"], checked["faces"][0]["verdict"], checked["picture"]) == ("real", "real", None)
    assert checked["model"] == "face-spoof"
    (missing,) = checked["missing"]
    assert missing["task"] == "synthesis" and "parley models pull clip-generated" in missing["reason"]
    nobody = ask_raw(ann, "/ai/synthesis", picture(np.zeros((300, 300, 3), np.uint8)), "image/png").data
    assert (nobody["verdict"], nobody["faces"]) == ("unsure", [])


def test_a_dark_picture_is_brightened_and_a_small_one_doubled(ann: Account) -> None:
    dark = picture(np.asarray(Image.open(data_file("astronaut")).convert("RGB")) // 6, "PNG")
    made = ask_json(ann, "/ai/enhance", "image", dark, output="webp").data
    assert (made["changed"], made["format"], made["width"]) == (True, "webp", 512)
    assert made["brightness_after"] > 1.5 * made["brightness_before"]
    assert decode_picture_untrusted(base64.b64decode(made["image"])).shape == (512, 512, 3)
    small = picture(np.asarray(Image.open(data_file("astronaut")).convert("RGB").resize((64, 48))), "JPEG")
    doubled = ask_raw(ann, "/ai/enhance?mode=upscale", small, "image/jpeg", Accept="image/*")
    assert (doubled.status, doubled.headers["Content-Type"]) == (200, "image/jpeg")
    assert decode_picture_untrusted(doubled.body).shape == (96, 128, 3)
    assert doubled.headers["X-Task-Id"].startswith("ait_") and doubled.headers["X-Model"] == "esrgan-slim-x2"


def test_speech_without_the_noise(ann: Account) -> None:
    speech = recording("en_quick_brown_fox")
    noisy = speech + noise(len(speech) / RATE_HZ, 0.05)[: len(speech)]
    made = ask_json(ann, "/ai/denoise", "audio", to_wav(noisy)).data
    assert (made["model"], made["sample_rate"], made["format"]) == ("dtln", RATE_HZ, "wav")
    clean = decode_audio_untrusted(base64.b64decode(made["audio"]), "wav")
    assert len(clean) == len(speech) and made["duration_ms"] == pytest.approx(2889, abs=1)
    assert np.std(clean - speech) < 0.5 * np.std(noisy - speech)
    file = ask_raw(ann, "/ai/denoise?strength=0", to_wav(noisy), "audio/wav", Accept="audio/wav")
    assert file.headers["Content-Type"] == "audio/wav" and file.headers["X-Model"] == "dtln"
    assert np.std(decode_audio_untrusted(file.body, "wav") - noisy) < 0.01


# --- what is wrong ----------------------------------------------------------------------------------------------------


def _two_hours() -> bytes:
    """Of silence, in an hour's worth of header's lie and in truth: mono, 8 bit, 4 kHz."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(4000)
        file.writeframes(b"\x80" * (7200 * 4000))
    return out.getvalue()


def _huge_picture() -> bytes:
    """A hundred megapixels in a few kilobytes."""
    out = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(out, "PNG")
    return out.getvalue()


def _not_numbers() -> bytes:
    samples = tone(0.5).astype("<f4")
    samples[100] = np.nan
    return samples.tobytes()


def _lying_wav() -> bytes:
    wav = to_wav(tone(0.5))
    return wav[:40] + struct.pack("<I", 10**9) + wav[44:]


SOUNDS: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", "", "bad_audio: audio"),
    "no sound": (b"this is a letter", "", "bad_audio: audio"),
    "another format than claimed": (b"OggS" + bytes(60), "?format=wav", "bad_audio: audio"),
    "a picture": (picture(np.zeros((32, 32, 3), np.uint8)), "?format=mp3", "bad_audio: audio"),
    "two hours": (_two_hours(), "", "audio_too_long: audio"),
    "no samples": (to_wav(np.zeros(0, np.float32)), "", "bad_audio: audio"),
    "half a sample": (bytes(1001), "?format=pcm", "bad_audio: audio"),
    "not numbers": (_not_numbers(), "?format=pcm_f32", "bad_audio: audio"),
    "a header that lies": (_lying_wav(), "", "bad_audio: audio"),
    **{
        f"a cut {kind}": (encoded(tone(3.0), kind, codec, RATE_HZ)[:at], "", "bad_audio: audio")
        for kind, codec, at in (
            ("wav", "pcm_s16le", -900), ("ogg", "libopus", -900), ("webm", "libopus", 7000), ("mp4", "aac", 9000)
        )
    },
}


@pytest.mark.parametrize("what", SOUNDS)
@pytest.mark.parametrize("path", ["/ai/asr", "/ai/denoise"])
def test_a_bad_sound_is_refused_by_name(ann: Account, path: str, what: str) -> None:
    data, query, error = SOUNDS[what]
    for reply in (
        ask_raw(ann, path + query, data, "application/octet-stream"),
        ask_form(ann, path + query, "audio", data),
    ):
        assert (reply.status, reply.error) == (422, error), reply.json


PICTURES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "bad_picture: image"),
    "no picture": (b"this is a letter", "bad_picture: image"),
    "a sound": (to_wav(tone(0.1)), "bad_picture: image"),
    "one pixel": (picture(np.zeros((1, 1, 3), np.uint8)), "bad_picture: image"),
    "a hundred megapixels": (_huge_picture(), "picture_too_large: image"),
    "cut off": (picture(np.random.default_rng(0).integers(0, 255, (99, 99, 3), np.uint8))[:-900], "bad_picture: image"),
}


@pytest.mark.parametrize("what", PICTURES)
@pytest.mark.parametrize("path", ["/ai/emotion", "/ai/synthesis", "/ai/enhance", "/ai/enhance?mode=upscale"])
def test_a_bad_picture_is_refused_by_name(ann: Account, path: str, what: str) -> None:
    data, error = PICTURES[what]
    reply = ask_raw(ann, path, data, "image/png")
    assert (reply.status, reply.error) == (422, error), reply.json


def test_bad_options_are_named(ann: Account) -> None:
    fox = fox_in("wav")
    asked: list[tuple[Reply, int, str]] = [
        (ask_raw(ann, "/ai/asr?language=zh", fox, "audio/wav"), 503, "model_not_installed"),
        (ask_raw(ann, "/ai/asr?language=x", fox, "audio/wav"), 400, "invalid_field: language"),
        (ask_raw(ann, "/ai/asr?sample_rate=7", fox, "audio/wav"), 400, "invalid_field: sample_rate"),
        (ask_raw(ann, "/ai/asr?surprise=1", fox, "audio/wav"), 400, "invalid_field: surprise"),
        (ask_raw(ann, "/ai/asr?model=dtln", fox, "audio/wav"), 400, "invalid_field: model"),
        (ask_raw(ann, "/ai/asr?model=asr", fox, "audio/wav"), 400, "invalid_field: model"),
        (ask_raw(ann, "/ai/asr?model=nothing", fox, "audio/wav"), 404, "model_unknown"),
        (ask_raw(ann, "/ai/emotion", fox, "audio/wav"), 415, "unsupported_media_type: Content-Type"),
        (ask_raw(ann, "/ai/asr", fox, "text/plain"), 415, "unsupported_media_type: Content-Type"),
        (ask_raw(ann, "/ai/asr", b"{", "application/json"), 400, "invalid_json"),
        (ask_raw(ann, "/ai/asr", b'{"audio": "%%%"}', "application/json"), 400, "invalid_field: audio"),
        (ask_raw(ann, "/ai/asr", b'{"language": "en"}', "application/json"), 400, "invalid_field: audio"),
        (ask_raw(ann, "/ai/asr?language=en", b'{"audio": ""}', "application/json"), 400, "invalid_field: query"),
        (ask_json(ann, "/ai/asr", "audio", fox, language=7), 400, "invalid_field: language"),
        (ask_form(ann, "/ai/asr", "file", fox), 400, "invalid_field: audio"),
        (ask_form(ann, "/ai/asr", "audio", fox, channels="none"), 400, "invalid_field: channels"),
        (ask_raw(ann, "/ai/synthesis", b"{}", "application/json"), 400, "invalid_field: audio"),
    ]
    for reply, status, error in asked:
        assert (reply.status, reply.error) == (status, error), reply.json


def test_there_is_no_detector_of_synthetic_voices_and_the_answer_says_so(ann: Account) -> None:
    reply = ask_raw(ann, "/ai/synthesis", fox_in("wav"), "audio/wav")
    assert (reply.status, reply.error) == (503, "model_not_installed")
    assert "synthetic_voice" in reply.json["message"]


def test_a_detector_of_synthetic_voices_is_brought_by_a_catalog(tmp_path: Path) -> None:
    """A stand-in that says its samples back, two at a time, as its logits: there are no weights of a real one."""
    graph = identity_graph(columns=2)
    entry = entry_text("voices", "Echo", task="synthetic_voice", content=graph, file="model.onnx", tensors=True)
    for before, after in (
        ("tests.support.inference_tasks:Echo", "appliance.ai.speech.synthetic_voice:SyntheticVoiceTask"),
        ("[[models.files]]", "options = { window = 2 }\n[[models.files]]"),
        ('["batch", 4]', '["batch", 2]'),
    ):
        entry = entry.replace(before, after)
    models_folder(tmp_path, (entry,), {"voices": graph})
    with answering(tmp_path, catalogs=(str(tmp_path / "catalog.toml"),)) as server:
        ann = server.user("ann")
        voice = np.tile(np.array([0.9, -0.9], np.float32), RATE_HZ // 2)
        found = ask_raw(ann, "/ai/synthesis", to_wav(voice), "audio/wav").data
        assert (found["model"], found["faces"], found["picture"], found["missing"]) == ("voices", None, None, [])
        assert (found["verdict"], found["voice"]["verdict"]) == ("unsure", "unsure")
        assert found["voice"]["probability"] == pytest.approx(0.858, abs=0.005)


def test_too_much_is_refused_before_it_is_read(tmp_path: Path) -> None:
    most = 100_000
    with answering(tmp_path, ai=AiSettings(max_request_bytes=most)) as server:
        ann = server.user("ann")
        raw = ask_raw(ann, "/ai/asr", bytes(most + 1), "audio/wav")
        form = ask_form(ann, "/ai/asr", "audio", bytes(most + 100))
        inside = ask_json(ann, "/ai/asr", "audio", bytes(most + 1))
        json = ask_json(ann, "/ai/asr", "audio", bytes(most + 100_000))
        for reply in (raw, form, inside, json):
            assert (reply.status, reply.error) == (413, "payload_too_large: audio"), reply.json
        assert server.services.questions.taken == 0


def test_who_goes_away_takes_the_question_along(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.toml"
    models_folder(tmp_path, (entry_text("emotion", "Patient", task="emotion", duty="vision"),))
    with answering(tmp_path, catalogs=(str(catalog),)) as server:
        ann = server.user("ann")
        asked = server.services.inference.statistics
        with pytest.raises(TimeoutError):
            ann.call("POST", "/ai/emotion", raw=b"?", headers={"Content-Type": "image/png"}, timeout_s=1.0)
        wait_for(lambda: asked()["forgotten"] == 1)
        wait_for(lambda: server.services.questions.taken == 0)
        assert asked()["waiting"] == 0


# --- several ----------------------------------------------------------------------------------------------------------


def test_a_batch_answers_and_refuses_each_by_itself(ann: Account) -> None:
    fox = base64.b64encode(fox_in("wav")).decode()
    astronaut = base64.b64encode(data_file("astronaut").read_bytes()).decode()
    asked = [
        {"task": "asr", "audio": fox, "options": {"language": "en"}},
        {"task": "emotion", "image": astronaut},
        {"task": "enhance", "image": base64.b64encode(b"no picture").decode()},
        {"task": "synthesis", "audio": fox},
    ]
    answers = ann.call("POST", "/ai/batch", {"requests": asked}, timeout_s=60).data["answers"]
    assert [(one["task"], one["code"], one["error"]) for one in answers] == [
        ("asr", 200, None), ("emotion", 200, None), ("enhance", 422, "bad_picture: image"),
        ("synthesis", 503, "model_not_installed"),
    ]  # fmt: skip
    assert word_error_rate(FOX, answers[0]["data"]["text"]) < 0.2
    assert answers[1]["data"]["faces"][0]["emotion"] == "happy" and answers[2]["data"] is None


def test_a_batch_that_makes_no_sense_is_refused(ann: Account) -> None:
    for body, error in (
        ({"requests": []}, "invalid_field: requests"),
        ({"requests": [{"task": "asr"}]}, "invalid_field: requests[0]"),
        ({"requests": [{"task": "asr", "image": ""}]}, "invalid_field: requests[0]"),
        ({"requests": [{"task": "dance", "image": ""}]}, "invalid_field: requests[0].task"),
        ({"requests": [{"task": "asr", "audio": "", "options": {"x": 1}}]}, "invalid_field: requests[0].options.x"),
        ({"requests": [{"task": "asr", "audio": ""}] * 17}, "invalid_field: requests"),
    ):
        assert ann.post("/ai/batch", body).error == error
    assert ask_raw(ann, "/ai/batch", b"", "audio/wav").error == "unsupported_media_type: Content-Type"


# --- who may, and how often -------------------------------------------------------------------------------------------


def test_strangers_may_not_ask(server: ApiServer) -> None:
    for path in ("asr", "emotion", "synthesis", "denoise", "enhance", "batch"):
        assert server.request("POST", f"/ai/{path}", {}).error == "sign_in_required"


def test_questions_are_limited_each_of_a_batch_too(tmp_path: Path) -> None:
    limits: LimitsSettings = msgspec.structs.replace(NO_LIMITS, ai_per_minute=3)
    with answering(tmp_path, limits=limits) as server:
        ann = server.user("ann")
        codes = [ask_raw(ann, "/ai/asr", b"x", "audio/wav").code for _ in range(4)]
        assert codes == ["model_not_installed"] * 3 + ["rate_limited"]
        batch = {"requests": [{"task": "asr", "audio": ""}] * 4}
        assert ann.post("/ai/batch", batch).code == "rate_limited"


def test_without_models_it_says_what_to_do(tmp_path: Path) -> None:
    with answering(tmp_path) as server:
        ann = server.user("ann")
        for path, hint in (
            ("/ai/asr", "parley models pull moonshine-tiny-en"),
            ("/ai/denoise", "parley models pull dtln"),
        ):
            reply = ask_raw(ann, path, to_wav(tone(0.1)), "audio/wav")
            assert (reply.status, reply.code) == (503, "model_not_installed")
            assert hint in reply.json["message"]
        for path, hint in (("/ai/emotion", "emotion"), ("/ai/synthesis", "face-spoof"), ("/ai/enhance", "zero-dce")):
            reply = ask_raw(ann, path, data_file("astronaut").read_bytes(), "image/png")
            assert (reply.status, reply.code) == (503, "model_not_installed")
            assert f"parley models pull {hint}" in reply.json["message"]


def test_switched_off_it_says_so(tmp_path: Path) -> None:
    with answering(tmp_path, ai=AiSettings(enabled=False)) as server:
        ann = server.user("ann")
        for path in ("/ai/asr", "/ai/synthesis"):
            assert ask_raw(ann, path, to_wav(tone(0.1)), "audio/wav").error == "ai_off"
