"""Rights of one account; who has which over HTTP, `test_recordings` shows."""

from __future__ import annotations

import pytest

from appliance.api.recording_access import Held, Right, Rights, check, find, judge
from appliance.errors import UserError
from appliance.store import meetings, participants, recordings, users
from appliance.store.database import Conn
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database


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
            known: dict[str, tuple[participants.MeetingRole | None, bool]] = {"mtg_one": (None, True)}
            found = [await recordings.by_id(conn, f"rec_{ident}") for ident in ("one", "two")]
            held = [await judge(conn, one, rows.user("bob"), known) for one in found if one is not None]
            assert known["mtg_two"] == ("cohost", False)
            return held

        one, two = await database.read(judged)
        assert one.rights == Rights(see=True, control=False, manage=False)  # removed, by what was known
        assert two.rights == Rights(see=True, control=True, manage=True)
        with pytest.raises(UserError, match="may not see"):
            await database.read(find, "rec_one", rows.user("cas"))
        everything = (await database.read(find, "rec_one", rows.user("root", role="admin"))).rights
        assert everything == Rights(see=True, control=True, manage=True)


@pytest.mark.parametrize("right", ["control", "manage"])
async def test_a_right_that_is_missing_is_named(tmp_path: object, right: Right) -> None:
    async with open_test_database(tmp_path) as database:  # type: ignore[arg-type]
        await database.run(_some)
        held = await database.read(find, "rec_one", rows.user("ann"))
        check(held, right)
        poor = Held(recording=held.recording, rights=Rights(see=True, control=False, manage=False))
        with pytest.raises(UserError) as refused:
            check(poor, right)
        assert (refused.value.status, refused.value.code) == (403, "forbidden") and "host" in str(refused.value)
