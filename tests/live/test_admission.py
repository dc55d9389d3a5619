"""Transcripts at the door: wrong tokens, wrong rooms, the banned, the ended."""

from __future__ import annotations

from pathlib import Path

from appliance.ids import new_id
from appliance.store import meetings, participants, sessions, users
from tests.support.live_world import now_ms, open_world, world_settings


async def test_a_token_opens_its_own_meeting_only(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        monday, friday = await world.meeting(), await world.meeting()
        subject = await world.account("Ann")
        token = world.token(monday, subject, "Ann", "host")
        client = await world.connect()
        for room, sent, code, field in [
            (friday.id, token, "not_found", "room"),
            (friday.code, token, "not_found", "room"),
            ("mtg_none", token, "not_found", "room"),
            ("no-such-code", token, "not_found", "room"),
            (monday.id, "nonsense", "token_invalid", None),
            (monday.id, token[:-2] + "xx", "token_invalid", None),
            (monday.id, world.token(monday, subject, "Ann", age_s=7200), "token_expired", None),
        ]:
            await client.says("join", room=room, token=sent)
            refused = await client.hears("error")
            assert (refused["code"], refused["field"], refused["fatal"]) == (code, field, False), room
        assert world.media.opened == 0
        await client.says("join", room=monday.code.upper(), token=token)
        assert (await client.hears("joined"))["room"]["meeting_id"] == monday.id


async def test_stored_rows_overrule_an_old_token(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        subjects = {name: await world.account(name) for name in ("ann", "bob", "cat")}
        tokens = {name: world.token(meeting, subject, name) for name, subject in subjects.items()}
        await world.database.run(participants.set_kicked, meeting.id, subjects["ann"], now_ms())
        await world.database.run(users.set_status, subjects["bob"], "banned", now_ms())
        await world.database.run(participants.set_member_role, meeting.id, subjects["cat"], "cohost")
        client = await world.connect()
        for name, code in (("ann", "kicked"), ("bob", "banned")):
            await client.says("join", room=meeting.id, token=tokens[name])
            assert (await client.hears("error"))["code"] == code
        cat = await world.join(meeting, "cat", token=tokens["cat"])
        assert cat.welcome["room"]["participants"][0]["role"] == "cohost"


async def test_a_token_ends_with_its_sign_in(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        subject = await world.account("Ann")
        sign_in = sessions.Session(
            id=new_id("ses"),
            user_id=subject,
            kind="bearer",
            refresh_id="rft_1",
            previous_refresh_id=None,
            created_at_ms=now_ms(),
            rotated_at_ms=now_ms(),
            expires_at_ms=now_ms() + 60_000,
            revoked_at_ms=None,
            revoked_reason=None,
            address="192.0.2.1",
            user_agent="",
        )
        await world.database.run(sessions.insert, sign_in)
        token = world.token(meeting, subject, "Ann", session_id=sign_in.id)
        await world.join(meeting, "Ann", token=token)
        await world.database.run(sessions.revoke_all, subject, "password changed", now_ms())
        client = await world.connect()
        await client.says("join", room=meeting.id, token=token)
        refused = await client.hears("error")
        assert (refused["code"], refused["field"]) == ("token_revoked", "token")


async def test_guests_enter_where_they_may(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        open_one, closed = await world.meeting(), await world.meeting(guests_allowed=False)
        guest = await world.join(open_one, "Gus", token=world.token(open_one, "gst_gus", "Gus"))
        assert guest.welcome["room"]["participants"][0]["user_id"] is None
        client = await world.connect()
        await client.says("join", room=closed.id, token=world.token(closed, "gst_gus", "Gus"))
        assert (await client.hears("error"))["code"] == "guests_not_allowed"
    settings = world_settings(tmp_path, meetings={"guests_allowed": False})
    async with open_world(tmp_path, settings=settings) as world:
        client = await world.connect()
        await client.says("join", room=open_one.id, token=world.token(open_one, "gst_gus", "Gus"))
        assert (await client.hears("error"))["code"] == "guests_not_allowed"


async def test_an_ended_meeting_lets_nobody_in(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        token = world.token(meeting, await world.account("Ann"), "Ann", "host")
        await world.database.run(meetings.end, meeting.id, now_ms())
        client = await world.connect()
        await client.says("join", room=meeting.id, token=token)
        assert (await client.hears("error"))["code"] == "meeting_ended"
