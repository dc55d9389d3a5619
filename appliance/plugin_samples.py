"""What each hook is tried with from the command line, and what it must make of it.

Owns the samples and the rules; refuses to know how the plugin was started and what is printed. Each function asks one
plugin, raises what `Plugins.ask` raises or SampleFailedError, and returns a word on how it went.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import trio

from appliance.events.catalogue import MeetingEnded
from appliance.events.envelope import envelop
from appliance.hooks import calls
from appliance.hooks.contract import (
    CalendarEntry,
    Credentials,
    ModelProcessor,
    Notification,
    ProcessorOutput,
    Recipient,
)
from appliance.hooks.running import Plugins
from appliance.ids import new_id, new_token

# A small object, and one more than the piece that it is read by.
_OBJECT = bytes(range(256)) * 5
_PIECE_BYTES = 1000


class SampleFailedError(Exception):
    """A hook answered well-formed, and wrong. The text is for administrators."""


async def notify(plugins: Plugins, name: str, email: str, url: str) -> str:
    """Deliver a notification with a calendar entry."""
    await plugins.notify(name, sample_notification(email, url))
    return "done"


async def tell(plugins: Plugins, name: str) -> str:
    """Hear of an event."""
    event = MeetingEnded(meeting_id="mtg_sample", title="A try of plugins", reason="ended")
    await plugins.tell(name, envelop(event, event_id=new_id("evt"), at_ms=_now_ms()))
    return "done"


async def authenticate(plugins: Plugins, name: str, login: str | None, password: str) -> str:
    """Say who somebody is; with no ``login`` a stranger, of whom it must know nothing."""
    stranger = login is None
    asked = Credentials(
        login=login or f"nobody-{new_token()[:12]}",
        password=new_token() if stranger else password,
        address="127.0.0.1",
    )
    identity = await plugins.authenticate(name, asked)
    if stranger and identity is not None:
        raise SampleFailedError("it knows somebody whose name and password were drawn at random")
    if stranger:
        return "it does not know somebody who is not there, as it should be"
    if identity is None:
        raise SampleFailedError("it does not know this name and password")
    role = f", role {identity.role}" if identity.role is not None else ""
    return f"{identity.username} ({identity.display_name}, {identity.email}), subject {identity.subject!r}{role}"


async def store(plugins: Plugins, name: str) -> str:
    """Keep an object, give it back piece by piece, and forget it."""
    key = f"try/{new_id('try')}.bin"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "object"
        await trio.Path(path).write_bytes(_OBJECT)
        await plugins.ask(name, calls.PUT, key, path, "application/octet-stream")
    _must("size", await plugins.ask(name, calls.SIZE, key), len(_OBJECT))
    for start in (0, _PIECE_BYTES, len(_OBJECT)):
        piece = await plugins.ask(name, calls.read_of(_PIECE_BYTES), key, start, _PIECE_BYTES)
        _must(f"read from {start}", piece, _OBJECT[start : start + _PIECE_BYTES])
    for wanted_answer in (True, False):
        _must("delete", await plugins.ask(name, calls.DELETE, key), wanted_answer)
    _must("size after delete", await plugins.ask(name, calls.SIZE, key), None)
    _must("read after delete", await plugins.ask(name, calls.read_of(1), key, 0, 1), None)
    return "done"


async def process(plugins: Plugins, name: str) -> str:
    """Prepare the processor's own sample, and interpret the answer that it says a model gives."""
    processor = plugins.hook(name, ModelProcessor)
    sample = processor.sample
    prepared = await plugins.ask(name, calls.PREPARE, sample.input)
    if not prepared:
        raise SampleFailedError("prepare made no tensor of it")
    output = ProcessorOutput(input=sample.input, tensors=sample.tensors)
    _must("interpret", await plugins.ask(name, calls.INTERPRET, output), calls.result(sample.result))
    shapes = ", ".join(f"{key} {tensor.dtype}{list(tensor.shape)}" for key, tensor in prepared.items())
    return f"{processor.task}: {shapes}"


def _must(what: str, found: Any, wanted: Any) -> None:
    if found != wanted:
        raise SampleFailedError(f"{what} answered {_shown(found)}, not {_shown(wanted)}")


def _shown(value: Any) -> str:
    return f"{len(value)} bytes" if isinstance(value, bytes) else f"{value!r:.200}"


def sample_notification(email: str, url: str) -> Notification:
    """Something to deliver, an hour long, tomorrow."""
    now_ms = _now_ms()
    start_at_ms = now_ms - now_ms % 3_600_000 + 86_400_000
    return Notification(
        id=new_id("ntf"),
        kind="notification.test",
        recipient=Recipient(name=email.partition("@")[0], email=email),
        title="Parley: a test",
        body="This is a test of notifications.\n\nNothing needs to be done.",
        created_at_ms=now_ms,
        url=url,
        url_label="Open Parley",
        calendar=CalendarEntry(
            uid=f"{new_id('mtg')}@parley",
            method="REQUEST",
            sequence=0,
            title="A test of invitations",
            start_at_ms=start_at_ms,
            end_at_ms=start_at_ms + 3_600_000,
            organizer_name="Parley",
        ),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
