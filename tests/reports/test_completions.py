"""A real HTTP server answers as language models' servers do, or not as they should."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import trio

from appliance.reports.completions import CompletionError, Completions
from appliance.settings import SummarySettings
from tests.support.chat_server import chatting
from tests.support.http_receiver import certificate, receiving
from tests.support.ports import free_port


def http(status: str, body: bytes, *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def completion(content: object) -> bytes:
    return http("200 OK", json.dumps({"choices": [{"message": {"content": content}}]}).encode())


async def ask(answer: bytes, **changes: object) -> str:
    with receiving() as receiver:
        receiver.answer = answer
        url = f"http://127.0.0.1:{receiver.port}/v1"
        settings = SummarySettings(**{"url": url, "model": "m", "timeout_s": 5.0, **changes})  # type: ignore[arg-type]
        return await Completions(settings).complete("be brief", "text")


async def test_it_is_asked_as_openai_is() -> None:
    with chatting(lambda instructions, text: f"{instructions}: {text}") as server:
        completions = Completions(server.settings(api_key="sk-1"))
        assert completions.model == "small"
        assert await completions.complete("be brief", "文本") == "be brief: 文本"
    assert server.requests == [
        {
            "path": "/v1/chat/completions",
            "model": "small",
            "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "文本"}],
            "response_format": {"type": "json_object"},
            "stream": False,
        }
    ]
    assert server.headers[0]["authorization"] == "Bearer sk-1"
    assert server.headers[0]["host"] == server.url.removeprefix("http://")
    with chatting(lambda instructions, text: "x") as server:
        await Completions(server.settings(url=f"{server.url}/v1/")).complete("", "")
    assert "authorization" not in server.headers[0] and server.requests[0]["path"] == "/v1/chat/completions"


async def test_an_answer_in_chunks_is_read() -> None:
    body = json.dumps({"choices": [{"message": {"content": "yes"}}]}).encode()
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    assert await ask(b"HTTP/1.1 100 Continue\r\n\r\n" + chunked) == "yes"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (http("401 Unauthorized", b'{"error": {"message": "wrong\\nkey"}}'), "it answered 401; wrong key"),
        (http("404 Not Found", b'{"error": "no such model"}'), "it answered 404; no such model"),
        (http("500 Oops", b"<html>"), "it answered 500"),
        (http("302 Found", b"", "Location: http://127.0.0.1:1/"), "it answered 302"),
        (http("200 OK", b"[]"), "no chat completion"),
        (http("200 OK", b'{"choices": []}'), "empty"),
        (completion(None), "empty"),
        (completion(7), "no chat completion; .*str"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{", "no proper HTTP; .+"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no proper HTTP"),
        (http("200 OK", b"x" * 1_100_000), "more than 1048576 bytes"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, "no proper HTTP"),
    ],
)
async def test_what_is_wrong_is_said(answer: bytes, reason: str) -> None:
    with pytest.raises(CompletionError) as caught:
        await ask(answer, api_key="hidden")
    reason, _, detail = reason.partition("; ")
    assert reason in str(caught.value) and re.search(detail, caught.value.detail)


async def test_who_does_not_answer_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(CompletionError, match=r"no answer within 0\.2 s"):
        await ask(b"", timeout_s=0.2)
    with pytest.raises(CompletionError, match=r"^it cannot be reached$") as caught:
        await Completions(SummarySettings(url=f"http://127.0.0.1:{free_port()}", model="m")).complete("", "")
    assert "127.0.0.1" in caught.value.detail  # for the log, and nobody else
    with receiving(pem=certificate(tmp_path, "127.0.0.1")) as receiver:  # one that nobody vouches for
        settings = SummarySettings(url=f"https://127.0.0.1:{receiver.port}", model="m", timeout_s=5.0)
        with pytest.raises(CompletionError, match="certificate is not trusted"):
            await Completions(settings).complete("", "")


async def test_a_server_that_loads_its_model_is_asked_again() -> None:
    with receiving() as receiver:
        receiver.answer = http("503 Service Unavailable", b"{}", "Retry-After: 0")
        url = f"http://127.0.0.1:{receiver.port}"
        completions = Completions(SummarySettings(url=url, model="m", timeout_s=5.0))
        with pytest.raises(CompletionError, match="busy"):
            await completions.complete("", "")
        assert len(receiver.requests) == 3
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_recover, receiver, len(receiver.requests))
            receiver.answer = http("503 Service Unavailable", b"{}", "Retry-After: 1")
            assert await completions.complete("", "") == "now"


async def _recover(receiver: object, before: int) -> None:
    while len(receiver.requests) == before:  # type: ignore[attr-defined]  # noqa: ASYNC110  # a thread's list
        await trio.sleep(0.01)
    await trio.sleep(0.1)
    receiver.answer = completion("now")  # type: ignore[attr-defined]
