"""Large files arrive whole: in parts, through outages, and after a kill in the middle without beginning anew."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import trio

from appliance.files import s3_upload
from appliance.files.s3 import S3Storage, open_s3_storage
from appliance.files.s3_upload import MAX_PARTS, PART_BYTES, part_bytes
from appliance.settings import StorageSettings
from tests.support.children import die_with_parent
from tests.support.relay import relay_to
from tests.support.s3_server import S3Server
from tests.support.waiting import until

MIB = 1024 * 1024
PARTS = 5

# A server that is killed: the path, the key and what it is about to ask for when that happens, and how often before.
KILLED = """
import os, signal, sys
from pathlib import Path
import msgspec, trio
from appliance.files.s3 import open_s3_storage
from appliance.settings import StorageSettings

settings = msgspec.json.decode(sys.argv[1], type=StorageSettings)
path, key, moment, left = sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5])

def look(**_):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1

async def main():
    async with open_s3_storage(settings) as files:
        files._client.meta.events.register(moment, look)
        await files.put_file(key, Path(path), "video/mp4")

trio.run(main)
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of five parts, the last one short."""
    path = tmp_path_factory.mktemp("large") / "meeting.mp4"
    path.write_bytes(random.Random(5).randbytes((PARTS - 1) * PART_BYTES + 12_345))
    return path


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def put(settings: StorageSettings, key: str, path: Path) -> dict[str, int]:
    """Put by a server of its own; what it counted."""
    async with open_s3_storage(settings) as files:
        await files.put_file(key, path, "video/mp4")
        return files.statistics()


def killed(settings: StorageSettings, key: str, path: Path, moment: str, after: int = 0) -> None:
    given = [msgspec.json.encode(settings).decode(), str(path), key, moment, str(after)]
    child = subprocess.Popen([sys.executable, "-c", KILLED, *given], preexec_fn=die_with_parent)
    assert child.wait(60) == -signal.SIGKILL


def test_parts_are_large_enough_for_any_file() -> None:
    for size in (1, PART_BYTES, PART_BYTES * MAX_PARTS):
        assert part_bytes(size) == PART_BYTES
    for size in (PART_BYTES * MAX_PARTS + 1, 5 * 2**40):
        assert part_bytes(size) % MIB == 0
        assert -(-size // part_bytes(size)) <= MAX_PARTS


@pytest.mark.slow
async def test_small_and_large_files_arrive_with_their_type(s3: S3Server, large: Path, tmp_path: Path) -> None:
    settings = s3.settings(prefix="plain/")
    for name, content in (("empty", b""), ("small", b"x" * 1000), ("one-part", os.urandom(PART_BYTES))):
        (tmp_path / name).write_bytes(content)
        counted = await put(settings, f"recordings/{name}", tmp_path / name)
        assert (counted["parts_sent"], counted["writes"]) == (0, 1)
        assert s3.content(f"plain/recordings/{name}") == content
    counted = await put(settings, "recordings/large", large)
    assert (counted["parts_sent"], counted["parts_kept"]) == (PARTS, 0)
    assert digest(s3.content("plain/recordings/large")) == digest(large.read_bytes())
    head = s3.client.head_object(Bucket=s3.bucket, Key="plain/recordings/large")
    assert head["ContentType"] == "video/mp4"
    assert s3.unfinished() == {}


@pytest.mark.slow
async def test_a_killed_server_goes_on_where_it_was(s3: S3Server, large: Path) -> None:
    settings = s3.settings(prefix="killed/")
    killed(settings, "recordings/a.mp4", large, "before-call.s3.UploadPart", after=3)
    assert s3.unfinished() == {"killed/recordings/a.mp4": [1, 2, 3]}
    assert "killed/recordings/a.mp4" not in s3.names()  # never half there
    counted = await put(settings, "recordings/a.mp4", large)
    assert (counted["parts_sent"], counted["parts_kept"]) == (PARTS - 3, 3)
    assert digest(s3.content("killed/recordings/a.mp4")) == digest(large.read_bytes())
    assert s3.unfinished() == {}


@pytest.mark.slow
async def test_a_server_killed_around_the_last_request(s3: S3Server, large: Path) -> None:
    settings = s3.settings(prefix="last/")
    killed(settings, "recordings/a.mp4", large, "before-call.s3.CompleteMultipartUpload")
    assert "last/recordings/a.mp4" not in s3.names()
    counted = await put(settings, "recordings/a.mp4", large)
    assert (counted["parts_sent"], counted["parts_kept"]) == (0, PARTS)
    killed(settings, "recordings/b.mp4", large, "after-call.s3.CompleteMultipartUpload")
    counted = await put(settings, "recordings/b.mp4", large)
    assert (counted["parts_sent"], counted["parts_kept"]) == (0, 0)  # it is there, and found to be the same
    for key in ("recordings/a.mp4", "recordings/b.mp4"):
        assert digest(s3.content(f"last/{key}")) == digest(large.read_bytes())
    assert s3.unfinished() == {}


@pytest.mark.slow
async def test_a_file_that_changed_meanwhile_is_not_mixed_with_its_former_self(
    s3: S3Server, large: Path, tmp_path: Path
) -> None:
    settings = s3.settings(prefix="changed/")
    killed(settings, "recordings/a.mp4", large, "before-call.s3.UploadPart", after=3)
    other = bytearray(large.read_bytes())
    other[PART_BYTES + 7] ^= 1
    (tmp_path / "other.mp4").write_bytes(other)
    counted = await put(settings, "recordings/a.mp4", tmp_path / "other.mp4")
    assert (counted["parts_sent"], counted["parts_kept"]) == (PARTS - 2, 2)
    assert digest(s3.content("changed/recordings/a.mp4")) == digest(bytes(other))
    # The same size as before, other bytes: replaced, not taken for the same.
    counted = await put(settings, "recordings/a.mp4", large)
    assert counted["parts_sent"] == PARTS
    assert digest(s3.content("changed/recordings/a.mp4")) == digest(large.read_bytes())


@pytest.mark.slow
async def test_an_outage_is_waited_out(s3: S3Server, large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_upload, "PAUSES_S", (0.2,) * 20)
    with relay_to(s3.port) as relay:
        async with open_s3_storage(s3.settings(prefix="out/", endpoint_url=f"http://127.0.0.1:{relay.port}")) as files:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(files.put_file, "recordings/a.mp4", large, "video/mp4")
                await until(lambda: files.statistics()["parts_sent"] >= 2, each_s=0.01)
                relay.go_silent()
                await trio.sleep(0.5)
                relay.come_back(reset=True)
            assert files.statistics()["parts_sent"] == PARTS
    assert digest(s3.content("out/recordings/a.mp4")) == digest(large.read_bytes())


@pytest.mark.slow
async def test_a_cancelled_upload_is_resumed(s3: S3Server, large: Path) -> None:
    async with open_s3_storage(s3.settings(prefix="cancelled/")) as files:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(files.put_file, "recordings/a.mp4", large, "video/mp4")
            await until(lambda: files.statistics()["parts_sent"] >= 2, each_s=0.01)
            nursery.cancel_scope.cancel()
        assert "cancelled/recordings/a.mp4" not in s3.names()
        await files.put_file("recordings/a.mp4", large, "video/mp4")
        assert files.statistics()["parts_kept"] >= 2
    assert digest(s3.content("cancelled/recordings/a.mp4")) == digest(large.read_bytes())


async def begin(files: S3Storage, name: str) -> None:
    await files.request("create_multipart_upload", Key=name)


async def test_what_nobody_finishes_is_removed_below_our_prefix_alone(s3: S3Server) -> None:
    async with open_s3_storage(s3.settings(prefix="stale/")) as files:
        await begin(files, "stale/recordings/a.mp4")
        await begin(files, "others/recordings/a.mp4")
        now_ms = time.time_ns() // 1_000_000
        # moto begins every upload in 2010.
        assert await files.forget_unfinished(0) == 0
        assert set(s3.unfinished()) == {"stale/recordings/a.mp4", "others/recordings/a.mp4"}
        assert await files.forget_unfinished(now_ms) == 1
        assert set(s3.unfinished()) == {"others/recordings/a.mp4"}


async def test_what_is_put_is_a_file(s3: S3Server, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    async with open_s3_storage(s3.settings(prefix="odd/")) as files:
        for name in ("link", "none", "."):
            with pytest.raises(OSError):
                await files.put_file("recordings/a.mp4", tmp_path / name, "video/mp4")
    assert not [key for key in s3.names() if key.startswith("odd/")]
