"""Participants without a socket: they come, change and go over HTTP alone (WHIP, RFC 9725; WHEP, its draft).

Owns what stands in for a signaling client: the lines of its offer, the ICE restart, the end when no media flow; what
a viewer is shown is `viewing`'s. In everything else a stream is an ordinary participant: listed, counted, muted,
kicked. A viewer is listed too, so that nobody watches a meeting unseen. Called by the meeting's task.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from appliance.errors import UserError
from appliance.ids import new_id, new_token
from appliance.live.commands import ChangeStream, CloseStream, OpenStream
from appliance.live.entrance import REACTIONS_BURST, REACTIONS_PER_S, most_participants, newcomer
from appliance.live.room import Room
from appliance.live.session import Session
from appliance.live.stream import ChangedStream, OpenedStream, Stream, StreamKey, StreamRequest, digest
from appliance.live.turn import ice_servers
from appliance.meeting.participant import SOUND_OF, Track
from appliance.settings import Settings
from appliance.sfu.events import RoomEvent, SessionConnected, SessionLost
from appliance.signaling.connection import CloseCode, FrameRate, SendLog
from appliance.signaling.messages import Offer, PublishLine, ReceiveLine
from appliance.signaling.negotiation import SeatPlan
from appliance.webrtc import whip
from appliance.webrtc.sdp import SdpError, parse_untrusted

# RFC 7675 §5.1: consent expires after 30 s without an answer. Who has not begun by then is gone, too.
CONNECT_WITHIN_S = 30.0


class NoSocket:
    """FrameSink of a participant whom nobody tells anything."""

    lags = False

    def push(self, frame: str) -> None:
        """Drop it."""

    def finish(self, code: CloseCode, reason: str) -> None:
        """Nothing is open; the client sees its media end."""


async def open_stream(room: Room, command: OpenStream, settings: Settings) -> OpenedStream:
    """Let a stream in. UserError of `Meeting.join`, 400 or 422 ``bad_sdp``: then nobody has seen it."""
    request = command.request
    offer = _first_offer(request)
    participant = newcomer(room, command.admission)
    most = most_participants(command.admission, settings)
    media = room.media.open_session(participant.participant_id)
    try:
        answer = await _negotiate(media.negotiate, offer)
        events = room.meeting.join(participant, max_participants=most)
    except UserError:
        await media.close()
        raise
    session = Session(
        session_id=new_id("ses"),
        resume_token=new_token(),
        participant_id=participant.participant_id,
        token_id=command.admission.claims.jti,
        log=SendLog(frames=0),
        media=media,
        plan=SeatPlan(initial=0, most=0, audio_seats=0),
        data_channel=False,
        reactions=FrameRate(per_s=REACTIONS_PER_S, burst=REACTIONS_BURST, now=room.now()),
        link=command.link,
        crowded=request.watch is not None,
        stream=Stream(
            bearer_digest=digest(request.bearer),
            offer=offer,
            etag=whip.ice_ufrag(answer),
            watch=request.watch,
            connect_by=room.now() + CONNECT_WITHIN_S,
        ),
    )
    room.add(session)
    room.apply(events)
    room.apply(
        room.meeting.publish(session.participant_id, [Track(t.track_id, t.source) for t in media.tracks.values()])
    )
    return OpenedStream(
        meeting_id=room.meeting_id,
        session_id=session.session_id,
        answer=whip.spelled_out(answer),
        etag=whip.ice_ufrag(answer),
        ice_servers=ice_servers(settings.media.ice_servers, session.participant_id, room.wall_ms()),
    )


def _first_offer(request: StreamRequest) -> Offer:
    try:
        description = parse_untrusted(request.sdp)
    except SdpError as error:
        raise _bad_sdp(400, error) from error
    try:
        publish, receive = list[PublishLine](), list[ReceiveLine]()
        if request.watch is None:
            lines = whip.publish_lines(description, picture=request.picture, sound=SOUND_OF[request.picture])
            publish = [PublishLine(mid=line.mid, source=line.source) for line in lines]
        else:
            seat = whip.receive_line(description)
            receive = [ReceiveLine(seat=seat.seat, audio_mid=seat.audio_mid, video_mid=seat.video_mid)]
    except SdpError as error:
        raise _bad_sdp(422, error) from error
    return Offer(sdp=request.sdp, negotiation=1, publish=publish, receive=receive)


async def _negotiate(negotiate: Callable[[Offer], Awaitable[str]], offer: Offer) -> str:
    """An answer to every line. What is refused here is well formed and unusable: 422 (RFC 9725 §4.4.3)."""
    try:
        answer = await negotiate(offer)
    except UserError as error:
        if error.code != "bad_sdp":
            raise
        raise UserError(422, error.code, str(error), field=error.field) from error
    try:
        whip.check_whole(answer)
    except SdpError as error:
        raise _bad_sdp(422, error) from error
    return answer


def _bad_sdp(status: int, error: SdpError) -> UserError:
    return UserError(status, "bad_sdp", str(error), field=f"sdp.{error.field}")


def find_stream(room: Room, key: StreamKey) -> tuple[Session, Stream]:
    """UserError 404 for a stream that is not or no more there, 401 for another client's."""
    here = key.room in (room.meeting_id, room.meeting.code)
    session = next((s for s in room.audience.sessions.values() if s.session_id == key.session_id), None)
    if not here or session is None or session.stream is None:
        raise UserError(404, "not_found", "there is no such stream", field="stream_id")
    session.stream.check(key.bearer)
    return session, session.stream


async def change_stream(room: Room, command: ChangeStream) -> ChangedStream | None:
    """Carry out a fragment; our own fragment when it restarted ICE. UserError 400, 401, 404, 412 or 422."""
    session, stream = find_stream(room, command.key)
    command.precondition.check(stream.etag)
    try:
        fragment = whip.read_fragment_untrusted(command.fragment)
    except SdpError as error:
        raise _bad_sdp(400, error) from error
    if fragment.ufrag is None or fragment.ufrag == whip.ice_ufrag(stream.offer.sdp):
        return None
    sdp = whip.with_credentials(stream.offer.sdp, fragment)
    offer = Offer(
        sdp=sdp,
        negotiation=stream.offer.negotiation + 1,
        publish=stream.offer.publish,
        receive=stream.offer.receive,
    )
    answer = await _negotiate(session.media.negotiate, offer)
    stream.offer, stream.etag = offer, whip.ice_ufrag(answer)
    return ChangedStream(whip.fragment_of(answer), stream.etag)


def close_stream(room: Room, command: CloseStream) -> int:
    """The client leaves; 1."""
    session, _ = find_stream(room, command.key)
    room.apply(room.meeting.leave(session.participant_id, "left"))
    return 1


def follow_media(room: Room, event: RoomEvent) -> None:
    """A stream's media began, or ended: with the media ends the stream, for there is nothing to come back by."""
    if not isinstance(event, SessionConnected | SessionLost):
        return
    session = room.audience.sessions.get(event.participant_id)
    if session is None or session.stream is None:
        return
    if isinstance(event, SessionConnected):
        session.stream.connect_by = None
    else:
        room.apply(room.meeting.leave(session.participant_id, "lost"))


def deadlines(sessions: Iterable[Session]) -> list[float]:
    """When streams that have not begun are given up."""
    return [s.stream.connect_by for s in sessions if s.stream is not None and s.stream.connect_by is not None]


def give_up_overdue(room: Room) -> None:
    """End the streams whose media never began."""
    now = room.now()
    for session in list(room.audience.sessions.values()):
        if any(now >= at for at in deadlines([session])):
            room.apply(room.meeting.leave(session.participant_id, "lost"))
