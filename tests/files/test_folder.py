"""Objects are whole or absent, and nothing leads out of the folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import trio

from appliance.errors import ConfigError
from appliance.files.folder import BadKeyError, open_folder_storage


async def test_what_is_written_is_read_until_it_is_deleted(tmp_path: Path) -> None:
    async with open_folder_storage(tmp_path / "files") as files:
        with pytest.raises(FileNotFoundError):
            await files.read("avatars/a.webp")
        await files.write("avatars/a.webp", b"one")
        await files.write("avatars/a.webp", b"two" * 100_000)
        assert await files.read("avatars/a.webp") == b"two" * 100_000
        path = tmp_path / "files" / "avatars" / "a.webp"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert await files.delete("avatars/a.webp") is True
        assert await files.delete("avatars/a.webp") is False
        assert await files.delete("nothing/a.webp") is False
        assert list(path.parent.iterdir()) == []
        assert files.statistics() == {"reads": 2, "writes": 2, "deletes": 3, "waiting": 0}


@pytest.mark.parametrize(
    "key",
    [
        *("", "a", "avatars/", "/avatars/a", "avatars//a", "avatars/../a", "avatars/..", "../a/b", "avatars/.hidden"),
        *("A/b", "avatars/a/b", "avatars/a\x00", "avatars/a b", "avatars/ä", "avatars/" + "x" * 129, "avatars/a\n"),
        "etc/pass%2f",
    ],
)
async def test_other_names_are_refused(tmp_path: Path, key: str) -> None:
    async with open_folder_storage(tmp_path) as files:
        for attempt in (files.read(key), files.write(key, b""), files.delete(key)):
            with pytest.raises(BadKeyError):
                await attempt
    assert list(tmp_path.iterdir()) == []


async def test_symbolic_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    root = tmp_path / "files"
    async with open_folder_storage(root) as files:
        (root / "linked").symlink_to(outside)
        for attempt in (files.read("linked/secret"), files.write("linked/secret", b"x"), files.delete("linked/secret")):
            with pytest.raises(OSError):
                await attempt
        await files.write("avatars/a", b"x")
        (root / "avatars" / "b").symlink_to(outside / "secret")
        with pytest.raises(OSError):
            await files.read("avatars/b")
        await files.write("avatars/b", b"ours")  # replaces the link, not what it names
        assert await files.read("avatars/b") == b"ours"
    assert (outside / "secret").read_text() == "secret"


async def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    async with open_folder_storage(tmp_path) as files:
        await files.write("avatars/a", b"x")
        os.mkfifo(tmp_path / "avatars" / "pipe")
        (tmp_path / "avatars" / "folder").mkdir()
        with trio.fail_after(5):
            for name in ("pipe", "folder"):
                with pytest.raises(OSError):
                    await files.read(f"avatars/{name}")


async def test_what_a_crash_left_unfinished_is_removed(tmp_path: Path) -> None:
    async with open_folder_storage(tmp_path) as files:
        await files.write("avatars/a", b"x")
    (tmp_path / "avatars" / ".unfinished-0123").write_bytes(b"half")
    async with open_folder_storage(tmp_path) as files:
        assert [path.name for path in (tmp_path / "avatars").iterdir()] == ["a"]
        assert await files.read("avatars/a") == b"x"


async def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    async with open_folder_storage(tmp_path) as files:
        await files.write("avatars/a", b"x")
        (tmp_path / "avatars" / "taken").mkdir()
        with pytest.raises(OSError):
            await files.write("avatars/taken", b"y")
        assert sorted(path.name for path in (tmp_path / "avatars").iterdir()) == ["a", "taken"]


async def test_writers_at_once_leave_one_whole_object(tmp_path: Path) -> None:
    async with open_folder_storage(tmp_path) as files:
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(files.write, "avatars/a", bytes([number]) * 10_000)
        data = await files.read("avatars/a")
    assert len(data) == 10_000
    assert len(set(data)) == 1


async def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "none" / "below"):
        with pytest.raises(ConfigError, match=str(path)):
            async with open_folder_storage(path):
                raise AssertionError("opened")
