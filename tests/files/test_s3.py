"""The S3 storage against a real service: the same promises as the folder's, and what an administrator is told."""

from __future__ import annotations

import builtins
from typing import Any

import pytest
import trio

from appliance.errors import ConfigError
from appliance.files.s3 import open_s3_storage
from appliance.files.storage import BadKeyError, StorageUnavailableError
from tests.support.ports import free_port
from tests.support.relay import relay_to
from tests.support.s3_server import SECRET, S3Server


async def test_what_is_written_is_read_until_it_is_deleted(s3: S3Server) -> None:
    async with open_s3_storage(s3.settings(prefix="one/")) as files:
        with pytest.raises(FileNotFoundError):
            await files.read("avatars/a.webp")
        await files.write("avatars/a.webp", b"one")
        await files.write("avatars/a.webp", b"two" * 100_000)
        assert await files.read("avatars/a.webp") == b"two" * 100_000
        assert s3.content("one/avatars/a.webp") == b"two" * 100_000
        assert await files.delete("avatars/a.webp") is True
        assert await files.delete("avatars/a.webp") is False
        assert "one/avatars/a.webp" not in s3.names()
        counted = files.statistics()
        assert [counted[name] for name in ("reads", "writes", "deletes")] == [2, 2, 2]
        assert [counted[name] for name in ("failures", "waiting")] == [0, 0]


async def test_pieces_of_an_object(s3: S3Server) -> None:
    async with open_s3_storage(s3.settings(prefix="")) as files:
        await files.write("media/a", bytes(range(100)))
        assert await files.size("media/a") == 100
        assert await files.read_range("media/a", 10, 5) == bytes(range(10, 15))
        assert await files.read_range("media/a", 95, 50) == bytes(range(95, 100))
        assert await files.read_range("media/a", 100, 1) == b""
        for start, length in ((-1, 1), (0, 0), (0, 2**20 + 1)):
            with pytest.raises(ValueError):
                await files.read_range("media/a", start, length)
        for attempt in (files.size("media/b"), files.read_range("media/b", 0, 1)):
            with pytest.raises(FileNotFoundError):
                await attempt


async def test_other_names_are_refused(s3: S3Server) -> None:
    async with open_s3_storage(s3.settings()) as files:
        for key in ("", "a", "avatars/../a", "../a/b", "avatars/.hidden", "avatars/a/b", "avatars/a\x00"):
            for attempt in (files.read(key), files.write(key, b""), files.delete(key), files.size(key)):
                with pytest.raises(BadKeyError):
                    await attempt


async def test_many_at_once(s3: S3Server) -> None:
    async with open_s3_storage(s3.settings(prefix="many/")) as files:
        async with trio.open_nursery() as nursery:
            for number in range(40):
                nursery.start_soon(files.write, f"avatars/{number}", str(number).encode())
        for number in range(40):
            assert await files.read(f"avatars/{number}") == str(number).encode()


async def test_an_administrator_is_told_what_is_wrong(s3: S3Server, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match=r"storage\.bucket = 'nothing': there is no such bucket"):
        async with open_s3_storage(s3.settings(bucket="nothing")):
            raise AssertionError("opened")
    assert SECRET not in capsys.readouterr().out


async def test_the_package_that_is_missing_is_named(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name.partition(".")[0] in ("boto3", "botocore"):
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"parley\[s3\]"):
        async with open_s3_storage(s3.settings()):
            raise AssertionError("opened")


@pytest.mark.slow
async def test_a_service_that_is_away_stops_no_server(capsys: pytest.CaptureFixture[str], s3: S3Server) -> None:
    async with open_s3_storage(s3.settings(endpoint_url=f"http://127.0.0.1:{free_port()}")) as files:
        assert "storage_unavailable" in capsys.readouterr().out
        with pytest.raises(StorageUnavailableError) as caught:
            await files.read("avatars/a")
        assert SECRET not in str(caught.value)
        assert files.statistics()["failures"] == 2


@pytest.mark.slow
async def test_who_does_not_wait_any_longer_is_free_at_once(s3: S3Server) -> None:
    with relay_to(s3.port) as relay:
        async with open_s3_storage(s3.settings(endpoint_url=f"http://127.0.0.1:{relay.port}")) as files:
            await files.write("avatars/a", b"x")
            relay.go_silent()
            with trio.fail_after(2), trio.move_on_after(0.2) as scope:
                await files.read("avatars/a")
            assert scope.cancelled_caught
            relay.come_back(reset=True)
            assert await files.read("avatars/a") == b"x"
