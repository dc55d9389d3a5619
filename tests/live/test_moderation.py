"""Transcripts of hosts: over the socket, and over HTTP through `Live`."""

from __future__ import annotations

from pathlib import Path

from appliance.store import participants
from tests.support.live_world import open_world


async def test_a_kick_takes_all_tabs_and_keeps_out(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        bob_id = await world.account("Bob")
        token = world.token(meeting, bob_id, "Bob")
        one = await world.join(meeting, "Bob", token=token)
        two = await world.join(meeting, "Bob", subject=bob_id)
        await ann.says("kick", participant_id=one.id)
        for tab in (one, two):
            assert (await tab.hears("room-closed"))["reason"] == "kicked"
            assert await tab.hears_the_end() == 4005
        assert {(await ann.hears("user-left"))["participant_id"] for _ in range(2)} == {one.id, two.id}
        again = await world.connect()
        await again.says("join", room=meeting.id, token=token)
        assert (await again.hears("error"))["code"] == "kicked"
        refused = await world.resume(one)
        assert (await refused.hears("error"))["code"] == "resume_refused"
        await world.quiet()
        member = await world.database.read(participants.member, meeting.id, bob_id)
        assert member is not None
        assert member.kicked_at_ms is not None
        assert len(world.media.rooms[meeting.id].sessions) == 1
        await ann.catch_up()


async def test_roles_are_given_by_hosts_and_bound_what_one_may_do(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann_id = await world.account("Ann")
        ann = await world.join(meeting, "Ann", "host", subject=ann_id)
        bob_id = await world.account("Bob")
        bob = await world.join(meeting, "Bob", subject=bob_id)
        for verb, fields in [
            ("kick", {"participant_id": ann.id}),
            ("set_role", {"participant_id": bob.id, "role": "host"}),
            ("mute_participant", {"participant_id": ann.id, "source": "camera"}),
            ("lock_meeting", {"locked": True}),
            ("end_meeting", {}),
        ]:
            await bob.says(verb, ref=verb, **fields)
            refused = await bob.hears("error")
            assert (refused["code"], refused["ref"]) == ("forbidden", verb)
        await ann.says("set_role", participant_id=bob.id, role="cohost")
        note = await bob.hears("moderation")
        assert (note["action"], note["role"], note["by_participant_id"]) == ("role_changed", "cohost", ann.id)
        assert (await ann.hears("participant-changed"))["participant"]["role"] == "cohost"
        await bob.says("lock_meeting", locked=True)
        await ann.hears("room-changed")
        await bob.says("kick", participant_id=ann.id, ref="up")
        assert (await bob.hears("error"))["message"] == "a cohost may not kick a host"
        await ann.says("set_role", participant_id=ann.id, role="participant", ref="last")
        assert (await ann.hears("error"))["code"] == "last_host"
        await ann.says("kick", participant_id=ann.id)
        assert (await ann.hears("error"))["code"] == "own_self"
        await ann.says("kick", participant_id="prt_nobody")
        refused = await ann.hears("error")
        assert (refused["code"], refused["field"]) == ("not_found", "participant_id")
        await bob.says("leave")
        back = await world.join(meeting, "Bob", subject=bob_id)
        mine = next(p for p in back.welcome["room"]["participants"] if p["participant_id"] == back.id)
        assert mine["role"] == "cohost"


async def test_an_end_is_the_end_for_everybody(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        bob = await world.join(meeting, "Bob")
        await ann.says("end_meeting")
        for client in (ann, bob):
            closed = await client.hears("room-closed")
            assert (closed["reason"], closed["reconnect_after_s"]) == ("ended", None)
            assert await client.hears_the_end() == 4006
        await world.quiet()
        row = await world.row(meeting)
        assert row.status == "ended"
        assert row.ended_at_ms is not None
        assert world.media.rooms == {}
        assert world.live.participant_count(meeting.id) == 0
        late = await world.connect()
        await late.says("join", room=meeting.id, token=world.token(meeting, "gst_late", "Late"))
        assert (await late.hears("error"))["code"] == "meeting_ended"


async def test_http_moderation_reaches_the_room(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann_id, bob_id = await world.account("Ann"), await world.account("Bob")
        ann = await world.join(meeting, "Ann", "host", subject=ann_id)
        bob = await world.join(meeting, "Bob", subject=bob_id)
        guest = await world.join(meeting, "Gus", token=world.token(meeting, "gst_gus", "Gus"))
        await bob.offers("microphone", "camera", "screen")
        live = world.live
        assert live.participant_count(meeting.id) == 3
        assert [p.name for p in live.participants(meeting.id)] == ["Ann", "Bob", "Gus"]

        assert await live.mute(meeting.id, bob_id, "microphone", by_user_id=ann_id) == 1
        assert (await bob.hears("moderation"))["by_participant_id"] == ann.id
        assert await live.mute(meeting.id, bob.id, None, by_user_id="usr_admin") == 2
        assert await live.mute(meeting.id, bob.id, None, by_user_id="usr_admin") == 0
        assert world.media.session(bob.id).muted == {"microphone", "camera", "screen"}
        assert await live.set_role(meeting.id, bob_id, "host", by_user_id=ann_id) == 1
        assert await live.set_role(meeting.id, bob_id, "host", by_user_id=ann_id) == 0
        assert await live.set_role(meeting.id, "usr_absent", "cohost", by_user_id=ann_id) == 0

        live.meeting_changed(meeting.id, title="Tuesday", locked=True)
        changed = await bob.hears("room-changed")
        assert (changed["title"], changed["locked"]) == ("Tuesday", True)

        assert await live.kick(meeting.id, "gst_gus", by_user_id=ann_id) == 1
        assert await guest.hears_the_end() == 4005
        assert await live.kick(meeting.id, "gst_gus", by_user_id=ann_id) == 0
        assert await live.leave(meeting.id, bob_id) == 1
        assert (await bob.hears("room-closed"))["reason"] == "replaced"
        assert await bob.hears_the_end() == 4008
        assert await live.leave(meeting.id, bob_id) == 0
        await live.end(meeting.id, by_user_id=ann_id)
        assert await ann.hears_the_end() == 4006
        await live.end(meeting.id, by_user_id=ann_id)
        assert await live.kick(meeting.id, ann_id, by_user_id=bob_id) == 0
        assert await live.set_role("mtg_none", ann_id, "host", by_user_id=bob_id) == 0


async def test_a_revoked_account_is_out_everywhere(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        monday, friday = await world.meeting(), await world.meeting()
        bob_id = await world.account("Bob")
        here = await world.join(monday, "Bob", subject=bob_id)
        there = await world.join(friday, "Bob", subject=bob_id)
        ann = await world.join(monday, "Ann")
        world.live.revoke_user(bob_id)
        for client in (here, there):
            error = await client.hears("error")
            assert (error["code"], error["fatal"]) == ("revoked", True)
            assert await client.hears_the_end() == 4007
        assert (await ann.hears("user-left"))["participant_id"] == here.id
        refused = await world.resume(here)
        assert (await refused.hears("error"))["code"] == "resume_refused"
