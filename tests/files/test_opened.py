"""The settings choose, and what is put is found by whoever opens the same storage."""

from __future__ import annotations

from pathlib import Path

from appliance.files.opened import open_storage
from appliance.settings import StorageSettings
from tests.support.s3_server import S3Server


async def test_a_folder_or_a_service(s3: S3Server, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"recording")
    for settings in (StorageSettings(), s3.settings(prefix="opened/")):
        async with open_storage(settings, tmp_path / "files") as files:
            await files.put_file("recordings/a.mp4", source, "video/mp4")
            assert await files.forget_unfinished(0) == 0
        async with open_storage(settings, tmp_path / "files") as files:
            assert await files.read("recordings/a.mp4") == b"recording"
    assert (tmp_path / "files" / "recordings" / "a.mp4").exists()
    assert "opened/recordings/a.mp4" in s3.names()
