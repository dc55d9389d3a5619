"""What plugins are tried with: whole, and severe on what is well-formed and wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance import plugin_samples
from appliance.hooks.contract import Notification, Storage
from appliance.plugin_samples import SampleFailedError, sample_notification
from tests.support.plugins import found, opening, plugin, running


def test_the_notification_is_whole() -> None:
    sample = sample_notification("ann@example.org", "https://meet.example.org")
    assert sample.calendar is not None and sample.calendar.start_at_ms > sample.created_at_ms
    assert msgspec.json.decode(msgspec.json.encode(sample), type=Notification) == sample


def _storage(kept: dict[str, bytes], **other: Any) -> Any:
    async def put(key: str, path: Path, _media_type: str) -> None:
        kept[key] = path.read_bytes()

    async def read(key: str, start: int, length: int) -> bytes | None:
        return kept[key][start : start + length] if key in kept else None

    async def size(key: str) -> int | None:
        return len(kept[key]) if key in kept else None

    async def delete(key: str) -> bool:
        return kept.pop(key, None) is not None

    hook = Storage(**{"put": put, "read": read, "size": size, "delete": delete, **other})
    return found("vault", lambda: plugin(opening(hook)), ("parley.storage",))


async def test_a_storage_that_keeps_its_word_passes_and_leaves_nothing() -> None:
    kept: dict[str, bytes] = {}
    async with running(_storage(kept)) as plugins:
        assert await plugin_samples.store(plugins, "vault") == "done"
    assert kept == {}


async def _always(*_args: object) -> bool:
    return True


async def _empty(*_args: object) -> bytes:
    return b""


async def _one(*_args: object) -> int:
    return 1


@pytest.mark.parametrize(
    ("function", "answers", "reason"),
    [
        ("size", _one, "size answered 1, not 1280"),
        ("read", _empty, "read from 0 answered 0 bytes, not 1000 bytes"),
        ("delete", _always, "delete answered True, not False"),
    ],
)
async def test_a_storage_that_does_not_is_named(function: str, answers: Any, reason: str) -> None:
    async with running(_storage({}, **{function: answers})) as plugins:
        with pytest.raises(SampleFailedError, match=reason):
            await plugin_samples.store(plugins, "vault")
