"""Whoever is banned, deleted or given another role leaves every room, on every node."""

from __future__ import annotations

from collections.abc import Callable

from appliance.bus.live import LiveBus
from appliance.events.catalogue import UserStatusChanged


async def follow_revoked(live: LiveBus, revoke: Callable[[str], None]) -> None:
    """For ever: call ``revoke`` with the account's id.

    The node where it happened has revoked at once; this is for the others, where the live bus reaches them.
    """
    with live.listen({"user.status_changed"}) as listener:
        async for envelope in listener:
            if isinstance(envelope.event, UserStatusChanged):
                revoke(envelope.event.user_id)
