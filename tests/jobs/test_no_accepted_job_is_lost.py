"""Nothing accepted is lost: a whole real server is killed again and again while it works, on both databases.

The promise, exactly: a job whose order was committed is carried out at least once, whatever instant `kill -9` meets
the server at; it may be carried out more than once; and an effect that the handler keys by the job's idempotency key
is there once. Each change of state that was committed has its job, because both are one transaction.

The instants come from a seed. `make test` takes a few; by hand a hundred, about ten minutes for each database::

    export PARLEY_TEST_INSTANTS=100 PARLEY_TEST_SEED=7
    .venv/bin/python -m pytest -s tests/jobs/test_no_accepted_job_is_lost.py

The server is `tests/support/jobs_server.py`: the product with two job types more.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import pytest
import trio

from appliance.store.database import Conn
from tests.support.databases import open_test_database
from tests.support.jobs_server import make_tables
from tests.support.server import running_server

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

INSTANTS = int(os.environ.get("PARLEY_TEST_INSTANTS", "3"))
SEED = int(os.environ.get("PARLEY_TEST_SEED", "4"))
PROGRAM = (sys.executable, str(Path(__file__).parents[1] / "support" / "jobs_server.py"))
# From "ready" to the kill: within it feeds come each second, and each brings about a second of work.
KILL_WITHIN_S = 2.0
# What is left after the last kill is a few hundred jobs of 50 ms, sixteen at a time, and a lease on PostgreSQL.
DONE_WITHIN_S = 60.0
LEASE_S = 2


async def _left(conn: Conn) -> int:
    return int(await conn.fetchval("SELECT COUNT(*) FROM jobs WHERE type LIKE 'test.%' AND state <> 'done'"))


async def _figures(conn: Conn) -> dict[str, int]:
    asked = {
        "changes": "SELECT COUNT(*) FROM test_changes",
        "effects": "SELECT COUNT(*) FROM test_effects",
        "begun": "SELECT COUNT(*) FROM test_begun",
        "begun again": "SELECT COUNT(*) FROM test_begun WHERE attempt > 1",
        "lost": (
            "SELECT COUNT(*) FROM test_changes c WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = c.job_id"
            " AND j.state = 'done' AND j.idempotency_key = c.id)"
            " OR NOT EXISTS (SELECT 1 FROM test_effects e WHERE e.effect_key = c.id)"
        ),
        "jobs without a change": (
            "SELECT COUNT(*) FROM jobs j WHERE j.type = 'test.effect'"
            " AND NOT EXISTS (SELECT 1 FROM test_changes c WHERE c.job_id = j.id)"
        ),
        "an attempt begun twice": (
            "SELECT COUNT(*) FROM (SELECT 1 FROM test_begun GROUP BY effect_key, attempt HAVING COUNT(*) > 1) twice"
        ),
        "jobs of one key": (
            "SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE type = 'test.effect' GROUP BY idempotency_key"
            " HAVING COUNT(*) > 1) twice"
        ),
        "dead": "SELECT COUNT(*) FROM jobs WHERE state = 'dead'",
    }
    return {name: int(await conn.fetchval(sql)) for name, sql in asked.items()}


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_no_accepted_job_is_lost(tmp_path: Path, request: pytest.FixtureRequest, engine: str) -> None:
    url = request.getfixturevalue("postgres_url") if engine == "postgresql" else ""
    environment = {"PARLEY_JOBS__LEASE_S": str(LEASE_S), "PARLEY_DATABASE__URL": url, "PARLEY_LOG__LEVEL": "warning"}
    (tmp_path / "data").mkdir(mode=0o700)
    target: str | Path = url or tmp_path / "data"
    chance = random.Random(f"{SEED} {engine}")

    async def prepare() -> None:
        async with open_test_database(target) as database:
            await database.run(make_tables)

    async def finish() -> dict[str, int]:
        async with open_test_database(target) as database:
            with trio.fail_after(DONE_WITHIN_S):
                while await database.read(_left):  # noqa: ASYNC110  # another process
                    await trio.sleep(0.1)
            return await database.read(_figures)

    trio.run(prepare)
    with running_server(tmp_path, environment, program=PROGRAM) as server:
        for _ in range(INSTANTS):
            time.sleep(chance.uniform(0, KILL_WITHIN_S))
            server.kill()
            server.start()
        time.sleep(1.5)  # one feed at least, also when every kill came early
        (tmp_path / "enough").touch()
        figures = trio.run(finish)
        log = server.log()
    print(f"\n{engine}, {INSTANTS} instants, seed {SEED}: {figures}")
    assert figures["changes"] > 0
    assert figures["lost"] == figures["dead"] == figures["jobs without a change"] == 0
    assert figures["effects"] == figures["changes"]
    assert figures["an attempt begun twice"] == figures["jobs of one key"] == 0
    if INSTANTS >= 20:  # of so many, some meet work
        assert figures["begun again"] > 0
    assert figures["begun"] >= figures["changes"]
    assert "crashed" not in log and "Traceback" not in log, log[-4000:]
