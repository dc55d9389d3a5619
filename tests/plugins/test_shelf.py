"""The example storage passes the try, survives an interrupted put, and says when its share is not mounted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import parley_shelf
import pytest
import trio

from appliance import plugin_samples
from appliance.hooks import calls
from appliance.hooks.contract import TryLater
from appliance.settings_file import load
from tests.support.plugins import found, running

PLUGIN = found("shelf", lambda: parley_shelf.plugin, ("parley.storage",))


def _tables(folder: Path) -> dict[str, Any]:
    return {"tables": load(None, {"PARLEY_PLUGINS__SHELF__FOLDER": str(folder)}).plugins.tables}


async def test_it_keeps_its_word(tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    async with running(PLUGIN, **_tables(shelf)) as plugins:
        await plugin_samples.store(plugins, "shelf")
        one, other = tmp_path / "one", tmp_path / "other"
        one.write_bytes(b"1" * 3_000_000)
        other.write_bytes(b"22")
        for path in (one, other):
            await plugins.ask("shelf", calls.PUT, "avatars/a.webp", path, "image/webp")
        assert await plugins.ask("shelf", calls.SIZE, "avatars/a.webp") == 2
    assert [path.name for path in (shelf / "avatars").iterdir()] == ["a.webp"]


async def test_a_put_that_is_cancelled_leaves_what_was_there(tmp_path: Path) -> None:
    async with running(PLUGIN, **_tables(tmp_path)) as plugins:
        small, large = tmp_path / "small", tmp_path / "large"
        small.write_bytes(b"small")
        with large.open("wb") as file:
            file.truncate(4_000_000_000)
        await plugins.ask("shelf", calls.PUT, "a/b", small, "text/plain")
        with pytest.raises(TryLater, match="not done within"):
            await plugins.ask("shelf", calls.PUT, "a/b", large, "text/plain", deadline_s=0.05)
        while plugins.status("shelf").statistics.outstanding:  # noqa: ASYNC110  # the call's end is told to nobody
            await trio.sleep(0.01)
        assert await plugins.ask("shelf", calls.read_of(10), "a/b", 0, 10) == b"small"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


async def test_a_share_that_is_not_mounted_is_named_and_no_failure(tmp_path: Path) -> None:
    async with running(PLUGIN, max_failures=1, **_tables(tmp_path / "gone")) as plugins:
        for call, args in ((calls.SIZE, ("a/b",)), (calls.DELETE, ("a/b",)), (calls.READ, ("a/b", 0, 1))):
            with pytest.raises(TryLater, match="gone is not there"):
                await plugins.ask("shelf", call, *args)  # type: ignore[arg-type]
        assert plugins.status("shelf").state == "enabled"
