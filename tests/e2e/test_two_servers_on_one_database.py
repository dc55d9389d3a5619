"""Two servers on one PostgreSQL: each has meetings of its own, and one that crashes takes nothing of the other's along.

With a shorter time-out than people would set.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.asyncio_thread import open_asyncio_thread
from appliance.events.envelope import decode
from appliance.signaling import messages
from tests.support.bot import Bot, open_bot
from tests.support.http_client import PASSWORD, HttpClient
from tests.support.peer import Peer, loopback_candidates
from tests.support.postgres import Postgres
from tests.support.server import Server, running_server

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LOST_AFTER_S = 3.0
# Twenty seconds on two free cores; other tests may have them.
BOUND_S = 120.0


def sign_in(server: Server, name: str) -> HttpClient:
    """The account at this server: each has a secret of its own, and so its own tokens."""
    answer = server.client().post("/auth/login", {"login": name, "password": PASSWORD})
    return HttpClient(server.url, answer["access_token"])


def joins(client: HttpClient, meeting: dict[str, Any]) -> dict[str, bool]:
    """Who was or is in the meeting, and whether still."""
    page = client.get(f"/meetings/{meeting['id']}/participants")
    return {join["name"]: join["left_at"] is None for join in page["items"]}


def told_left(postgres: Postgres, database: str) -> list[tuple[str, str, str]]:
    """Meeting, name and reason of each departure that was told."""
    rows = postgres.sql("SELECT envelope FROM events WHERE type = 'meeting.user_left' ORDER BY n", database)
    events: list[Any] = [decode(row).event for row in rows.splitlines()]
    return [(event.meeting_id, event.name, event.reason) for event in events]


def seen(bot: Bot) -> int:
    """Pictures that came so far."""
    return sum(seat.seen.frames for seat in bot.peer.seats)


async def eventually(look: Callable[[], Any], *, within_s: float) -> float:
    """Seconds until it holds; looked at in a thread, for it asks a server."""
    began = time.monotonic()
    with trio.fail_after(within_s):
        while not await trio.to_thread.run_sync(look):  # noqa: ASYNC110  # another process, asked from outside
            await trio.sleep(0.2)
    return time.monotonic() - began


def test_a_crash_ends_its_own_meetings_alone(tmp_path: Path, postgres: Postgres) -> None:
    url = postgres.new_database()
    database = url.rpartition("/")[2]
    shared = {
        "PARLEY_DATABASE__URL": url,
        "PARLEY_DATABASE__NODE_LOST_AFTER_S": str(LOST_AFTER_S),
        # the cheapest hash that the settings allow
        "PARLEY_AUTH__ARGON2_MEMORY_KIB": "8192",
        "PARLEY_AUTH__ARGON2_PASSES": "1",
    }
    with running_server(tmp_path / "a", shared) as doomed, running_server(tmp_path / "b", shared) as survivor:
        doomed.administrator()
        here = doomed.client().register("hanna", "Hanna")
        there = sign_in(survivor, "hanna")
        root = sign_in(survivor, "root")
        theirs = here.post("/meetings", {"title": "on a"})
        ours = there.post("/meetings", {"title": "on b"})

        async def meet() -> None:
            with trio.fail_after(BOUND_S), loopback_candidates():
                async with (
                    open_asyncio_thread() as thread,
                    open_bot(survivor.url, ours["code"], "Bea", thread, peer=Peer(colour=(30, 30, 200))),
                    open_bot(survivor.url, ours["code"], "Ben", thread) as ben,
                ):
                    await ben.until(lambda: seen(ben), "Bea is seen")
                    await crash(thread)
                    frames = seen(ben)
                    lost_after_s = await eventually(lambda: joins(there, theirs) == {"Ann": False}, within_s=BOUND_S)
                    assert lost_after_s > LOST_AFTER_S / 2  # not before it could have said something
                    await trio.sleep(LOST_AFTER_S)  # as long again: the other is not taken for lost
                    await ben.until(lambda: seen(ben) > frames + 20, "Bea is still seen")
                    assert (await trio.to_thread.run_sync(joins, there, ours)) == {"Bea": True, "Ben": True}
                    assert not [one for one in ben.received if isinstance(one, messages.UserLeft)]
                    # the crashed one's meeting goes on where people come to
                    async with open_bot(survivor.url, theirs["code"], "Cy", thread) as cy:
                        assert [one.name for one in cy.participants.values()] == ["Cy"]
                        nodes = (await trio.to_thread.run_sync(root.get, "/admin/nodes"))["items"]
                        assert [(node["meetings"], node["participants"]) for node in nodes] == [(2, 3)]

        async def crash(thread: Any) -> None:
            """A meeting on the other one, with somebody in it, until it is killed."""
            async with open_bot(doomed.url, theirs["code"], "Ann", thread) as ann:
                await ann.until(lambda: any(isinstance(one, messages.Answer) for one in ann.received), "an answer")
                nodes = (await trio.to_thread.run_sync(root.get, "/admin/nodes"))["items"]
                assert [(node["this_server"], node["meetings"], node["participants"]) for node in nodes] == [
                    (False, 1, 1),
                    (True, 1, 2),
                ]
                assert (await trio.to_thread.run_sync(joins, there, theirs)) == {"Ann": True}
                await trio.to_thread.run_sync(doomed.kill)

        trio.run(meet)
        assert told_left(postgres, database)[0] == (theirs["id"], "Ann", "lost")
        assert [name for _, name, reason in told_left(postgres, database) if reason == "lost"] == ["Ann"]
        assert len(re.findall("node_lost", survivor.log())) == 1
        assert "node_was_taken_for_lost" not in survivor.log()
