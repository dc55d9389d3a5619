"""Replies come once, as a value or as an error."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from appliance.errors import UserError
from appliance.live.commands import End, Reply


async def test_a_reply_gives_its_value_to_who_waits() -> None:
    reply: Reply[int] = Reply()
    got: list[int] = []

    async def wait() -> None:
        got.append(await reply.wait())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        assert got == []
        reply.give(0)
    assert got == [0]


async def test_a_refusal_is_raised_and_does_not_undo_an_answer() -> None:
    refused: Reply[int] = Reply()
    refused.refuse(UserError(409, "meeting_full", "full"))
    with pytest.raises(UserError, match="full"):
        await refused.wait()
    given: Reply[int] = Reply()
    given.give(3)
    given.refuse(UserError(503, "try_again", "late"))
    assert await given.wait() == 3


def test_each_command_has_a_reply_of_its_own() -> None:
    assert End(None, stored=True).reply is not End(None, stored=True).reply
