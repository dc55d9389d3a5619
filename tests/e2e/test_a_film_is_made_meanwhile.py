"""A recorded meeting's first minute is in the film before the meeting is over, and is taken over at the end."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import av
import pytest
import trio

from appliance.asyncio_thread import open_asyncio_thread
from tests.support.bot import open_bot
from tests.support.http_client import HttpClient
from tests.support.peer import Peer, loopback_candidates
from tests.support.processed import processed
from tests.support.server import Server, running_server
from tests.support.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

# A minute is made once twenty seconds more are recorded; the rest is for machines that have a lot else to do.
MADE_WITHIN_S = 600.0


def _record(server: Server, host: HttpClient) -> tuple[dict[str, Any], float, float]:
    """The recording when its film is there, and the seconds that it ran at least and at most."""
    meeting = host.post("/meetings", {"title": "meanwhile"})

    async def meet() -> tuple[dict[str, Any], float, float]:
        with loopback_candidates():
            async with open_asyncio_thread() as thread:
                peer = Peer(colour=(200, 30, 30), tone_hz=440)
                async with open_bot(server.url, meeting["code"], "Ann", thread, peer=peer) as bot:
                    await bot.until(lambda: server.metric("sfu_producers") >= 2, "media flow")
                    body = {"meeting_id": meeting["id"], "live": True}
                    asked_start = time.monotonic()
                    started = await trio.to_thread.run_sync(host.post, "/recordings", body)
                    began = time.monotonic()
                    assert started["progress"] is None
                    seen = await until(lambda: _made(host, started["id"]), within_s=MADE_WITHIN_S, each_s=0.5)
                    assert (seen["status"], seen["progress"]["stage"]) == ("recording", "live")
                    assert 0 < seen["progress"]["share"] < 1
                    least_s = time.monotonic() - began
                    await trio.to_thread.run_sync(host.post, f"/recordings/{started['id']}/stop")
                    most_s = time.monotonic() - asked_start
                return await trio.to_thread.run_sync(processed, host, started["id"]), least_s, most_s

    return trio.run(meet)


async def _made(host: HttpClient, recording_id: str) -> dict[str, Any] | None:
    seen: dict[str, Any] = await trio.to_thread.run_sync(host.get, f"/recordings/{recording_id}")
    return seen if seen["progress"] else None


def test_a_film_is_made_meanwhile(tmp_path: Path) -> None:
    with running_server(tmp_path / "server") as server:
        host = server.client().register("hanna", "Hanna")
        recording, least_s, most_s = _record(server, host)
        assert (recording["status"], recording["error"]) == ("ready", None)
        assert least_s - 0.5 < recording["duration_s"] < most_s + 0.5
        path = tmp_path / "meeting.mp4"
        path.write_bytes(host.download(f"/recordings/{recording['id']}/file"))
        with av.open(str(path)) as film:
            times = [frame.time for frame in film.decode(video=0)]
        assert times == pytest.approx([number / 25 for number in range(len(times))], abs=1e-6)
        assert abs(times[-1] - recording["duration_s"]) < 0.1
        (ready,) = [line for line in server.log().splitlines() if "recording_ready" in line]
        parts, before = (int(number) for number in re.findall(r"parts(?:_made_before)?=(\d+)", ready))
        assert parts == -(-len(times) // (60 * 25)), ready
        assert 1 <= before <= parts, ready
