"""What each plugin was is remembered, the last word counts."""

from __future__ import annotations

from pathlib import Path

from appliance.store import known_plugins
from appliance.store.known_plugins import KnownPlugin
from tests.support.databases import open_test_database


async def test_the_last_word_counts(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        assert await database.read(known_plugins.every) == []
        mail = KnownPlugin(name="mail", groups=("parley.notifiers",), events=())
        ears = KnownPlugin(name="ears", groups=("parley.event_listeners",), events=("meeting.ended", "user.registered"))
        for plugin in (mail, KnownPlugin(name="ears", groups=(), events=("meeting.started",)), ears):
            await database.run(known_plugins.put, plugin)
        assert await database.read(known_plugins.every) == [ears, mail]
