"""Objects are whole or absent, and nothing leads out of the folder."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest
import trio

from appliance.errors import ConfigError
from appliance.files.folder import open_folder_storage
from appliance.files.storage import BadKeyError


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


async def test_a_file_is_put_whole_and_its_own_name_is_left_to_the_caller(tmp_path: Path) -> None:
    source = tmp_path / "out.mp4"
    source.write_bytes(b"recording" * 1000)
    source.chmod(0o644)
    async with open_folder_storage(tmp_path / "files") as files:
        for _ in range(2):  # again after a crash, and nothing stands in the way
            await files.put_file("recordings/a.mp4", source, "video/mp4")
        stored = tmp_path / "files" / "recordings" / "a.mp4"
        assert stored.stat().st_ino == source.stat().st_ino  # no copy on the same file system
        assert stat.S_IMODE(stored.stat().st_mode) == 0o600
        source.unlink()
        assert await files.read("recordings/a.mp4") == b"recording" * 1000
        assert [path.name for path in stored.parent.iterdir()] == ["a.mp4"]
        with pytest.raises(FileNotFoundError):
            await files.put_file("recordings/b.mp4", source, "video/mp4")
        assert [path.name for path in stored.parent.iterdir()] == ["a.mp4"]


async def test_a_file_of_another_file_system_is_copied(tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm")
    if elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("one file system")
    with tempfile.NamedTemporaryFile(dir=elsewhere) as source:
        source.write(b"recording" * 1_000_000)
        source.flush()
        async with open_folder_storage(tmp_path / "files") as files:
            await files.put_file("recordings/a.mp4", Path(source.name), "video/mp4")
            assert await files.read("recordings/a.mp4") == b"recording" * 1_000_000
            mode = (tmp_path / "files" / "recordings" / "a.mp4").stat().st_mode
            assert stat.S_IMODE(mode) == 0o600


async def test_a_copy_that_nobody_waits_for_is_given_up(tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm")
    if elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("one file system")
    with tempfile.NamedTemporaryFile(dir=elsewhere) as source:
        source.truncate(64 * 2**20)
        async with open_folder_storage(tmp_path / "files") as files:
            with trio.move_on_after(0.001) as scope:
                await files.put_file("recordings/a.mp4", Path(source.name), "video/mp4")
            if scope.cancelled_caught:
                assert list((tmp_path / "files").rglob("*.mp4")) == []
                assert list((tmp_path / "files").rglob(".unfinished-*")) == []


async def test_what_is_put_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    async with open_folder_storage(tmp_path / "files") as files:
        for name in ("link", "pipe", "files"):
            with trio.fail_after(5), pytest.raises(OSError):
                await files.put_file("recordings/a.mp4", tmp_path / name, "video/mp4")
        assert list((tmp_path / "files" / "recordings").iterdir()) == []


async def test_pieces_of_an_object(tmp_path: Path) -> None:
    async with open_folder_storage(tmp_path) as files:
        await files.write("media/a", bytes(range(100)))
        assert await files.size("media/a") == 100
        assert await files.read_range("media/a", 10, 5) == bytes(range(10, 15))
        assert await files.read_range("media/a", 95, 50) == bytes(range(95, 100))
        assert await files.read_range("media/a", 100, 1) == b""
        for start, length in ((-1, 1), (0, 0), (0, 2**20 + 1)):
            with pytest.raises(ValueError):
                await files.read_range("media/a", start, length)
        for attempt in (files.size("media/b"), files.read_range("media/b", 0, 1), files.size("none/b")):
            with pytest.raises(FileNotFoundError):
                await attempt
        (tmp_path / "media" / "link").symlink_to(tmp_path / "media" / "a")
        with pytest.raises(OSError):
            await files.read_range("media/link", 0, 1)
