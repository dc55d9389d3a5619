"""Transcripts of coming in and coming back: tokens, tabs, a lost socket, a reload."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from appliance.live.turn import credential
from appliance.settings import IceServerSettings
from appliance.store import participants
from tests.support.live_world import open_world, world_settings


async def test_a_joiner_gets_relay_credentials_of_its_own_and_never_the_secret(tmp_path: Path) -> None:
    turn = IceServerSettings(urls=("turn:turn.example.org",), secret="north")
    settings = world_settings(tmp_path)
    media = msgspec.structs.replace(settings.media, ice_servers=(turn,))
    async with open_world(tmp_path, settings=msgspec.structs.replace(settings, media=media)) as world:
        meeting = await world.meeting()
        ann, bob = await world.join(meeting, "Ann", "host"), await world.join(meeting, "Bob")
        for client in (ann, bob):
            [told] = client.welcome["ice_servers"]
            until, _, name = told["username"].partition(":")
            assert name == client.id and 86_300 < int(until) - time.time() < 86_500
            assert told["credential"] == credential("north", told["username"])
            assert "secret" not in told and "north" not in str(client.welcome)


async def test_a_lost_socket_resumes_and_hears_what_it_missed(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        bob = await world.join(meeting, "Bob")
        await ann.offers("microphone", seats=2)
        await bob.offers("microphone", seats=2)
        await bob.hears("seats")
        media = world.media.session(bob.id)
        binds = media.binds
        await bob.catch_up()
        bob.socket.break_off()
        lost = await ann.hears("participant-changed")
        assert (lost["participant"]["participant_id"], lost["participant"]["reconnecting"]) == (bob.id, True)
        await ann.says("chat", text="are you there?")
        await ann.hears("chat")

        again = await world.resume(bob)
        resumed = await again.hears("resumed")
        assert resumed["session_id"] == bob.welcome["session_id"]
        assert resumed["media_connected"] is True
        assert "seq" not in resumed
        missed = [await again.hears("participant-changed"), await again.hears("chat")]
        assert [frame["seq"] for frame in missed] == [bob.last_seq + 1, bob.last_seq + 2]
        assert resumed["replayed"] == 2
        assert missed[1]["message"]["text"] == "are you there?"
        back = await ann.hears("participant-changed")
        assert back["participant"]["reconnecting"] is False
        assert (await again.hears("participant-changed"))["seq"] == bob.last_seq + 3
        # The media session was not touched: same object, same seats, nothing bound anew.
        assert world.media.session(bob.id) is media
        assert media.binds == binds
        assert media.hears() == {ann.id: "microphone"}


async def test_a_resume_that_comes_too_late_joins_anew(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=world_settings(tmp_path, resume_s=0.05)) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        subject = await world.account("Bob")
        token = world.token(meeting, subject, "Bob")
        bob = await world.join(meeting, "Bob", token=token)
        await bob.offers("microphone")
        bob.socket.break_off()
        assert (await ann.hears("user-left")) | {"seq": 0} == {
            "seq": 0, "type": "user-left", "participant_id": bob.id, "reason": "lost",
        }  # fmt: skip
        await world.quiet()
        assert len(world.media.rooms[meeting.id].sessions) == 1
        again = await world.resume(bob)
        refused = await again.hears("error")
        assert (refused["code"], refused["fatal"]) == ("resume_refused", False)
        await again.says("join", room=meeting.id, token=token)
        again.welcome = await again.hears("joined")
        assert again.id != bob.id
        kept = await world.database.read(participants.by_id, meeting.id, bob.id)
        assert kept is not None
        assert kept.leave_reason == "lost"


async def test_a_resume_needs_its_token_and_a_number_that_was_sent(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=world_settings(tmp_path, replay_frames=16)) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        stranger = await world.connect()
        session_id = ann.welcome["session_id"]
        await stranger.says("resume", session_id=session_id, resume_token="guess", last_seq=0)
        assert (await stranger.hears("error"))["code"] == "resume_refused"
        await stranger.says("resume", session_id="ses_none", resume_token="guess", last_seq=0)
        assert (await stranger.hears("error"))["code"] == "resume_refused"
        await ann.catch_up()  # undisturbed
        early = await world.resume(ann, last_seq=99)
        refused = await early.hears("error")
        assert (refused["code"], refused["field"]) == ("bad_seq", "last_seq")
        for _ in range(20):
            await ann.says("raise_hand", raised=True)
            await ann.says("raise_hand", raised=False)
        await ann.catch_up()
        await early.says("resume", session_id=session_id, resume_token=ann.welcome["resume_token"], last_seq=1)
        assert (await early.hears("error"))["code"] == "resume_gap"


async def test_a_resume_takes_the_session_from_a_socket_that_still_lives(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        again = await world.resume(ann)
        assert (await again.hears("resumed"))["replayed"] == 0
        closed = await ann.hears("room-closed")
        assert (closed["reason"], closed["reconnect_after_s"]) == ("replaced", None)
        assert await ann.hears_the_end() == 4004
        await again.says("chat", text="still me")
        assert (await again.hears("chat"))["message"]["participant_id"] == ann.id
        assert again.last_seq == 2  # the other socket's goodbye took no number
        await again.hears_nothing_of("participant-changed")


async def test_two_tabs_are_two_participants_of_one_user(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        subject = await world.account("Ann")
        first = await world.join(meeting, "Ann", "host", subject=subject)
        second = await world.join(meeting, "Ann", "host", subject=subject)
        both = second.welcome["room"]["participants"]
        assert [p["user_id"] for p in both] == [subject, subject]
        assert first.id != second.id
        await second.says("leave")
        assert (await first.hears("user-left"))["participant_id"] == second.id
        await first.catch_up()


async def test_a_reload_leaves_no_ghost(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=world_settings(tmp_path, resume_s=30.0)) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        token = world.token(meeting, await world.account("Bob"), "Bob")
        before = await world.join(meeting, "Bob", token=token)
        before.socket.break_off()
        await ann.hears("participant-changed")
        after = await world.join(meeting, "Bob", token=token)
        assert (await ann.hears("user-left"))["participant_id"] == before.id
        assert [p["participant_id"] for p in after.welcome["room"]["participants"]] == [ann.id, after.id]


async def test_full_and_locked_keep_out_but_not_those_who_were_in(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=world_settings(tmp_path, resume_s=30.0)) as world:
        meeting = await world.meeting(max_participants=2)
        ann = await world.join(meeting, "Ann", "host")
        bob_id = await world.account("Bob")
        bob = await world.join(meeting, "Bob", subject=bob_id)
        cat = await world.connect()
        await cat.says("join", room=meeting.id, token=world.token(meeting, "gst_cat", "Cat"), ref="j")
        refused = await cat.hears("error")
        assert (refused["code"], refused["ref"], refused["fatal"]) == ("meeting_full", "j", False)
        await ann.says("lock_meeting", locked=True)
        assert (await bob.hears("room-changed"))["locked"] is True
        await bob.says("leave")
        await ann.hears("user-left")
        await cat.says("join", room=meeting.code, token=world.token(meeting, "gst_cat", "Cat"))
        assert (await cat.hears("error"))["code"] == "meeting_locked"
        back = await world.join(meeting, "Bob", subject=bob_id)
        assert back.welcome["room"]["locked"] is True
        await back.says("lock_meeting", locked=False)
        assert (await back.hears("error"))["code"] == "forbidden"
        await world.quiet()
        assert (await world.row(meeting)).locked


async def test_a_socket_that_goes_while_it_is_let_in_leaves_nobody_behind(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=world_settings(tmp_path, resume_s=0.05)) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        subject = await world.account("Bob")
        for _ in range(10):
            client = await world.connect()
            await client.says("join", room=meeting.id, token=world.token(meeting, subject, "Bob"))
            client.socket.break_off()
        await world.until(lambda: world.live.statistics()["sockets"] == 1)
        await world.until(lambda: world.live.participant_count(meeting.id) == 1)
        assert [p.participant_id for p in world.live.participants(meeting.id)] == [ann.id]
