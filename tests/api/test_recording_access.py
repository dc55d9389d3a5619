"""Rights of one account; who has which over HTTP, `test_recordings` shows."""

from __future__ import annotations

import pytest
from msgspec import structs

from appliance.api.recording_access import Held, Right, Rights, Standing, check, find, judge
from appliance.errors import UserError
from appliance.store import meetings, participants, recordings, users
from appliance.store.database import Conn
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database

ALL = Rights(see=True, download=True, control=True, manage=True)


async def _some(conn: Conn) -> None:
    for name in ("ann", "bob"):
        await users.insert(conn, rows.user(name))
    for ident in ("one", "two"):
        await meetings.insert(conn, rows.meeting(ident, "usr_ann"))
        await recordings.start(conn, rows.recording(ident, f"mtg_{ident}", started_by_id="usr_bob"))
    await participants.set_member_role(conn, "mtg_two", "usr_bob", "cohost")


async def test_a_role_is_looked_up_once_for_each_meeting(tmp_path: object) -> None:
    async with open_test_database(tmp_path) as database:  # type: ignore[arg-type]
        await database.run(_some)

        async def judged(conn: Conn) -> list[Held]:
            known = {"mtg_one": Standing(role=None, removed=True, recording_download="everyone")}
            found = [await recordings.by_id(conn, f"rec_{ident}") for ident in ("one", "two")]
            held = [await judge(conn, one, rows.user("bob"), known) for one in found if one is not None]
            assert known["mtg_two"] == Standing(role="cohost", removed=False, recording_download="everyone")
            return held

        one, two = await database.read(judged)
        assert not one.rights.control and not one.rights.manage  # removed, by what was known
        assert two.rights == ALL
        with pytest.raises(UserError, match="may not see"):
            await database.read(find, "rec_one", rows.user("cas"))
        everything = (await database.read(find, "rec_one", rows.user("root", role="admin"))).rights
        assert everything == ALL


@pytest.mark.parametrize("right", ["download", "control", "manage"])
async def test_a_right_that_is_missing_is_named(tmp_path: object, right: Right) -> None:
    async with open_test_database(tmp_path) as database:  # type: ignore[arg-type]
        await database.run(_some)
        held = await database.read(find, "rec_one", rows.user("ann"))
        check(held, right)
        poor = structs.replace(held, rights=structs.replace(ALL, **{right: False}))
        with pytest.raises(UserError) as refused:
            check(poor, right)
        assert (refused.value.status, refused.value.code) == (403, "forbidden") and "host" in str(refused.value)
