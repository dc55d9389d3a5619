"""Writes a line into a file for each meeting that ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import anyio

from appliance.events.catalogue import MeetingEnded
from appliance.events.envelope import Envelope
from appliance.hooks.contract import Context, EventListener, Plugin, PluginConfig


class DiaryConfig(PluginConfig, frozen=True):
    """The keys of [plugins.diary]."""

    file: str
    prefix: str = "meeting ended:"


@asynccontextmanager
async def open_diary(config: DiaryConfig, context: Context) -> AsyncIterator[EventListener]:
    """From the server's start to its stop: the file is open as long as the plugin runs."""
    async with await anyio.open_file(config.file, "a", encoding="utf-8") as diary:

        async def write_down(envelope: Envelope) -> None:
            event = envelope.event
            assert isinstance(event, MeetingEnded)  # it asked for no other
            when = datetime.fromtimestamp(envelope.at_ms / 1000, UTC).isoformat(timespec="seconds")
            await diary.write(f"{when} {config.prefix} {event.title!r}\n")
            await diary.flush()

        yield EventListener(events=frozenset({"meeting.ended"}), on_event=write_down)


plugin = Plugin(contract=1, summary="Writes down which meetings ended.", config=DiaryConfig, open=open_diary)
