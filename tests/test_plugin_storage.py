"""A plugin's storage does what the built-in ones do, and the built-in ones do it through the plugin's hook."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import parley_shelf
import pytest
import trio

from appliance.files.folder import open_folder_storage
from appliance.files.storage import PIECE_BYTES, BadKeyError, ObjectStorage, StorageUnavailableError
from appliance.hooks.contract import Storage, TryLater
from appliance.hooks.discovery import Found
from appliance.hooks.running import Plugins
from appliance.plugin_storage import as_hook, open_any_storage
from appliance.settings import DataSettings, GivenValue, PluginsSettings, PluginTable, Settings, StorageSettings
from tests.support.plugins import NoConfig, found, opening, plugin, running

GROUP = ("parley.storage",)


def shelf(_folder: Path) -> Found:
    """The example of plugins/."""
    return found("vault", lambda: parley_shelf.plugin, GROUP)


def built_in(folder: Path) -> Found:
    """The folder storage, behind the hook that plugins have."""

    @asynccontextmanager
    async def life(_config: NoConfig, _context: object) -> AsyncIterator[Storage]:
        async with open_folder_storage(folder) as files:
            yield as_hook(files)

    return found("vault", lambda: plugin(life), GROUP)


@asynccontextmanager
async def stored(tmp_path: Path, vault: Found, *, table: bool = False, **more: Any) -> AsyncIterator[ObjectStorage]:
    folder = tmp_path / "vault"
    folder.mkdir(exist_ok=True)
    tables = (PluginTable("vault", (("folder", GivenValue(str(folder), "f")),)),) if table else ()
    settings = Settings(
        data=DataSettings(folder=str(tmp_path)),
        storage=StorageSettings(kind="plugin:vault"),
        plugins=PluginsSettings(enabled=("vault",), tables=tables, **more),
    )
    async with (
        running(vault, tables=tables, **more) as plugins,
        open_any_storage(settings, tmp_path / "files", plugins) as files,
    ):
        yield files


@pytest.mark.parametrize("make", [shelf, built_in])
async def test_what_is_stored_is_read_until_it_is_deleted(tmp_path: Path, make: Any) -> None:
    async with stored(tmp_path, make(tmp_path / "vault"), table=make is shelf) as files:
        for ask in (files.read, files.size):
            with pytest.raises(FileNotFoundError):
                await ask("avatars/a.webp")
        with pytest.raises(FileNotFoundError):
            await files.read_range("avatars/a.webp", 0, 1)
        await files.write("avatars/a.webp", b"one")
        await files.write("avatars/a.webp", b"two")
        assert await files.read("avatars/a.webp") == b"two"
        data = bytes(range(256)) * (2 * PIECE_BYTES // 256) + b"end"
        source = tmp_path / "source"
        for content in (data, data[: 2 * PIECE_BYTES], b""):  # not a piece more, none at all
            source.write_bytes(content)
            await files.put_file("recordings/a.mp4", source, "video/mp4")
            assert await files.size("recordings/a.mp4") == len(content)
            assert await files.read("recordings/a.mp4") == content
        source.write_bytes(data)
        await files.put_file("recordings/a.mp4", source, "video/mp4")
        assert await files.read_range("recordings/a.mp4", PIECE_BYTES - 2, 4) == data[PIECE_BYTES - 2 : PIECE_BYTES + 2]
        assert await files.read_range("recordings/a.mp4", len(data) - 3, PIECE_BYTES) == b"end"
        assert await files.read_range("recordings/a.mp4", len(data), 1) == b""
        assert source.read_bytes() == data
        for answer in (True, False):
            assert await files.delete("recordings/a.mp4") is answer
        assert await files.forget_unfinished(0) == 0
        numbers = files.statistics()
        assert (numbers["writes"], numbers["deletes"], numbers["failures"], numbers["waiting"]) == (6, 2, 0, 0)
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize("key", ["", "a", "../a/b", "avatars/../a", "avatars/.hidden", "avatars/a/b", "a/b\n"])
async def test_other_names_never_reach_the_plugin(tmp_path: Path, key: str) -> None:
    async def fail(*_args: object) -> None:
        raise AssertionError

    hook = Storage(put=fail, read=fail, size=fail, delete=fail)  # type: ignore[arg-type]
    async with stored(tmp_path, found("vault", lambda: plugin(opening(hook)), GROUP)) as files:
        attempts = (
            files.read(key), files.write(key, b""), files.delete(key), files.size(key), files.read_range(key, 0, 1),
            files.put_file(key, tmp_path, "x/y"),
        )  # fmt: skip
        for attempt in attempts:
            with pytest.raises(BadKeyError):
                await attempt
        for start, length in ((-1, 1), (0, 0), (0, PIECE_BYTES + 1)):
            with pytest.raises(ValueError, match="a piece of"):
                await files.read_range("a/b", start, length)


async def test_whatever_the_plugin_does_is_a_service_that_is_away(tmp_path: Path) -> None:
    async def away(*_args: object) -> None:
        raise TryLater("the share is not mounted")

    async def lost(*_args: object) -> None:
        raise LookupError("lost")

    async def too_much(_key: str, _start: int, length: int) -> bytes:
        return bytes(length + 1)

    async def rubbish(*_args: object) -> str:
        return "yes"

    hook = Storage(put=away, read=too_much, size=lost, delete=rubbish)  # type: ignore[arg-type]
    vault = found("vault", lambda: plugin(opening(hook)), GROUP)
    async with stored(tmp_path, vault, max_failures=4) as files:
        for attempt, reason in (
            (lambda: files.write("a/b", b"x"), "plugin vault: the share is not mounted"),
            (lambda: files.read_range("a/b", 0, 2), "returned 3 bytes where 2 were asked for"),
            (lambda: files.size("a/b"), "LookupError: lost"),
            (lambda: files.delete("a/b"), "returned str, not bool"),
            (lambda: files.size("a/b"), "LookupError: lost"),
            (lambda: files.size("a/b"), "LookupError: lost"),  # and that was the last one
            (lambda: files.read("a/b"), "plugin vault is disabled: failed 4 times in a row"),
        ):
            with pytest.raises(StorageUnavailableError, match=reason):
                await attempt()
        assert files.statistics()["failures"] == 7
    assert list((tmp_path / "spool").iterdir()) == []


async def test_many_wait_instead_of_being_refused(tmp_path: Path) -> None:
    under_way = most = 0

    async def size(_key: str) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await trio.sleep(0.01)
        under_way -= 1
        return 1

    async def unused(*_args: object) -> None: ...

    hook = Storage(put=unused, read=unused, size=size, delete=unused)  # type: ignore[arg-type]
    vault = found("vault", lambda: plugin(opening(hook)), GROUP)
    async with stored(tmp_path, vault) as files, trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(files.size, f"a/{number}")
    assert 1 < most <= 16


async def test_a_large_file_has_its_time(tmp_path: Path) -> None:
    async def put(_key: str, _path: Path, _media_type: str) -> None:
        await trio.sleep(0.3)

    async def size(_key: str) -> int:
        await trio.sleep(0.3)
        return 1

    async def unused(*_args: object) -> None: ...

    hook = Storage(put=put, read=unused, size=size, delete=unused)  # type: ignore[arg-type]
    vault = found("vault", lambda: plugin(opening(hook)), GROUP)
    async with stored(tmp_path, vault, call_deadline_s=0.1) as files:
        source = tmp_path / "source"
        source.write_bytes(bytes(1024 * 1024))
        await files.put_file("recordings/a.mp4", source, "video/mp4")
        with pytest.raises(StorageUnavailableError, match=r"not done within 0\.1 s"):
            await files.size("recordings/a.mp4")


async def test_the_built_in_ones_need_no_plugin(tmp_path: Path) -> None:
    async with open_any_storage(Settings(), tmp_path / "files", Plugins(PluginsSettings(), (), ())) as files:
        await files.write("a/b", b"x")
    assert (tmp_path / "files" / "a" / "b").read_bytes() == b"x"
