"""Too old, too many, and what an outage left over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.jobs.recording_orders import RECORDING_PROCESS, RECORDING_REMOVE, process_key
from appliance.jobs.types import NoPayload
from appliance.recordings.retention import KEEP_RECORDINGS
from appliance.store import jobs, recording_runs, recording_shares, recordings
from appliance.store.database import Conn
from appliance.store.recordings import Outputs
from tests.support.queued_jobs import Shop, now_ms
from tests.support.shelves import House, open_house
from tests.support.waiting import until

DAY_MS = 86_400_000


def _film(recording_id: str, bytes: int = 100) -> Outputs:
    """A film and nothing beside it."""
    return Outputs(
        duration_ms=1,
        bytes=bytes,
        video_key=f"recordings/{recording_id}.mp4",
        video_type="video/mp4",
        thumbnail_key=None,
        captions_key=None,
        tracks=(),
        chapters=(),
    )


async def finished(house: House, ident: str, age_ms: int, bytes: int = 100) -> str:
    """A recording that was stopped so long ago, ready, without journals."""
    stopped_ms = now_ms() - age_ms
    recording_id = await house.record(ident, at_ms=stopped_ms - 1000, order=False)
    outputs = _film(recording_id, bytes)
    await house.shelf.files.write(f"recordings/{recording_id}.mp4", b"film")

    async def store(conn: Conn) -> None:
        assert await recording_runs.announce(conn, recording_id, 1, outputs.keys)
        assert await recording_runs.set_ready(conn, recording_id, 1, outputs, stopped_ms)

    await house.database.run(store)
    found = await house.row(recording_id)
    assert found is not None
    await house.shelf.remove_journals(found)
    return recording_id


async def keep(shop: Shop) -> Any:
    """One turn of the job."""
    job_id = await shop.order(KEEP_RECORDINGS, NoPayload(), priority="critical")
    return (await shop.wait_state(job_id, "done")).result


async def left(house: House) -> set[str]:
    async def read(conn: Conn) -> set[str]:
        return {row["id"] for row in await conn.fetch("SELECT id FROM recordings")}

    return await house.database.read(read)


async def test_too_old_ones_go(tmp_path: Path, target: str | Path) -> None:
    async with open_house(tmp_path, target, keep_days=30) as house:
        old, new = await finished(house, "old", 31 * DAY_MS), await finished(house, "new", 29 * DAY_MS)
        async with house.open() as shop:
            assert await keep(shop) == '{"too_old":1,"too_many":0,"given_up":0,"left_over":0}'
            await house.wait_job(RECORDING_REMOVE.name, old, "done")
        assert await left(house) == {new}
        assert await house.objects() == {"rec_new.mp4"}


async def test_the_oldest_go_until_the_rest_fits(tmp_path: Path, target: str | Path) -> None:
    async with open_house(tmp_path, target, max_total_bytes=250) as house:
        idents = [await finished(house, f"r{n}", (10 - n) * DAY_MS) for n in range(4)]
        async with house.open() as shop:
            assert '"too_many":2' in await keep(shop)
            for ident in idents[:2]:
                await house.wait_job(RECORDING_REMOVE.name, ident, "done")
            assert '"too_many":0' in await keep(shop)
        assert await left(house) == set(idents[2:])


async def test_without_rules_all_are_kept(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path) as house:
        ident = await finished(house, "old", 5000 * DAY_MS, bytes=2**50)
        await house.database.run(
            recording_shares.insert,
            "t",
            recording_id=ident,
            created_by=None,
            expires_at_ms=5,
            download=True,
            now_ms=1,
        )
        async with house.open() as shop:
            assert await keep(shop) == '{"too_old":0,"too_many":0,"given_up":0,"left_over":0}'
        assert await left(house) == {ident}
        assert await house.database.read(recording_shares.count, ident, 0) == 0  # links that ended are forgotten


@pytest.mark.parametrize(("state", "status"), [("dead", "failed"), ("cancelled", "cancelled"), (None, "failed")])
async def test_processing_whose_job_is_over_is_given_up(tmp_path: Path, state: str | None, status: str) -> None:
    async with open_house(tmp_path, tmp_path) as house:
        ident = await house.record("r", order=state is not None)

        async def over(conn: Conn) -> None:
            await conn.execute("UPDATE jobs SET state = $1, finished_at_ms = 1", state)

        await house.database.run(over)
        async with house.open() as shop:
            assert '"given_up":1' in await keep(shop)
            assert '"given_up":0' in await keep(shop)
        found = await house.row(ident)
        assert found is not None and (found.status, found.has_journals) == (status, True)
        assert [one.status for one in house.told] == [status]


async def test_what_waits_is_left_to_its_job(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path) as house:
        ident = await house.record("r", node="node_b")  # nobody here takes it
        async with house.open() as shop:
            assert '"given_up":0' in await keep(shop)
        assert (await house.job(RECORDING_PROCESS.name, process_key(ident, 1))).state == "waiting"


async def test_removals_that_were_given_up_are_ordered_anew(tmp_path: Path, target: str | Path) -> None:
    async with open_house(tmp_path, target) as house:
        long_ago, just_now = await finished(house, "a", DAY_MS), await finished(house, "b", DAY_MS)
        beside = await finished(house, "c", DAY_MS)
        await house.database.run(recordings.delete, long_ago, now_ms() - 2 * 3_600_000)
        await house.database.run(recordings.delete, just_now, now_ms())
        house.shelf.folder(beside).mkdir()

        async def journals_again(conn: Conn) -> None:
            await conn.execute("UPDATE recordings SET has_journals = TRUE WHERE id = $1", beside)

        await house.database.run(journals_again)
        async with house.open() as shop:
            assert '"left_over":2' in await keep(shop)

            async def tidy() -> bool:
                return await left(house) == {just_now, beside} and not house.shelf.folder(beside).exists()

            await until(tidy)
        assert await house.objects() == {"rec_b.mp4", "rec_c.mp4"}
        assert await house.database.read(jobs.page, state="dead", type=None, after=None, limit=9) == []


@pytest.mark.parametrize("status", ["ready", "failed", "cancelled"])
async def test_objects_of_runs_that_are_over_go(tmp_path: Path, target: str | Path, status: str) -> None:
    """Stored by a run that was killed."""
    async with open_house(tmp_path, target) as house:
        ident = await house.record("r", order=False)
        await house.shelf.files.write("recordings/rec_r_killed.mp4", b"half")

        async def killed(conn: Conn) -> None:
            assert await recording_runs.announce(conn, ident, 1, ["recordings/rec_r_killed.mp4", "recordings/never"])
            match status:
                case "ready":  # made by the attempt after it
                    await recording_runs.announce(conn, ident, 1, ["recordings/rec_r.mp4"])
                    assert await recording_runs.set_ready(conn, ident, 1, _film(ident), now_ms())
                    await recording_runs.set_journals_gone(conn, ident)
                case "failed":
                    assert await recordings.fail(conn, ident, error="x", now_ms=now_ms(), run=1)
                case _:
                    assert await recording_runs.cancel(conn, ident)

        if status == "ready":
            await house.shelf.files.write("recordings/rec_r.mp4", b"film")
        await house.database.run(killed)
        async with house.open() as shop:
            assert '"left_over":1' in await keep(shop)

            async def tidy() -> bool:
                found = await house.row(ident)
                return found is not None and found.loose_keys == ()

            await until(tidy)
            assert '"left_over":0' in await keep(shop)
        assert await house.objects() == ({"rec_r.mp4"} if status == "ready" else set())
