"""Clients in one room: real ICE, DTLS and SRTP over 127.0.0.1, aiortc at the other end, the Rust data plane between."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest
import trio

from appliance.errors import UserError
from appliance.sfu.events import DataMessage, LayersWanted, SessionConnected, SessionLost, Speakers, TrackStarted
from appliance.signaling import messages
from tests.support.peer import Peer
from tests.support.sfu_bench import BLUE, GREEN, RED, SfuBench, sfu_bench, until

pytestmark = pytest.mark.slow


def run(test: Callable[[SfuBench], Coroutine[Any, Any, None]], **media: Any) -> None:
    async def main() -> None:
        with trio.fail_after(40):
            async with sfu_bench(**media) as bench:
                await test(bench)

    trio.run(main)


def looks(colour: tuple[int, int, int], like: tuple[int, int, int]) -> bool:
    return all(abs(a - b) < 40 for a, b in zip(colour, like, strict=True))


async def publisher_and_viewer(b: SfuBench) -> tuple[Peer, Any, Peer, Any]:
    red = Peer(colour=RED, tone_hz=440)
    viewer = Peer(seats=1)
    return red, await b.join("red", red), viewer, await b.join("viewer", viewer)


def test_media_flows_from_a_publisher_to_a_seat() -> None:
    async def test(b: SfuBench) -> None:
        _, red, viewer, watching = await publisher_and_viewer(b)
        assert sorted(red.tracks) == ["camera", "microphone"]
        assert [(s.seat, s.has_video) for s in watching.seats] == [(0, True)]
        watching.bind(0, audio=red.tracks["microphone"], video=red.tracks["camera"])
        seat = viewer.seats[0]
        await until(lambda: seat.seen.frames > 15 and seat.heard.frames > 50, "frames")
        assert looks(seat.seen.colour, RED)
        assert seat.heard.loud > 1e6
        await until(lambda: {e.source for e in b.events if isinstance(e, TrackStarted)} == set(red.tracks), "starts")
        assert [e.participant_id for e in b.events if isinstance(e, SessionConnected)] == ["red", "viewer"]
        await until(lambda: any(isinstance(e, Speakers) and e.dominant == "red" for e in b.events), "speaker")

    run(test)


def test_a_seat_is_rebound_without_renegotiation_and_goes_on_decoding() -> None:
    async def test(b: SfuBench) -> None:
        _, red, viewer, watching = await publisher_and_viewer(b)
        green = await b.join("green", Peer(colour=GREEN, tone_hz=600))
        blue = await b.join("blue", Peer(colour=BLUE, tone_hz=800))
        seat = viewer.seats[0]
        for _, (session, colour) in zip(
            range(6), itertools.cycle([(red, RED), (green, GREEN), (blue, BLUE)]), strict=False
        ):
            watching.bind(0, audio=session.tracks["microphone"], video=session.tracks["camera"])
            await until(lambda colour=colour: looks(seat.seen.colour, colour), f"{session.participant_id} on the seat")
            before = seat.seen.frames
            await until(lambda before=before: seat.seen.frames > before + 5, "frames go on")
        watching.bind(0, audio=None, video=None)
        await trio.sleep(0.3)
        before = seat.seen.frames
        await trio.sleep(0.5)
        assert seat.seen.frames <= before + 1

    run(test)


def test_mute_stops_forwarding_and_unmute_resumes() -> None:
    async def test(b: SfuBench) -> None:
        _, red, viewer, watching = await publisher_and_viewer(b)
        watching.bind(0, audio=red.tracks["microphone"], video=red.tracks["camera"])
        seat = viewer.seats[0]
        await until(lambda: seat.seen.frames > 5 and seat.heard.frames > 10, "frames")
        red.mute("camera", True)
        await trio.sleep(0.4)
        before, heard = seat.seen.frames, seat.heard.frames
        await trio.sleep(0.6)
        assert seat.seen.frames <= before + 1
        assert seat.heard.frames > heard + 10  # the microphone is another matter
        red.mute("camera", False)
        await until(lambda: seat.seen.frames > before + 10, "pictures again")

    run(test)


def test_a_picture_of_no_size_is_paused() -> None:
    async def test(b: SfuBench) -> None:
        _, red, viewer, watching = await publisher_and_viewer(b)
        watching.bind(0, audio=red.tracks["microphone"], video=red.tracks["camera"])
        seat = viewer.seats[0]
        await until(lambda: seat.seen.frames > 5, "frames")
        watching.prefer(0, width=0, height=0, max_fps=30)
        await trio.sleep(0.3)
        before = seat.seen.frames
        await trio.sleep(0.5)
        assert seat.seen.frames <= before + 1
        watching.prefer(0, width=640, height=360, max_fps=30)
        await until(lambda: seat.seen.frames > before + 5, "pictures again")

    run(test)


def test_a_picture_that_nobody_watches_is_not_wanted_until_somebody_does() -> None:
    async def test(b: SfuBench) -> None:
        def told() -> list[tuple[str, str, tuple[tuple[str | None, bool], ...]]]:
            return [(e.participant_id, e.source, e.layers) for e in b.events if isinstance(e, LayersWanted)]

        _, red, viewer, watching = await publisher_and_viewer(b)
        await until(told, "nobody watches")
        assert told() == [("red", "camera", ((None, False),))]
        watching.bind(0, audio=None, video=red.tracks["camera"])
        await until(lambda: len(told()) > 1, "somebody watches", within_s=1.0)
        assert told()[1:] == [("red", "camera", ((None, True),))]
        await until(lambda: viewer.seats[0].seen.frames > 5, "frames of a client that did not listen")

    run(test)


def test_more_seats_by_a_new_offer_keep_the_old_ones_playing() -> None:
    async def test(b: SfuBench) -> None:
        _, red, viewer, watching = await publisher_and_viewer(b)
        green = await b.join("green", Peer(colour=GREEN))
        watching.bind(0, audio=red.tracks["microphone"], video=red.tracks["camera"])
        watching.bind(1, audio=None, video=green.tracks["camera"])  # remembered until the seat is there
        await until(lambda: viewer.seats[0].seen.frames > 5, "frames on seat 0")
        first = watching._transport.streams[0]
        await b.renegotiate(viewer, watching, seats=3)
        assert [s.seat for s in watching.seats] == [0, 1, 2]
        assert watching._transport.streams[0] == first
        assert len({n for s in watching._transport.streams.values() for n in (s.audio, s.video, s.video_rtx)}) == 9
        before = viewer.seats[0].seen.frames
        await until(lambda: looks(viewer.seats[1].seen.colour, GREEN), "seat 1")
        await until(lambda: viewer.seats[0].seen.frames > before + 10, "seat 0 goes on")
        assert looks(viewer.seats[0].seen.colour, RED)
        assert viewer.seats[2].seen.frames == 0

    run(test)


def test_a_wrong_fingerprint_gets_no_media_and_says_so() -> None:
    async def test(b: SfuBench) -> None:
        peer = Peer(colour=RED, tone_hz=440)
        session = b.room.open_session("mallory")
        b.joined.append((peer, session))
        offer = await b.clients.call(peer.offer)
        lines = [
            line[:-2] + ("00" if line[-2:] != "00" else "11") if line.startswith("a=fingerprint:") else line
            for line in offer.sdp.split("\r\n")
        ]
        answer = await session.negotiate(msgspec.structs.replace(offer, sdp="\r\n".join(lines)))
        await b.clients.call(peer.accept, answer)
        await until(lambda: any(isinstance(e, SessionLost) for e in b.events), "refusal")
        lost = next(e for e in b.events if isinstance(e, SessionLost))
        assert lost.participant_id == "mallory" and "fingerprint" in lost.reason
        assert not session.connected
        assert not any(isinstance(e, TrackStarted) for e in b.events)

    run(test)


def test_data_channels_both_ways() -> None:
    async def test(b: SfuBench) -> None:
        peer = Peer()
        peer_session = await b.join("ann", peer)
        await until(lambda: all(c.readyState == "open" for c in peer.channels.values()), "channels")

        async def say() -> None:
            peer.send("reactions", "clap")

        await b.clients.call(say)
        await until(lambda: any(isinstance(e, DataMessage) for e in b.events), "message")
        said = next(e for e in b.events if isinstance(e, DataMessage))
        assert (said.participant_id, said.label, said.data) == ("ann", "reactions", "clap")
        peer_session.send_data("captions", "hello 你好")
        await until(lambda: peer.messages == [("captions", "hello 你好")], "caption")

    run(test)


def test_close_frees_everything() -> None:
    async def test(b: SfuBench) -> None:
        tasks = b.thread.statistics()["tasks_background"]
        for round_ in range(3):
            room = b.sfu.open_room(f"room {round_}")
            sessions = []
            for name in ("ann", "bob"):
                peer = Peer(colour=RED, tone_hz=300, seats=1)
                session = room.open_session(name)
                await b.renegotiate(peer, session)
                sessions.append((peer, session))
            await until(lambda sessions=sessions: all(s.connected for _, s in sessions), "both connected")
            sessions[0][1].bind(0, audio=None, video=sessions[1][1].tracks["camera"])
            await sessions[0][1].close()
            await sessions[0][1].close()
            await until(lambda sessions=sessions: sessions[0][0].state in ("closed", "failed"), "the goodbye")
            await room.close()
            await room.close()
            for peer, _ in sessions:
                await b.clients.call(peer.close)
        statistics = b.sfu.statistics()
        assert (statistics["rooms"], statistics["sessions"], statistics["producers"]) == (1, 0, 0)
        dtls = await b.thread.call(b.sfu._ask_dtls)
        assert dtls["sessions"] == dtls["half_open"] == 0
        assert b.thread.statistics()["tasks_background"] == tasks
        await until(
            lambda: any((w.sessions, w.rooms) == (0, 1) and w.packets_in > 0 for w in b.sfu.readings.workers),
            "the worker is empty but for the bench's room",
        )
        assert b.sfu.readings.workers[0].unknown_ids == 0

    run(test)


def test_a_client_that_leaves_by_itself_is_lost_and_its_tracks_fall_silent() -> None:
    async def test(b: SfuBench) -> None:
        red_peer, red, viewer, watching = await publisher_and_viewer(b)
        watching.bind(0, audio=red.tracks["microphone"], video=red.tracks["camera"])
        await until(lambda: viewer.seats[0].seen.frames > 5, "frames")
        await b.clients.call(red_peer.close)
        await until(lambda: not red.connected, "goodbye heard")

        def lost() -> list[str]:
            return [e.participant_id for e in b.events if isinstance(e, SessionLost)]

        await until(lost, "its owner told")  # by a channel, a moment after `connected` fell
        assert lost() == ["red"]

    run(test)


def test_a_client_comes_back_with_a_new_peer_connection() -> None:
    """Same signaling session, other certificate: the transport is made anew, seats are as they were."""

    async def test(b: SfuBench) -> None:
        _, red, viewer, watching = await publisher_and_viewer(b)
        watching.bind(0, audio=red.tracks["microphone"], video=red.tracks["camera"])
        await until(lambda: viewer.seats[0].seen.frames > 5, "frames")
        await b.clients.call(viewer.close)
        await until(lambda: not watching.connected, "goodbye heard")
        again = Peer(seats=1)
        b.joined.append((again, watching))
        await b.renegotiate(again, watching)
        await until(lambda: again.seats[0].seen.frames > 5, "frames again")
        assert looks(again.seats[0].seen.colour, RED)
        assert watching.connected

    run(test)


def test_bad_offers_leave_the_session_as_it_was() -> None:
    async def test(b: SfuBench) -> None:
        _, red, viewer, watching = await publisher_and_viewer(b)
        watching.bind(0, audio=red.tracks["microphone"], video=red.tracks["camera"])
        transport = watching._transport
        offer = await b.clients.call(viewer.offer)
        bad = [
            (msgspec.structs.replace(offer, sdp="v=0\r\nnonsense"), "bad_sdp", "sdp.sdp"),
            (
                msgspec.structs.replace(offer, sdp=offer.sdp.replace("a=ice-pwd:", "a=ice-pw:")),
                "bad_sdp",
                "sdp.ice-pwd",
            ),
            (
                msgspec.structs.replace(offer, publish=[messages.PublishLine(mid="77", source="screen")]),
                "bad_sdp",
                "publish[0].mid",
            ),
            (
                msgspec.structs.replace(
                    offer,
                    receive=[messages.ReceiveLine(seat=n, audio_mid="0", video_mid="1") for n in range(50)],
                ),
                "too_many_seats",
                "receive",
            ),
        ]
        for wrong, code, field in bad:
            with pytest.raises(UserError) as caught:
                await watching.negotiate(wrong)
            assert (caught.value.status, caught.value.code, caught.value.field) == (400, code, field)
        assert watching._transport is transport
        before = viewer.seats[0].seen.frames
        await until(lambda: viewer.seats[0].seen.frames > before + 5, "frames go on")

    run(test)


def test_quality_is_known_within_seconds() -> None:
    async def test(b: SfuBench) -> None:
        _, red, _, watching = await publisher_and_viewer(b)
        watching.bind(0, audio=red.tracks["microphone"], video=red.tracks["camera"])
        await until(lambda: red.quality().rtt_ms is not None or watching.quality().rtt_ms is not None, "round trip")
        for session in (red, watching):
            measured = session.quality()
            assert measured.connected and 0 <= measured.uplink_loss < 0.2 and 0 <= measured.downlink_loss < 0.2
            assert measured.rtt_ms is None or measured.rtt_ms < 500

    run(test)


def test_answers_name_udp_and_passive_tcp_of_the_rooms_worker() -> None:
    """aiortc speaks no ICE-TCP (a browser does, in tests/e2e): the passive candidate must not disturb it."""

    async def test(b: SfuBench) -> None:
        peer = Peer(colour=RED)
        session = b.room.open_session("ann")
        b.joined.append((peer, session))
        answer = await b.renegotiate(peer, session)
        port = b.sfu.ports[b.room.worker]
        assert f" udp 2129657599 127.0.0.1 {port} typ host\r\n" in answer
        assert f" 127.0.0.1 {port} typ host tcptype passive\r\n" in answer
        await until(lambda: session.connected, "connects by UDP")

    run(test)
