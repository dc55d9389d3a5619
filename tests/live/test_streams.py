"""Transcripts of participants without a socket: in, changed and out over HTTP's door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.errors import UserError
from appliance.live import streams
from appliance.live.stream import OpenedStream, Precondition, StreamKey, StreamRequest, Watch
from appliance.sfu.events import SessionLost, Speakers
from appliance.store import participants
from appliance.store.meetings import Meeting
from tests.support.live_world import World, open_world
from tests.support.whip import fragment, offer

ANYTHING = Precondition((), anything=True)


async def open_stream(
    world: World, meeting: Meeting, name: str = "Studio", *, sdp: str | None = None, watch: Watch | None = None,
    token: str | None = None, **more: Any,
) -> OpenedStream:  # fmt: skip
    token = token or world.token(meeting, "gst_" + name.lower(), name)
    sdp = sdp or offer("sendonly" if watch is None else "recvonly")
    picture = more.get("picture", "camera")
    return await world.live.open_stream(StreamRequest(meeting.code, token, token, sdp, picture, watch))


async def refusal(awaitable: Any) -> tuple[int, str, str | None]:
    with pytest.raises(UserError) as caught:
        await awaitable
    return caught.value.status, caught.value.code, caught.value.field


async def test_a_publisher_is_an_ordinary_participant(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        await ann.offers(seats=1)
        await ann.hears("seats")
        token = world.token(meeting, "gst_studio", "Studio")
        opened = await open_stream(world, meeting, token=token)
        came = (await ann.hears("user-joined"))["participant"]
        assert (came["name"], came["role"], came["reconnecting"]) == ("Studio", "participant", False)
        tracks = await ann.hears("tracks")
        assert [t["source"] for t in tracks["tracks"]] == ["microphone", "camera"]
        seats = (await ann.hears("seats"))["seats"]
        assert seats[0]["participant_id"] == came["participant_id"]
        assert seats[0]["audio"] and seats[0]["video"]
        assert opened.meeting_id == meeting.id and f"a=ice-ufrag:{opened.etag}" in opened.answer

        await ann.says("mute_participant", participant_id=came["participant_id"], source="microphone")
        assert (await ann.hears("tracks"))["tracks"][0]["muted"] is True
        assert world.media.session(came["participant_id"]).muted == {"microphone"}

        key = StreamKey(meeting.id, opened.session_id, token)
        await world.live.close_stream(key)
        left = await ann.hears("user-left")
        assert (left["participant_id"], left["reason"]) == (came["participant_id"], "left")
        assert await refusal(world.live.close_stream(key)) == (404, "not_found", "stream_id")
        await world.quiet()
        kept = await world.database.read(participants.by_id, meeting.id, came["participant_id"])
        assert kept is not None and (kept.name, kept.leave_reason) == ("Studio", "left")


async def test_a_screen_is_published_as_one(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        await open_stream(world, meeting, picture="screen")
        assert [t["source"] for t in (await ann.hears("tracks"))["tracks"]] == ["screen_audio", "screen"]


async def test_a_viewer_hears_and_sees_the_speaker_and_is_listed(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann, bob = await world.join(meeting, "Ann", "host"), await world.join(meeting, "Bob")
        await ann.offers("microphone", "camera")
        await bob.offers("microphone", "camera")
        await open_stream(world, meeting, "Wall", watch=Watch())
        wall = (await bob.hears("user-joined"))["participant"]
        assert (wall["name"], wall["tracks"]) == ("Wall", [])
        media = world.media.session(wall["participant_id"])
        await world.until(lambda: media.sees() == {ann.id: "camera"} and media.hears() == {ann.id: "microphone"})

        world.media.rooms[meeting.id].emit(Speakers(((bob.id, 0.5),), bob.id))
        await world.until(lambda: media.sees() == {bob.id: "camera"} and media.hears() == {bob.id: "microphone"})
        await bob.says("leave")
        await world.until(lambda: media.sees() == {ann.id: "camera"})

        await ann.catch_up()
        heard = len(ann.heard)
        await open_stream(world, meeting, "Ear", watch=Watch(ann.id), sdp=offer("recvonly", ("audio",)))
        await ann.catch_up()
        ear = next(f for f in ann.heard[heard:] if f["type"] == "user-joined")["participant"]["participant_id"]
        await world.until(lambda: world.media.session(ear).hears() == {ann.id: "microphone"})


async def test_ice_restarts_and_candidates(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        token = world.token(meeting, "gst_studio", "Studio")
        opened = await open_stream(world, meeting, token=token)
        key = StreamKey(meeting.code, opened.session_id, token)
        mine = Precondition((opened.etag,))
        change = world.live.change_stream
        assert await change(key, mine, fragment("abcd")) is None
        assert await change(key, ANYTHING, "a=candidate:1 1 udp 1 192.0.2.1 9 typ host") is None
        restarted = await change(key, ANYTHING, fragment("efgh"))
        assert restarted is not None and restarted.etag != opened.etag
        assert f"a=ice-ufrag:{restarted.etag}\r\n" in restarted.fragment
        assert await refusal(change(key, mine, fragment("efgh"))) == (412, "precondition_failed", "If-Match")
        assert await refusal(change(key, ANYTHING, "garbage")) == (400, "bad_sdp", "sdp.sdp")
        # RFC 9725 §4.3.3: other credentials restart whatever the precondition is, if it holds
        again = await change(key, Precondition((restarted.etag,)), fragment("ijkl"))
        assert again is not None and again.etag not in (restarted.etag, opened.etag)


async def test_only_who_opened_it_reaches_a_stream(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting, other = await world.meeting(), await world.meeting()
        token = world.token(meeting, "gst_studio", "Studio")
        opened = await open_stream(world, meeting, token=token)
        await world.join(other, "Eve")
        ann = await world.join(meeting, "Ann", "host")
        assert await refusal(world.live.close_stream(StreamKey(other.id, opened.session_id, token))) == (
            404, "not_found", "stream_id",
        )  # fmt: skip
        assert (await refusal(world.live.close_stream(StreamKey(meeting.id, opened.session_id, "x"))))[0] == 401
        # a page's session is no stream
        page = StreamKey(meeting.id, ann.welcome["session_id"], token)
        assert (await refusal(world.live.close_stream(page)))[0] == 404
        assert (await refusal(world.live.close_stream(StreamKey(meeting.id, "ses_none", token))))[0] == 404
        assert (await refusal(open_stream(world, other, token=token)))[0] == 404


@pytest.mark.parametrize(
    ("sdp", "status", "field"),
    [
        ("nonsense", 400, "sdp.v"),
        ("v=0\r\n" + "a=x\r\n" * 100_000, 400, "sdp.sdp"),
        (offer("recvonly"), 422, "sdp.m"),
        (offer("sendonly", ("video", "video")), 422, "sdp.m"),
    ],
)
async def test_an_offer_that_cannot_be_used_leaves_no_trace(
    tmp_path: Path, sdp: str, status: int, field: str
) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        assert await refusal(open_stream(world, meeting, sdp=sdp)) == (status, "bad_sdp", field)
        await ann.hears_nothing_of("user-joined")
        assert len(world.media.rooms[meeting.id].sessions) == 1


async def test_a_full_or_locked_meeting_takes_no_stream(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting(max_participants=1)
        await world.join(meeting, "Ann", "host")
        assert (await refusal(open_stream(world, meeting)))[1] == "meeting_full"
        assert len(world.media.rooms[meeting.id].sessions) == 1


async def test_a_stream_ends_with_its_media_its_kick_and_its_meeting(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        for name, how in (("Lost", "lost"), ("Kicked", "kicked")):
            token = world.token(meeting, f"gst_{name}", name)
            opened = await open_stream(world, meeting, token=token)
            came = (await ann.hears("user-joined"))["participant"]["participant_id"]
            if how == "lost":
                session: Any = world.media.session(came)
                world.media.rooms[meeting.id].emit(SessionLost(session, "no answer for 30 s"))
            else:
                await ann.says("kick", participant_id=came)
            assert (await ann.hears("user-left"))["reason"] == how
            key = StreamKey(meeting.id, opened.session_id, token)
            assert (await refusal(world.live.change_stream(key, ANYTHING, fragment("abcd"))))[0] == 404
        assert (await refusal(open_stream(world, meeting, token=token)))[1] == "kicked"
        token = world.token(meeting, "gst_third", "Third")
        opened = await open_stream(world, meeting, token=token)
        await ann.hears("user-joined")
        await ann.says("end_meeting")
        await world.until(lambda: meeting.id not in world.media.rooms)
        assert (await refusal(world.live.close_stream(StreamKey(meeting.id, opened.session_id, token))))[0] == 404


async def test_a_stream_whose_media_never_begin_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "CONNECT_WITHIN_S", 0.1)
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        world.media.connects = False
        await open_stream(world, meeting, "First")
        assert (await ann.hears("user-left"))["reason"] == "lost"
        world.media.connects = True
        await open_stream(world, meeting, "Second")
        await ann.hears("user-joined")
        await trio.sleep(0.2)
        await ann.hears_nothing_of("user-left")
