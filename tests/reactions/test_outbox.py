"""What the relay needs to tell apart: the database is away, or a reaction is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.bus.relay import OutboxAwayError, Refused
from appliance.events.catalogue import UserRegistered
from appliance.events.envelope import Envelope, envelop
from appliance.reactions.outbox import StoredOutbox
from appliance.store import outbox
from appliance.store.database import Conn, Database, DatabaseUnavailableError
from tests.support.databases import open_test_database

REGISTERED = envelop(UserRegistered(user_id="usr_a", username="ana"), event_id="evt_1", at_ms=1)


class Away:
    """A database that is not there."""

    async def run(self, *_: Any, **__: Any) -> Any:
        raise DatabaseUnavailableError("no connection")

    read = run


async def _spread(database: Database) -> StoredOutbox:
    await database.run(outbox.add, REGISTERED)
    stored = StoredOutbox(database, lambda: 2)
    spread = await stored.spread({"mail": {"user.registered"}}, 10)
    assert [envelope.id for envelope in spread.envelopes] == ["evt_1"]
    return stored


async def test_an_outage_is_told_as_one() -> None:
    stored = StoredOutbox(Away(), lambda: 2)  # type: ignore[arg-type]
    with pytest.raises(OutboxAwayError, match="no connection"):
        await stored.spread({}, 10)
    with pytest.raises(OutboxAwayError):
        await stored.next_due_ms("mail")


async def test_a_reaction_that_raises_is_refused_with_its_reason(tmp_path: Path) -> None:
    async def wrong(conn: Conn, envelope: Envelope) -> None:
        raise ValueError("wrong")

    async def away(conn: Conn, envelope: Envelope) -> None:
        raise DatabaseUnavailableError("disk full")

    async with open_test_database(tmp_path) as database:
        stored = await _spread(database)
        refused = await stored.react("mail", wrong, 10)
        assert isinstance(refused, Refused)
        assert (refused.event_id, refused.attempts, str(refused.error)) == ("evt_1", 0, "wrong")
        with pytest.raises(OutboxAwayError, match="disk full"):
            await stored.react("mail", away, 10)
