"""Transcripts of bad and broken clients: each is told or cut off, and nobody else notices."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from appliance.live import directory, sockets
from tests.support.live_world import open_world, world_settings


async def test_bad_frames_are_named_and_the_connection_is_kept(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        client = await world.connect()
        for frame, code, field in [
            ("{", "bad_json", None),
            ("[]", "bad_json", None),
            ('{"type":"sing"}', "unknown_type", "type"),
            ('{"type":"join","room":"x"}', "missing_field", "token"),
            ('{"type":"join","room":"x","token":"y","colour":1}', "unknown_field", "colour"),
            ('{"type":"join","room":"x","token":7}', "invalid_field", "token"),
            ('{"type":"chat","text":"hi"}', "not_joined", "type"),
        ]:
            await client.socket.send(frame)
            error = await client.hears("error")
            assert (error["code"], error["field"], error["fatal"]) == (code, field, False), frame
        meeting = await world.meeting()
        await client.says("join", room=meeting.id, token=world.token(meeting, "gst_a", "A"))
        await client.hears("joined")
        await client.says("join", room=meeting.id, token="again", ref="twice")
        assert (await client.hears("error", ref="twice"))["code"] == "already_joined"
        for text in ("\u0000", "a\u001b[31m", "   "):
            await client.says("chat", text=text)
            assert (await client.hears("error"))["field"] == "text"
        await client.says("ice_candidate", candidate="candidate:1 1 udp 1 192.0.2.1 9 typ host", mid="0")
        await client.hears_nothing_of("error")


async def test_a_frame_that_is_too_large_closes_with_1009(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=world_settings(tmp_path, max_frame_bytes=65_536)) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        bob = await world.join(meeting, "Bob")
        await bob.socket.send(json.dumps({"type": "chat", "text": "é" * 40_000}))
        assert await bob.hears_the_end() == 1009
        assert (await ann.hears("participant-changed"))["participant"]["reconnecting"] is True


async def test_ten_thousand_messages_a_second_are_held_back(tmp_path: Path) -> None:
    settings = world_settings(tmp_path, messages_per_s=30.0, burst=40)
    async with open_world(tmp_path, settings=settings) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        flood = await world.join(meeting, "Flood", buffer=10_000)
        sent = 0
        started = trio.current_time()

        async def shout() -> None:
            nonlocal sent
            frame = json.dumps({"type": "raise_hand", "raised": False, "ref": "f"})
            while True:
                await flood.socket.send(frame)
                sent += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(shout)
            refused = await flood.hears("error")
            assert (refused["code"], refused["ref"]) == ("rate_limited", "f")
            assert 0 < refused["retry_after_s"] <= 1 / 30 + 0.001
            # Others join and talk as if nothing were.
            for number in range(5):
                late = await world.join(meeting, f"Late{number}")
                await late.says("chat", text="hi")
                await ann.hears("chat")
            nursery.cancel_scope.cancel()
        elapsed = trio.current_time() - started
        assert sent > 1000
        answered = sum(frame["type"] == "error" for frame in flood.heard)
        assert answered <= 30 * elapsed + 2
        assert elapsed < 5


@pytest.mark.slow
async def test_a_client_that_never_reads_is_cut_off_and_may_resume(tmp_path: Path) -> None:
    settings = world_settings(tmp_path, replay_frames=64, messages_per_s=5000, burst=5000, resume_s=5.0)
    async with open_world(tmp_path, settings=settings) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host", buffer=2000)
        deaf = await world.join(meeting, "Deaf", buffer=4)
        await ann.hears("user-joined")
        for _ in range(100):
            await ann.says("raise_hand", raised=True)
            await ann.says("raise_hand", raised=False)
        await world.until(lambda: deaf.socket.other.closed_with == (4003, "does not read"))
        gone = [await ann.hears("participant-changed") for _ in range(201)]
        assert deaf.id in [g["participant"]["participant_id"] for g in gone if g["participant"]["reconnecting"]]
        again = await world.resume(deaf)
        assert (await again.hears("error"))["code"] == "resume_gap"


async def test_a_socket_that_takes_no_frame_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "WRITE_WITHIN_S", 0.05)
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        stuck = await world.join(meeting, "Stuck", buffer=1)
        for _ in range(3):
            await ann.says("raise_hand", raised=True)
            await ann.says("raise_hand", raised=False)
        await world.until(lambda: stuck.socket.other.closed_with == (4003, "does not read"))
        await ann.catch_up()


async def test_silence_ends_a_socket_and_heartbeats_end_silence(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=world_settings(tmp_path, heartbeat_s=0.03, silence_s=0.1)) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        beat = await ann.hears("heartbeat")
        assert beat["server_time_ms"] > 0
        assert "seq" not in beat
        assert await ann.hears_the_end() == 4002


async def test_a_socket_that_does_not_join_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "JOIN_WITHIN_S", 0.05)
    async with open_world(tmp_path) as world:
        client = await world.connect()
        await client.says("ping", time_ms=5)
        assert (await client.hears("pong"))["time_ms"] == 5
        assert await client.hears_the_end() == 4001
