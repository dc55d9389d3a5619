"""A ban that is told closes that account's connections, and no other event does."""

from __future__ import annotations

import trio
import trio.testing

from appliance.bus.live import LiveBus
from appliance.events.catalogue import UserRegistered, UserStatusChanged
from appliance.events.envelope import envelop
from appliance.reactions.revoked import follow_revoked


async def test_who_is_banned_is_revoked() -> None:
    bus = LiveBus()
    revoked: list[str] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow_revoked, bus, revoked.append)
        await trio.testing.wait_all_tasks_blocked()
        bus.tell(envelop(UserRegistered(user_id="usr_a", username="a"), event_id="evt_1", at_ms=1))
        changed = UserStatusChanged(user_id="usr_b", status="banned", role="user")
        bus.tell(envelop(changed, event_id="evt_2", at_ms=2))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert revoked == ["usr_b"]
