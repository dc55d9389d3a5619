"""The whole server with two job types more, run as `python tests/support/jobs_server.py` in place of `parley serve`.

Owns the types of the crash test: ``test.feed`` makes changes that want a job, each with its order in one transaction,
and ``test.effect`` is what they want. Everything else is the product: same settings, same parts, same runner. The
types come in by the door that plugins' types come in by (`app.run`'s ``add_jobs``).
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import msgspec
import trio

from appliance import settings_file
from appliance.app import run
from appliance.errors import ConfigError
from appliance.jobs.places import JobContext
from appliance.jobs.registry import Registry
from appliance.jobs.schedule import Every
from appliance.jobs.types import JobType, NoPayload
from appliance.observe import log
from appliance.store import jobs
from appliance.store.database import Conn, Database
from tests.support.queued_jobs import now_ms

# Changes that one feed makes, each with its job; two orders for each, to see that the second one is the first.
CHANGES = 25
# An effect takes up to this long, so that a kill meets several of them on the way.
EFFECT_MOST_S = 0.1
# The product's four attempts would make a job that four kills in a row meet a dead letter, which is right and another
# test's subject.
ATTEMPTS = 50


class Effect(msgspec.Struct, frozen=True):
    """What a change wants."""

    change: str


FEED = JobType(name="test.feed", payload=NoPayload, attempts=ATTEMPTS, retry_s=0.01)
EFFECT = JobType(name="test.effect", payload=Effect, attempts=ATTEMPTS, retry_s=0.01)


async def make_tables(conn: Conn) -> None:
    """Changes; effects, once for each key; and one row for each time that a handler began."""
    await conn.execute("CREATE TABLE test_changes (id TEXT PRIMARY KEY, job_id TEXT NOT NULL)")
    await conn.execute("CREATE TABLE test_effects (effect_key TEXT PRIMARY KEY)")
    await conn.execute("CREATE TABLE test_begun (effect_key TEXT NOT NULL, attempt BIGINT NOT NULL)")


async def _change(conn: Conn, change: str, at_ms: int) -> None:
    """A state change and its job, in one transaction; asked for twice."""
    first = await jobs.enqueue(conn, EFFECT.order(Effect(change), now_ms=at_ms, key=change))
    second = await jobs.enqueue(conn, EFFECT.order(Effect(change), now_ms=at_ms, key=change))
    if first != second:
        raise AssertionError(f"{change}: two jobs for one key")
    await conn.execute("INSERT INTO test_changes (id, job_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", change, first)


async def _begin(conn: Conn, key: str, attempt: int) -> None:
    await conn.execute("INSERT INTO test_begun (effect_key, attempt) VALUES ($1, $2)", key, attempt)


async def _take_effect(conn: Conn, key: str) -> int:
    """1, or 0 when it has taken effect already."""
    return await conn.execute("INSERT INTO test_effects (effect_key) VALUES ($1) ON CONFLICT DO NOTHING", key)


def add_jobs(registry: Registry, database: Database) -> None:
    """Feed each second until somebody creates the file ``enough``; carry out what is fed."""
    enough = Path("enough")

    async def feed(context: JobContext, _payload: NoPayload) -> None:
        if enough.exists():
            return
        for number in range(CHANGES):
            await database.run(_change, f"{context.key} {number}", now_ms())

    async def effect(context: JobContext, payload: Effect) -> int:
        await database.run(_begin, context.key, context.attempt)
        await trio.sleep(random.uniform(0, EFFECT_MOST_S))
        return await database.run(_take_effect, payload.change)

    registry.task(FEED, feed)
    registry.task(EFFECT, effect)
    registry.recur("test.feed", FEED, NoPayload(), Every(1))


def main() -> int:
    try:
        settings = settings_file.load(None, os.environ)
    except ConfigError as error:
        print(f"parley: {error}", file=sys.stderr)
        return 2
    log.configure(settings.log)
    return run(settings, version="0.0.test", add_jobs=add_jobs)


if __name__ == "__main__":
    sys.exit(main())
