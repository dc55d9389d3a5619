"""A stream to the models over a real socket: real speech and pictures in, captions and faces out, and its ends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import trio
import trio_websocket
from PIL import Image
from trio_websocket import ConnectionClosed

from appliance.ai.measures import word_error_rate
from appliance.ai.sound import RATE_HZ
from appliance.api import ai_socket
from appliance.api.stream_places import MOST_OF_ONE
from appliance.settings import AiSettings, LimitsSettings
from tests.support.ai_models import data_file, recording
from tests.support.ai_sounds import opus_packets, picture
from tests.support.api_server import NO_LIMITS, Account, ApiServer
from tests.support.inference_world import entry_text, models_folder
from tests.support.questions import answering
from tests.support.raw_http import exchange

pytestmark = pytest.mark.slow

FOX = "the quick brown fox jumps over the lazy dog"
HANDSHAKE = (
    b"GET /ws/ai HTTP/1.1\r\nHost: parley.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with answering(tmp_path_factory.mktemp("stream"), "moonshine-tiny-en", "emotion") as server:
        yield server


@pytest.fixture(scope="module")
def ann(server: ApiServer) -> Account:
    server.admin()
    return server.user("ann")


@asynccontextmanager
async def opened(
    server: ApiServer, token: str | None, path: str = "/api/v1/ws/ai"
) -> AsyncIterator[trio_websocket.WebSocketConnection]:
    headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
    async with trio_websocket.open_websocket_url(
        f"ws://{server.host}:{server.port}{path}", extra_headers=headers, disconnect_timeout=2
    ) as socket:
        try:
            yield socket
        finally:
            # trio-websocket 0.12 leaves its stream open when the other side closed first.
            await trio.aclose_forcefully(socket._stream)


async def send(socket: trio_websocket.WebSocketConnection, kind: str, **fields: Any) -> None:
    await socket.send_message(json.dumps({"type": kind, **fields}))


async def hear(socket: trio_websocket.WebSocketConnection) -> Any:
    return json.loads(await socket.get_message())


async def rest(socket: trio_websocket.WebSocketConnection) -> tuple[list[Any], int, str]:
    """All that is still said, and the close."""
    said = []
    try:
        while True:
            said.append(await hear(socket))
    except ConnectionClosed:
        assert socket.closed is not None
        return said, int(socket.closed.code), socket.closed.reason or ""


def fox() -> Any:
    return np.concatenate([recording("en_quick_brown_fox"), np.zeros(RATE_HZ // 2, np.float32)])


@pytest.mark.parametrize("path", ["/api/v1/ws/ai", "/ws/ai"])
async def test_opus_becomes_captions_while_it_comes(server: ApiServer, ann: Account, path: str) -> None:
    async with opened(server, ann.token, path) as socket:
        await send(socket, "start", task="asr", language="en")
        started = await hear(socket)
        assert (started["type"], started["model"], started["task"]) == ("started", "moonshine-tiny-en", "asr")
        packets = opus_packets(fox())
        for at in range(0, len(packets), 10):
            for packet in packets[at : at + 10]:
                await socket.send_message(packet)
            await trio.sleep(0.2)
        await send(socket, "stop")
        said, code, reason = await rest(socket)
    assert (code, reason) == (1000, "ended")
    assert {one["phrase"] for one in said[:-1]} == {0}
    assert [one["kind"] for one in said[:-1]].count("final") == 1 and "partial" in [one["kind"] for one in said[:-1]]
    final = said[-2]
    assert word_error_rate(FOX, final["text"]) < 0.2 and 0 <= final["start_ms"] < final["end_ms"] < 3500
    ended = said[-1]
    assert (ended["type"], ended["task_id"], ended["shed"]) == ("ended", started["task_id"], 0)
    assert ended["frames"] == len(packets) and ended["duration_ms"] == pytest.approx(len(packets) * 20, abs=100)


async def test_pcm_faster_than_it_is_spoken_loses_nothing(server: ApiServer, ann: Account) -> None:
    samples = np.concatenate([fox()] * 4)
    pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    async with opened(server, None) as socket:
        await send(socket, "start", token=ann.token, format="pcm", sample_rate=RATE_HZ, partials=False)
        for at in range(0, len(pcm), 3200):
            await socket.send_message(pcm[at : at + 3200])
        await send(socket, "stop")
        said, code, _ = await rest(socket)
    finals = [one for one in said if one["type"] == "caption"]
    assert code == 1000 and [one["kind"] for one in finals] == ["final"] * len(finals)
    assert word_error_rate(" ".join([FOX] * 4), " ".join(one["text"] for one in finals)) < 0.2
    assert said[-1]["duration_ms"] == pytest.approx(len(samples) / 16, abs=50) and said[-1]["shed"] == 0


async def test_pictures_become_faces_that_are_followed(server: ApiServer, ann: Account) -> None:
    astronaut = picture(np.asarray(Image.open(data_file("astronaut")).convert("RGB")), "JPEG")
    async with opened(server, ann.token) as socket:
        await send(socket, "start", task="emotion")
        assert (await hear(socket))["model"] == "emotion"
        seen = []
        for frame in (astronaut, b"no picture", astronaut):
            await socket.send_message(frame)
            seen.append(await hear(socket))
        await send(socket, "stop")
        said, code, _ = await rest(socket)
    first, trouble, second = seen
    assert (trouble["type"], trouble["error"]) == ("error", "bad_picture")
    assert [one["faces"][0]["emotion"] for one in (first, second)] == ["happy", "happy"]
    assert first["faces"][0]["id"] == second["faces"][0]["id"] and second["at_ms"] >= first["at_ms"]
    assert (said[-1]["frames"], code) == (3, 1000) and "duration_ms" not in said[-1]


async def test_a_bad_frame_is_told_and_the_stream_goes_on_until_it_is_rubbish(server: ApiServer, ann: Account) -> None:
    packets = opus_packets(fox())
    async with opened(server, ann.token) as socket:
        await send(socket, "start", language="en")
        await socket.send_message(b"")
        await socket.send_message(b"\xff")  # code 3 without its frame count
        assert (await hear(socket))["type"] == "started"
        assert {(await hear(socket))["error"] for _ in range(2)} == {"bad_frame", "bad_audio"}
        for packet in packets:
            await socket.send_message(packet)
        await send(socket, "stop")
        said, code, _ = await rest(socket)
        assert code == 1000 and word_error_rate(FOX, said[-2]["text"]) < 0.25
    async with opened(server, ann.token) as socket:
        await send(socket, "start")
        for _ in range(ai_socket.MAX_TROUBLES):
            await socket.send_message(b"")
        said, code, reason = await rest(socket)
        assert code == 1008 and reason.startswith("too_many_errors")


@pytest.mark.parametrize(
    ("first", "error", "code"),
    [(b"sound", "not_started", 1008), ("{", "invalid_json", 1008), ('{"type": "dance"}', "invalid_field: type", 1008),
     ("{}", "invalid_field: type", 1008), ('{"type": "stop"}', "not_started: type", 1008),
     ('{"type": "start", "task": "dance"}', "invalid_field: task", 1008),
     ('{"type": "start", "sample_rate": 1}', "invalid_field: sample_rate", 1008),
     ('{"type": "start", "model": "emotion"}', "bad_option", 1008),
     ('{"type": "start", "model": "nothing"}', "model_unknown", 1013),
     ('{"type": "start", "language": "zh"}', "model_not_installed", 1013),
     ('{"type": "start", "token": "x"}', "token_invalid", 1008)],
)  # fmt: skip
async def test_what_is_no_start_closes_with_a_reason(
    server: ApiServer, ann: Account, first: str | bytes, error: str, code: int
) -> None:
    async with opened(server, ann.token) as socket:
        await socket.send_message(first)
        (trouble,), closed, reason = await rest(socket)
    assert (trouble["type"], trouble["error"], closed) == ("error", error, code)
    assert reason.startswith(error.partition(":")[0])


async def test_a_language_that_the_model_does_not_know_ends_it(server: ApiServer, ann: Account) -> None:
    async with opened(server, ann.token) as socket:
        await send(socket, "start", model="moonshine-tiny-en", language="zh", format="pcm")
        await socket.send_message(bytes(9600))
        said, code, _ = await rest(socket)
    assert (said[-1]["error"], code) == ("invalid_field: language", 1008)


async def test_strangers_get_nothing(server: ApiServer, ann: Account) -> None:
    async with opened(server, None) as socket:
        await send(socket, "start")
        (trouble,), code, reason = await rest(socket)
    assert (trouble["error"], code, reason) == ("sign_in_required", 1008, "sign_in_required: sign in first")
    foreign = HANDSHAKE.replace(b"\r\n\r\n", b"\r\nOrigin: https://evil.example\r\n\r\n")
    status, _, body = exchange(server, foreign)
    assert status == 403 and b"origin_not_allowed" in body


async def test_a_ban_ends_it(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ai_socket, "LOOK_EACH_S", 0.1)
    eve = server.user("eve")
    async with opened(server, eve.token) as socket:
        await send(socket, "start")
        assert (await hear(socket))["type"] == "started"
        await trio.to_thread.run_sync(eve.post, "/auth/logout")
        said, code, reason = await rest(socket)
    assert (said[-1]["error"], code) == ("token_revoked", 1008) and "sign in again" in reason


async def test_silence_and_length_are_bounded(server: ApiServer, ann: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value, error in (
        ("START_WITHIN_S", 0.2, "not_started"), ("SILENCE_S", 0.2, "silent"), ("MAX_STREAM_S", 0.3, "too_long")
    ):  # fmt: skip
        with monkeypatch.context() as patched:
            patched.setattr(ai_socket, name, value)
            async with opened(server, ann.token) as socket:
                if error != "not_started":
                    await send(socket, "start")
                said, code, _ = await rest(socket)
            assert (said[-1]["error"], code) == (error, 1008)


async def test_places_are_bounded_and_given_back(server: ApiServer, ann: Account) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(MOST_OF_ONE):
            socket = await stack.enter_async_context(opened(server, ann.token))
            await send(socket, "start")
            assert (await hear(socket))["type"] == "started"
        one_more = await stack.enter_async_context(opened(server, ann.token))
        await send(one_more, "start")
        (trouble,), code, _ = await rest(one_more)
        assert (trouble["error"], code) == ("too_many_streams", 1008)
    while server.services.streams.taken:  # noqa: ASYNC110  # another thread's
        await trio.sleep(0.02)
    statistics = server.services.inference.statistics
    while statistics()["sessions"]:  # noqa: ASYNC110  # as above
        await trio.sleep(0.02)


async def test_too_many_pictures_are_left_out_and_told(tmp_path: Path) -> None:
    models_folder(tmp_path, (entry_text("emotion", "Patient", task="emotion", duty="vision"),))
    limits: LimitsSettings = msgspec.structs.replace(NO_LIMITS)
    with answering(tmp_path, catalogs=(str(tmp_path / "catalog.toml"),), limits=limits) as server:
        ann = server.user("ann")
        async with opened(server, ann.token) as socket:
            await send(socket, "start", task="emotion")
            assert (await hear(socket))["type"] == "started"
            for number in range(20):
                await socket.send_message(bytes([number]))
                await trio.sleep(0.02)
            await send(socket, "stop")
            said, code, _ = await rest(socket)
    assert [one["type"] for one in said] == ["faces", "shed", "faces", "ended"] and code == 1000
    assert (said[1]["frames"], said[-1]["frames"], said[-1]["shed"]) == (18, 20, 18)


async def test_switched_off_it_says_so(tmp_path: Path) -> None:
    with answering(tmp_path, ai=AiSettings(enabled=False)) as server:
        ann = server.user("ann")
        async with opened(server, ann.token) as socket:
            await send(socket, "start")
            (trouble,), code, _ = await rest(socket)
    assert (trouble["error"], code) == ("ai_off", 1013)
