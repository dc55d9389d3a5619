"""What somebody is in a meeting, from the rows alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.api.meeting_access import find, role_of
from appliance.errors import UserError
from appliance.store import invitations, meetings, participants, users
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database


async def test_roles(tmp_path: Path) -> None:
    async with open_test_database(tmp_path) as database:
        for name in ("ann", "bob", "carl", "dora"):
            await database.run(users.insert, rows.user(name))
        meeting = rows.meeting("one", "usr_ann")
        await database.run(meetings.insert, meeting)

        async def role(subject: str | None) -> tuple[str | None, bool]:
            return await database.read(role_of, meeting, subject)

        assert await role("usr_ann") == ("host", False)
        assert await role(None) == (None, False)
        assert await role("usr_bob") == (None, False)
        await database.run(
            invitations.insert,
            invitation_id="i",
            meeting_id=meeting.id,
            user_id="usr_bob",
            email=None,
            invited_by="usr_ann",
            now_ms=1,
        )
        assert await role("usr_bob") == ("participant", False)
        await database.run(participants.insert, rows.participant("p", meeting.id, user_id="usr_carl"))
        assert await role("usr_carl") == ("participant", False)
        await database.run(participants.set_member_role, meeting.id, "usr_carl", "cohost")
        assert await role("usr_carl") == ("cohost", False)
        await database.run(participants.set_kicked, meeting.id, "usr_carl", 5)
        assert await role("usr_carl") == ("participant", True)
        await database.run(participants.set_kicked, meeting.id, "usr_ann", 5)
        assert await role("usr_ann") == ("host", False)  # nobody removes the creator
        found = await database.read(find, "ABC-DEFG-ONE", "usr_dora")
        assert (found.meeting.id, found.creator and found.creator.id, found.my_role) == ("mtg_one", "usr_ann", None)
        with pytest.raises(UserError, match="no such meeting"):
            await database.read(find, "mtg_two", None)
