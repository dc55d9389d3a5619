"""What was received of an upload stays, grows at its end only, and belongs to one at a time."""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path

import pytest
import trio
import trio.testing

from appliance.errors import ConfigError
from appliance.files.staging import BusyError, open_staging

ONE = "med_" + "a" * 20
TWO = "med_" + "b" * 20


async def test_an_upload_grows_and_is_still_there_after_a_restart(tmp_path: Path) -> None:
    async with open_staging(tmp_path / "uploads") as staging:
        assert stat.S_IMODE((tmp_path / "uploads").stat().st_mode) == 0o700
        async with staging.open(ONE, create=True) as file:
            await file.append(b"one")
            await file.append(b"two")
            assert file.size == 6
            await file.sync()
            assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    async with open_staging(tmp_path / "uploads") as staging:
        assert await staging.size(ONE) == 6
        assert await staging.ids() == [ONE]
        async with staging.open(ONE) as file:
            await file.append(b"three")
            await file.cut(4)
            await file.append(b"!")
        assert (tmp_path / "uploads" / ONE).read_bytes() == b"onet!"
        with pytest.raises(FileExistsError):
            async with staging.open(ONE, create=True):
                raise AssertionError("opened")
        await staging.remove(ONE)
        await staging.remove(ONE)
        assert await staging.ids() == []
        for attempt in (staging.size(ONE), staging.open(ONE).__aenter__()):
            with pytest.raises(FileNotFoundError):
                await attempt


async def test_one_at_a_time(tmp_path: Path) -> None:
    order: list[str] = []

    async def later() -> None:
        async with staging.hold(ONE, wait=True):
            order.append("later")

    async with open_staging(tmp_path) as staging, trio.open_nursery() as nursery, staging.hold(ONE):
        with pytest.raises(BusyError):
            async with staging.hold(ONE):
                raise AssertionError("held")
        async with staging.hold(TWO):
            assert staging.statistics()["active"] == 2
        nursery.start_soon(later)
        await trio.testing.wait_all_tasks_blocked()
        order.append("first")
    assert order == ["first", "later"]


async def test_nothing_leads_out_of_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "uploads"
    (tmp_path / "secret").write_text("secret")
    async with open_staging(root) as staging:
        (root / ONE).symlink_to(tmp_path / "secret")
        os.mkfifo(root / TWO)
        for name in (ONE, TWO):
            with trio.fail_after(5), pytest.raises(OSError):
                async with staging.open(name):
                    raise AssertionError("opened")
            with pytest.raises(FileNotFoundError):
                await staging.size(name)
        for name in ("", "..", "../secret", ONE + "/x", ONE + "\n", "MED_" + "a" * 20):
            for attempt in (staging.size(name), staging.remove(name), staging.open(name).__aenter__()):
                with pytest.raises(ValueError):
                    await attempt
        await staging.remove(ONE)  # the link
    assert (tmp_path / "secret").read_text() == "secret"


async def test_a_disk_that_is_full_takes_all_or_nothing(tmp_path: Path) -> None:
    async with open_staging(tmp_path) as staging, staging.open(ONE, create=True) as file:
        await file.append(b"x" * 100)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (150, before[1]))  # as a quota: some of it fits
        try:
            with pytest.raises(OSError):
                await file.append(b"y" * 100)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert file.size == 100 == file.path.stat().st_size


async def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file"):
        async with open_staging(tmp_path / "file"):
            raise AssertionError("opened")
