"""From the wish of a co-host without an account to the film: the room hears it all, and a page needs not ask."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trio

from appliance.asyncio_thread import open_asyncio_thread
from appliance.signaling import messages
from tests.support.bot import Bot, open_bot
from tests.support.http_client import HttpClient
from tests.support.peer import Peer, loopback_candidates
from tests.support.server import Server, running_server
from tests.support.waiting import wait_for

# A film of two seconds takes five on two free cores.
WITHIN_S = 120.0


class Page:
    """Reads the stream of a signed-in person in a thread, as a browser does."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.open = threading.Event()

    def follow(self) -> None:
        url = f"{self._client.url}/api/v1/recordings/progress"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self._client.token}"})
        kind = ""
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            self.open.set()
            for line in answer:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    self.heard.append((kind, json.loads(value)))

    @property
    def statuses(self) -> list[str]:
        """Each once, in their order."""
        return list(dict.fromkeys(data["status"] for kind, data in self.heard if kind == "recording"))


@contextmanager
def following(client: HttpClient) -> Iterator[Page]:
    """Ends when the server does, or with the stream's own two minutes."""
    page = Page(client)
    thread = threading.Thread(target=page.follow, daemon=True)
    thread.start()
    assert page.open.wait(10)
    yield page


def heard(bot: Bot, kind: type[Any]) -> list[Any]:
    """Frames of a type so far."""
    return [one for one in bot.received if isinstance(one, kind)]


def test_a_cohost_without_an_account_records_and_everybody_follows(tmp_path: Path) -> None:
    with running_server(tmp_path / "server") as server:
        host = server.client().register("hanna", "Hanna")
        meeting = host.post("/meetings", {"title": "followed"})
        with following(host) as page:
            trio.run(_meet, server, host, meeting)
            # changes of a quarter of a second come together
            wait_for(lambda: "ready" in page.statuses, within_s=20)
            assert page.statuses == ["recording", "processing", "ready"]
            shares = [data["progress"]["share"] for _, data in page.heard if data["progress"] is not None]
            assert shares and shares == sorted(shares)
            (recording,) = host.get("/recordings")["items"]
            host.call("DELETE", f"/recordings/{recording['id']}")
            gone = ("removed", {"id": recording["id"]})
            wait_for(lambda: page.heard[-1] == gone, within_s=20)
        # and the open stream does not hold up the stop: `running_server` asserts that it comes in time


async def _meet(server: Server, host: HttpClient, meeting: dict[str, Any]) -> None:
    with trio.fail_after(WITHIN_S), loopback_candidates():
        async with (
            open_asyncio_thread() as thread,
            open_bot(server.url, meeting["code"], "Ann", thread, peer=Peer(colour=(200, 30, 30))) as ann,
            open_bot(server.url, meeting["code"], "Ben", thread) as ben,
        ):
            await ben.until(lambda: sum(seat.seen.frames for seat in ben.peer.seats), "Ann is seen")
            await ben.send(messages.RecordingStart(ref="early"))
            await ben.until(lambda: ben.errors, "a refusal")
            assert (ben.errors[0].code, ben.errors[0].ref) == ("forbidden", "early")
            role = f"/meetings/{meeting['id']}/participants/{ben.participant_id}/role"
            await trio.to_thread.run_sync(host.post, role, {"role": "cohost"})
            await ben.until(lambda: heard(ben, messages.Moderation), "the new role")
            await ben.send(messages.RecordingStart(layout="grid"))
            await ann.until(lambda: heard(ann, messages.Recording), "that it is recorded")
            assert (heard(ann, messages.Recording)[0].state, heard(ann, messages.Recording)[0].by_name) == ("on", "Ben")
            await trio.sleep(2)
            await ben.send(messages.RecordingStop())
            await ann.until(lambda: heard(ann, messages.RecordingProcessed), "the film", within_s=WITHIN_S)
            assert [one.state for one in heard(ann, messages.Recording)] == ["on", "off"]
            (done,) = heard(ann, messages.RecordingProcessed)
            assert done.outcome == "ready"
            progress = heard(ann, messages.RecordingProgress)
            assert progress and {one.recording_id for one in progress} == {done.recording_id}
            assert progress[-1].stage == "storing"
            await ben.until(lambda: heard(ben, messages.RecordingProcessed), "the film, too")
