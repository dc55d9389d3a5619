"""An OpenAI-compatible endpoint (``POST …/chat/completions``: Ollama, vLLM, llama.cpp, OpenAI), as far as reports need.

Owns one request over HTTP/1.1 and the JSON around it, with everything bounded: the time of a request, the head and the
body of what comes back, how often it is tried. Follows no redirect (a key would be carried elsewhere) and uses no proxy
of the environment. Refuses to know what is asked. What the address may be is the administrator's choice.
"""

from __future__ import annotations

import re
import ssl
from typing import Any
from urllib.parse import urlsplit

import h11
import msgspec
import trio

from appliance.settings import SummarySettings

_HEAD_MAX_BYTES = 32_768
# A report of 100 points takes 30 kB; what is longer is none.
_BODY_MAX_BYTES = 1_048_576
_READ_BYTES = 65_536
# 429 and 503, as llama.cpp answers while it loads its model: asked again after what it says, or these.
_TRIES = 3
_PAUSE_S = 5.0
_PAUSE_MOST_S = 30.0


class CompletionError(Exception):
    """No answer that can be used; the text says why, for whoever reads the report.

    ``detail`` is for the log: an address of our own network, or what the endpoint says, which may repeat the key.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.detail = detail


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Completion(msgspec.Struct):
    choices: list[_Choice]


class _BusyError(Exception):
    def __init__(self, after_s: float) -> None:
        super().__init__()
        self.after_s = after_s


class Completions:
    """The endpoint of the settings; each request is a connection of its own."""

    def __init__(self, settings: SummarySettings) -> None:
        """``settings.url`` is set."""
        self._settings = settings
        parts = urlsplit(settings.url)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)
        self._authority = parts.netloc
        self._path = f"{parts.path.rstrip('/')}/chat/completions"

    @property
    def model(self) -> str:
        """The name that is asked for."""
        return self._settings.model

    async def complete(self, instructions: str, text: str) -> str:
        """What the model answers, as JSON that nobody has read yet. CompletionError when it does not."""
        body = msgspec.json.encode(
            {
                "model": self._settings.model,
                "messages": [{"role": "system", "content": instructions}, {"role": "user", "content": text}],
                "response_format": {"type": "json_object"},
                "stream": False,
            }
        )
        for number in range(_TRIES):
            try:
                with trio.fail_after(self._settings.timeout_s):
                    return _content(await self._post(body))
            except trio.TooSlowError:
                raise CompletionError(f"no answer within {self._settings.timeout_s:g} s") from None
            except _BusyError as error:
                if number + 1 == _TRIES:
                    raise CompletionError("the endpoint is busy") from None
                await trio.sleep(error.after_s)
            except OSError as error:  # ssl.SSLError is one
                raise CompletionError("it cannot be reached", str(error)) from error
            except trio.BrokenResourceError as error:
                if isinstance(error.__cause__, ssl.SSLError):
                    raise CompletionError("its certificate is not trusted", str(error.__cause__)) from error
                raise CompletionError("the connection was lost") from error
            except (h11.RemoteProtocolError, UnicodeDecodeError) as error:
                raise CompletionError("it speaks no proper HTTP", str(error)) from error
        raise AssertionError("the last try returns or raises")

    async def _post(self, body: bytes) -> bytes:
        stream: trio.abc.Stream = await trio.open_tcp_stream(self._host, self._port)
        try:
            if self._tls is not None:
                stream = trio.SSLStream(stream, self._tls, server_hostname=self._host, https_compatible=True)
            return await self._exchange(stream, body)
        finally:
            await trio.aclose_forcefully(stream)

    async def _exchange(self, stream: trio.abc.Stream, body: bytes) -> bytes:
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_MAX_BYTES)
        headers = {
            "Host": self._authority,
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
        if self._settings.api_key:
            headers["Authorization"] = f"Bearer {self._settings.api_key}"
        request = h11.Request(method="POST", target=self._path, headers=list(headers.items()))
        for event in (request, h11.Data(data=body), h11.EndOfMessage()):
            await stream.send_all(connection.send(event) or b"")
        answer = await _next(stream, connection)
        while isinstance(answer, h11.InformationalResponse):
            answer = await _next(stream, connection)
        if not isinstance(answer, h11.Response):
            raise CompletionError("it closed the connection without an answer")
        content = bytearray()
        while isinstance(event := await _next(stream, connection), h11.Data):
            content += event.data
            if len(content) > _BODY_MAX_BYTES:
                raise CompletionError(f"its answer has more than {_BODY_MAX_BYTES} bytes")
        if not isinstance(event, h11.EndOfMessage):
            raise CompletionError("its answer broke off")
        if answer.status_code in (429, 503):
            raise _BusyError(_pause_s(answer))
        if answer.status_code != 200:
            raise CompletionError(f"it answered {answer.status_code}", _reason(bytes(content)))
        return bytes(content)


async def _next(stream: trio.abc.Stream, connection: h11.Connection) -> Any:
    while True:
        event = connection.next_event()
        if event is not h11.NEED_DATA:
            return event
        connection.receive_data(bytes(await stream.receive_some(_READ_BYTES)))


def _pause_s(answer: h11.Response) -> float:
    asked = next((value for name, value in answer.headers if name == b"retry-after"), b"")
    return min(float(asked), _PAUSE_MOST_S) if re.fullmatch(rb"\d{1,9}", asked) else _PAUSE_S


def _reason(content: bytes) -> str:
    """What it says is wrong, where it says so as OpenAI does."""
    try:
        said = msgspec.json.decode(content)["error"]
        text = said if isinstance(said, str) else said["message"]
        return " ".join(str(text).split())[:200]
    except (msgspec.DecodeError, KeyError, TypeError):
        return ""


def _content(body: bytes) -> str:
    try:
        completion = msgspec.json.decode(body, type=_Completion)
    except msgspec.DecodeError as error:
        raise CompletionError("its answer is no chat completion", str(error)) from error
    text = completion.choices[0].message.content if completion.choices else None
    if not text:
        raise CompletionError("its answer is empty")
    return text
