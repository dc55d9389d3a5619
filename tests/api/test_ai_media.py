"""How a question is read from a body, over real connections; `test_ai_functions` has what is answered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appliance.api.ai_media import json_bytes
from appliance.settings import AiSettings
from tests.support.api_server import Account, ApiServer, serving, settings_for
from tests.support.questions import ask_form, ask_json, ask_raw
from tests.support.raw_http import exchange

MOST = 300_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    settings = settings_for(tmp_path_factory.mktemp("media"), ai=AiSettings(max_request_bytes=MOST))
    with serving(settings) as server:
        yield server


@pytest.fixture(scope="module")
def ann(server: ApiServer) -> Account:
    return server.user("ann")


def test_base64_of_the_most_fits() -> None:
    for most in (0, 1, 2, 3, 1000, 1001):
        assert json_bytes(most) >= -(-most // 3) * 4 + 65_536


def test_what_is_whole_comes_as_far_as_the_models(ann: Account, server: ApiServer) -> None:
    """No model is installed: whoever is told so was understood. The last is read in a thread."""
    for reply in (
        ask_raw(ann, "/ai/asr?language=en", b"RIFF", "audio/wav"),
        ask_raw(ann, "/ai/asr", b"RIFF", "video/webm"),
        ask_raw(ann, "/ai/emotion", b"?", "application/octet-stream"),
        ask_raw(ann, "/ai/synthesis", b"\xff\xd8\xff", "application/octet-stream"),
        ask_form(ann, "/ai/asr", "audio", b"RIFF", language="en", channels="2"),
        ask_form(ann, "/ai/synthesis", "image", b"?"),
        ask_json(ann, "/ai/asr", "audio", b"RIFF", language="en", channels=2),
        ask_json(ann, "/ai/asr", "audio", b"RIFF" + bytes(MOST - 4)),
    ):
        assert (reply.status, reply.code) == (503, "model_not_installed"), reply.json
    assert server.services.questions.taken == 0


def test_bytes_are_a_picture_or_a_sound_by_what_they_begin_with(ann: Account) -> None:
    picture = ask_raw(ann, "/ai/synthesis", b"\x89PNG\r\n\x1a\n", "application/octet-stream")
    sound = ask_raw(ann, "/ai/synthesis", b"OggS", "application/octet-stream")
    assert "face-spoof" in picture.json["message"] and "synthetic_voice" in sound.json["message"]


def test_both_or_none_is_no_question(ann: Account) -> None:
    for body in (b"{}", b'{"audio": "", "image": ""}', b'{"audio": null}'):
        assert ask_raw(ann, "/ai/synthesis", body, "application/json").error == "invalid_field: audio"


def test_a_body_of_no_declared_length_is_bounded_too(server: ApiServer, ann: Account) -> None:
    head = (
        f"POST /api/v1/ai/asr HTTP/1.1\r\nHost: {server.host}:{server.port}\r\nAuthorization: Bearer {ann.token}\r\n"
        "Content-Type: audio/wav\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    piece = b"%x\r\n" % 100_000 + bytes(100_000) + b"\r\n"
    status, _, body = exchange(server, head + 4 * piece + b"0\r\n\r\n")
    assert status == 413 and b"payload_too_large: audio" in body
    status, _, body = exchange(server, head + 2 * piece + b"0\r\n\r\n")
    assert status == 503 and b"model_not_installed" in body


def test_those_that_come_together_are_bounded(server: ApiServer, ann: Account) -> None:
    questions = server.services.questions
    with questions.hold(questions.most):
        reply = ask_raw(ann, "/ai/asr", b"RIFF", "audio/wav")
    assert (reply.status, reply.error) == (503, "overloaded")
    assert int(reply.headers["Retry-After"]) >= 1
