"""What server and worker say to each other. Pure: bytes and structs.

A ZeroMQ message is one header frame, a msgpack array of the messages below (arrays themselves: no field names on the
wire), and behind it the payload of each that has one, raw, in their order. Times are durations, never dates: the clocks
of two machines differ.

The worker is not trusted by the server more than its answers are worth, nor the other way round: `decode_untrusted`
bounds what it takes, and fails with one error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

PROTOCOL = 1
"""Of both ends; a server takes no worker of another one."""
MAX_MESSAGES = 4096
"""In one header; a sender splits what is more."""


class _Message(msgspec.Struct, frozen=True, array_like=True, tag_field="kind"):
    """Base: ``[tag, field, …]``; fields are only ever added at the end, with a default."""


# --- server to worker -----------------------------------------------------------------------------------------------


class Greet(_Message, frozen=True, tag="greet"):
    """Who is there? Sent until `Hello` comes."""

    protocol: int


class Infer(_Message, frozen=True, tag="infer"):
    """Have a model answer; answered by `Answer` or `Failure` with this id, always."""

    id: int
    model: str
    options: dict[str, Any]
    rank: int
    """Smaller goes first within the model's queue."""
    within_ms: float
    """Not begun after this: nobody waits any more."""
    framed: bool
    """Whether a payload frame is its."""


class Cancel(_Message, frozen=True, tag="cancel"):
    """Nobody waits any more; what has not begun need not. Still answered."""

    id: int


class CloseSession(_Message, frozen=True, tag="close"):
    """Forget a session's state, after what came before."""

    model: str
    session: str


class Load(_Message, frozen=True, tag="load"):
    """Load a model, or load it anew; answered by `Done` or `Failure`."""

    id: int
    model: str


class Unload(_Message, frozen=True, tag="unload"):
    """Finish what it is at, and free its memory; answered by `Done` or `Failure`."""

    id: int
    model: str


class Pin(_Message, frozen=True, tag="pin"):
    """Whether to keep it loaded however long nobody asks; answered by `Done` or `Failure`."""

    id: int
    model: str
    pinned: bool


class Ping(_Message, frozen=True, tag="ping"):
    """Answered by `Pong` within a moment, whatever the models do."""

    number: int


# --- worker to server -----------------------------------------------------------------------------------------------


class ModelState(msgspec.Struct, frozen=True, array_like=True):
    """A model at a worker."""

    name: str
    loaded: bool
    providers: tuple[str, ...] = ()
    """ONNX Runtime's execution providers that run it, or ``Triton``."""
    pinned: bool = False
    queued: int = 0
    answered: int = 0
    failed: int = 0
    batches: int = 0
    run_ms: float = 0.0
    """Mean time of the last batches."""
    load_ms: float = 0.0
    problem: str = ""
    """Why it could not be loaded."""


class Device(msgspec.Struct, frozen=True, array_like=True):
    """What the worker computes on."""

    wanted: str
    """As ai.device says."""
    used: str
    """``cpu``, ``cuda``, ``tensorrt``."""
    available: tuple[str, ...]
    """Execution providers of the installed ONNX Runtime."""
    runtime: str
    """Its version."""
    threads: int
    warnings: tuple[str, ...] = ()
    """A graphics card that is configured, or there, and not used."""


class Hello(_Message, frozen=True, tag="hello"):
    """The answer to `Greet`, and sent again when models come or go."""

    protocol: int
    incarnation: str
    """Another one after each start: sessions do not survive it."""
    host: str
    pid: int
    credit: int
    """Requests that it takes at once, over all models."""
    device: Device
    models: tuple[ModelState, ...]


class Pong(_Message, frozen=True, tag="pong"):
    """The answer to `Ping`."""

    number: int
    incarnation: str
    """Of `Hello`; another one: the worker was started anew, and what it had is lost."""
    rss_bytes: int
    gpu_bytes: int | None
    """Memory of the graphics card that this process has, where that is known."""
    cpu_s: float
    models: tuple[ModelState, ...]


class Answer(_Message, frozen=True, tag="answer"):
    """What the model made of a request."""

    id: int
    values: Any
    queued_ms: float
    """In the worker, until its batch began."""
    run_ms: float
    """Of the whole batch."""
    batch: int
    framed: bool


class Failure(_Message, frozen=True, tag="failure"):
    """Why there is no answer. ``code``: a task's own, or one of `task_failed`, `expired`, `cancelled`, `unknown_model`,
    `model_not_installed`, `model_broken`, `overloaded`, `stopping`."""

    id: int
    code: str
    message: str


class Done(_Message, frozen=True, tag="done"):
    """A command was carried out."""

    id: int
    model: ModelState


ToWorker = Greet | Infer | Cancel | CloseSession | Load | Unload | Pin | Ping
ToServer = Hello | Pong | Answer | Failure | Done


class FrameError(Exception):
    """Not a message of the other side; ``str()`` says what is wrong with it."""


_encoder = msgspec.msgpack.Encoder()
_from_server = msgspec.msgpack.Decoder(list[ToWorker])
_from_worker = msgspec.msgpack.Decoder(list[ToServer])


def encode(batch: Sequence[tuple[ToWorker | ToServer, bytes]]) -> list[bytes]:
    """Frames of messages with their payloads; a payload of a message that says ``framed=False`` is not sent.

    Raises TypeError or ValueError for options or values that msgpack cannot say.
    """
    frames = [_encoder.encode([message for message, _ in batch])]
    frames += [payload for message, payload in batch if getattr(message, "framed", False)]
    return frames


def decode_to_worker_untrusted(frames: Sequence[bytes]) -> list[tuple[ToWorker, bytes]]:
    """What a server said. FrameError."""
    return _decode(frames, _from_server)


def decode_to_server_untrusted(frames: Sequence[bytes]) -> list[tuple[ToServer, bytes]]:
    """What a worker said. FrameError."""
    return _decode(frames, _from_worker)


def _decode(frames: Sequence[bytes], decoder: Any) -> list[tuple[Any, bytes]]:
    if not frames:
        raise FrameError("a message without frames")
    try:
        messages = decoder.decode(frames[0])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # msgspec lets the latter through
        raise FrameError(f"header: {error}") from None
    except RecursionError:
        raise FrameError("header: nested too deep") from None
    if len(messages) > MAX_MESSAGES:
        raise FrameError(f"header: {len(messages)} messages, more than {MAX_MESSAGES}")
    payloads = iter(frames[1:])
    found = []
    for message in messages:
        payload = next(payloads, None) if getattr(message, "framed", False) else b""
        if payload is None:
            raise FrameError("fewer payload frames than the header says")
        found.append((message, payload))
    if next(payloads, None) is not None:
        raise FrameError("more payload frames than the header says")
    return found
