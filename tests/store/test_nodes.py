"""Who runs on this database: entered, counting, gone, or taken for lost by exactly one."""

from __future__ import annotations

from pathlib import Path

from appliance.store import nodes
from tests.support.databases import open_test_database


async def test_a_node_enters_counts_and_leaves(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        assert not await database.run(nodes.beat, "node_a", 1500)
        await database.run(nodes.enter, "node_a", "host", 1000)
        assert await database.run(nodes.beat, "node_a", 1500)
        await database.run(nodes.enter, "node_b", "other", 1000)
        assert await database.read(nodes.beats) == {"node_a": 2, "node_b": 1}
        # anew: nobody takes it for the one that stood still
        await database.run(nodes.enter, "node_a", "host", 2000, "0.2.0")
        assert await database.read(nodes.beats) == {"node_a": 3, "node_b": 1}
        first, second = await database.read(nodes.every)
        assert (first.id, first.name, first.started_at_ms, first.seen_at_ms) == ("node_b", "other", 1000, 1000)
        assert (second.id, second.version, second.meetings, second.participants) == ("node_a", "0.2.0", 0, 0)
        await database.run(nodes.beat, "node_b", 7000)
        assert (await database.read(nodes.every))[0].seen_at_ms == 7000
        await database.run(nodes.leave, "node_b")
        assert await database.read(nodes.beats) == {"node_a": 3}
        await database.run(nodes.leave, None)
        assert await database.read(nodes.beats) == {}


async def test_only_one_that_stands_still_is_buried_and_once(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(nodes.enter, "node_a", "host", 1000)
        seen = (await database.read(nodes.beats))["node_a"]
        await database.run(nodes.beat, "node_a", 1500)
        assert not await database.run(nodes.bury, "node_a", seen)
        assert await database.run(nodes.bury, "node_a", seen + 1)
        assert not await database.run(nodes.bury, "node_a", seen + 1)
        assert not await database.run(nodes.beat, "node_a", 1500)
