"""A deleted recording is gone everywhere: objects, journals, row; whoever holds them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import pytest

from appliance.jobs.recording_orders import RECORDING_PROCESS, RECORDING_REMOVE, process_key, remove_order
from appliance.store import jobs, recordings
from appliance.store.database import Conn
from tests.support.queued_jobs import now_ms
from tests.support.shelves import House, open_house
from tests.support.waiting import until

pytestmark = pytest.mark.slow

TYPE = RECORDING_REMOVE.name


async def delete(conn: Conn, recording_id: str) -> None:
    """As the API does it."""
    found = await recordings.by_id(conn, recording_id)
    assert found is not None and await recordings.delete(conn, recording_id, now_ms())
    job = await jobs.by_key(conn, RECORDING_PROCESS.name, process_key(recording_id, found.run))
    if job is not None:
        await jobs.cancel(conn, job.id, now_ms())
    await order_removal(conn, recording_id)


async def order_removal(conn: Conn, recording_id: str) -> None:
    await jobs.enqueue(conn, remove_order(recording_id=recording_id, meeting_id="mtg_one", now_ms=now_ms()))


async def gone(house: House, recording_id: str) -> None:
    async def look() -> bool:
        return await house.row(recording_id) is None

    await until(look)


async def test_a_finished_one_is_gone_with_its_objects(tmp_path: Path, target: str | Path) -> None:
    async with open_house(tmp_path, target) as house, house.open():
        ident, kept = await house.record("r"), await house.record("kept")
        for one in (ident, kept):
            await house.wait_status(one, "ready")
        await house.database.run(delete, ident)
        await gone(house, ident)
        left = await house.objects()
        assert len(left) == 4 and all(name.startswith("rec_kept") for name in left)
        assert (await house.wait_job(TYPE, ident, "done")).result == '"removed"'
        # at least once: a second time does nothing
        job = await house.job(TYPE, ident)
        assert job is not None
        again = remove_order(recording_id=ident, meeting_id="mtg_one", now_ms=now_ms(), again=1)
        await house.database.run(jobs.enqueue, again)
        assert (await house.wait_job(TYPE, f"{ident}:1", "done")).result == '"gone already"'


async def test_one_that_is_being_processed_is_stopped_first(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path) as house, house.open():
        ident = await house.record("r", "slow")
        await until(lambda: (house.shelf.folder(ident) / "process").exists())
        await house.database.run(delete, ident)
        await gone(house, ident)
        assert not house.shelf.folder(ident).exists()
        assert (await house.job(RECORDING_PROCESS.name, process_key(ident, 1))).state == "cancelled"


async def test_journals_of_another_node_are_left_to_it(tmp_path: Path, target: str | Path) -> None:
    async with open_house(tmp_path, target) as house:
        other = House(dataclasses.replace(house.shelf, root=tmp_path / "elsewhere", node="node_b"), house.settings)
        ident = await other.record("r", node="node_b", order=False)
        await house.database.run(delete, ident)
        async with house.open():
            job = await house.wait_job(TYPE, ident, "done")
            assert job.result == '"journals left to node_b"'
            row = await house.row(ident)
            assert row is not None and row.deleted_at_ms is not None
        assert other.shelf.folder(ident).exists()
        async with other.open(worker="w2"):
            await gone(house, ident)
        assert not other.shelf.folder(ident).exists()


async def test_of_a_finished_one_only_journals_go_and_of_a_running_one_nothing(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path) as house:
        ident, on = await house.record("r"), await house.record("on", order=False)
        async with house.open():
            await house.wait_status(ident, "ready")
            await house.wait_job(RECORDING_PROCESS.name, process_key(ident, 1), "done")
            house.shelf.folder(ident).mkdir()

            async def journals_again(conn: Conn) -> None:
                await conn.execute("UPDATE recordings SET has_journals = TRUE WHERE id = $1", ident)

            await house.database.run(journals_again)
            for one, result in ((ident, "journals removed"), (on, "still wanted")):
                await house.database.run(order_removal, one)
                assert (await house.wait_job(TYPE, one, "done")).result == f'"{result}"'
        assert not house.shelf.folder(ident).exists() and house.shelf.folder(on).exists()
        assert any(name.startswith("rec_r_1_") for name in await house.objects())


def test_the_payload_is_strict() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"recording_id":"r","x":1}', type=RECORDING_REMOVE.payload)
