"""`kill -9` while a meeting is recorded: the next start closes the recording, and it plays up to the kill.

Five instants in each run, from a seed; ``PARLEY_KILLS=50`` takes as many.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import av
import pytest
import trio

from appliance.asyncio_thread import open_asyncio_thread
from tests.support.bot import open_bot
from tests.support.http_client import HttpClient
from tests.support.peer import Peer, loopback_candidates
from tests.support.processed import processed
from tests.support.server import Server, running_server

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SEED = 20261128
KILLS = int(os.environ.get("PARLEY_KILLS", "5"))
LONGEST_S = 4.0
# What a kill may cost (MEDIA-NOTES, recording integrity).
LOST_S = 1.0


def _seconds(path: Path, kind: str) -> float:
    """Where the last frame of a file's first stream of a kind ends."""
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        frames = [frame.time for frame in container.decode(stream) if frame.time is not None]
    assert frames
    return max(frames)


def _record_until_killed(server: Server, host: HttpClient, after_s: float) -> tuple[str, float, float]:
    """A meeting with one guest, recorded for a while and killed; the recording and how long it had run, at least and at
    most."""
    meeting = host.post("/meetings", {"title": "killed"})

    async def meet() -> tuple[str, float, float]:
        with trio.fail_after(120), loopback_candidates():
            async with open_asyncio_thread() as thread:
                peer = Peer(colour=(200, 30, 30), tone_hz=440)
                async with open_bot(server.url, meeting["code"], "Ann", thread, peer=peer) as bot:
                    await bot.until(lambda: server.metric("sfu_producers") >= 2, "media flow")
                    await trio.sleep(0.5)
                    asked = time.monotonic()
                    started = await trio.to_thread.run_sync(host.post, "/recordings", {"meeting_id": meeting["id"]})
                    began = time.monotonic()
                    await trio.sleep(after_s)
                    await trio.to_thread.run_sync(server.kill)
                    killed = time.monotonic()
                    return str(started["id"]), killed - began, killed - asked

    return trio.run(meet)


def test_a_killed_server_loses_no_recording(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    with running_server(tmp_path / "server") as server:
        host = server.client().register("hanna", "Hanna")
        for number in range(KILLS):
            after_s = chance.uniform(1.0, LONGEST_S)
            recording_id, ran_s, longest_s = _record_until_killed(server, host, after_s)
            server.start()
            recording = processed(host, recording_id)
            told = f"instant {number}: killed after {ran_s:.2f} s, {recording}"
            assert (recording["status"], recording["recovered"]) == ("ready", True), told
            assert ran_s - LOST_S < recording["duration_s"] < longest_s + 0.5, told
            path = tmp_path / "meeting.mp4"
            path.write_bytes(host.download(f"/recordings/{recording_id}/file"))
            for kind in ("video", "audio"):
                assert _seconds(path, kind) > ran_s - LOST_S - 0.1, told
            assert {track["source"] for track in recording["tracks"]} == {"microphone", "camera"}, told
        assert not list((tmp_path / "server").rglob("*.journal")), "journals go when the files are stored"
