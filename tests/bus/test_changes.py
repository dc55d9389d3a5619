"""Changes by name: each watcher hears each once, never too many, and none for ever."""

from __future__ import annotations

import trio
import trio.testing

from appliance.bus.changes import Changes


async def test_each_hears_what_changed_since_it_looked_once() -> None:
    changes = Changes()
    changes.tell("before")
    with changes.watch("ann") as ann, changes.watch("bob") as bob:
        for name in ("a", "b", "a"):
            changes.tell(name)
        assert await ann.wait() == ["a", "b"]
        changes.tell("c")
        assert await ann.wait() == ["c"]
        assert await bob.wait() == ["a", "b", "c"]
        assert (changes.watching(), changes.watching("ann"), changes.watching("eve")) == (2, 1, 0)
    assert changes.watching() == 0


async def test_who_waits_is_woken_by_a_change_and_by_the_end() -> None:
    changes = Changes()
    heard: list[list[str]] = []

    async def watch() -> None:
        with changes.watch("ann") as watcher:
            while not watcher.closed:
                heard.append(await watcher.wait())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await trio.testing.wait_all_tasks_blocked()
        changes.tell("a")
        await trio.testing.wait_all_tasks_blocked()
        changes.close()
    assert heard == [["a"], []]
    with changes.watch("late") as late:  # the server stops already
        assert late.closed and await late.wait() == []


async def test_who_does_not_look_loses_the_oldest() -> None:
    changes = Changes()
    with changes.watch("ann") as ann:
        for number in range(1500):
            changes.tell(f"rec_{number}")
        assert changes.statistics() == {"watchers": 1, "told": 1500, "missed": 500}
        assert await ann.wait() == [f"rec_{number}" for number in range(500, 1500)]
