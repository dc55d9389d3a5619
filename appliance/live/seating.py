"""Bindings carried out: `meeting.subscriptions` decides, the media session binds, the client is told.

Owns the sizes asked for until the client says what it shows, and the moment at which more seats are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from appliance.live.session import Session
from appliance.live.speakers import Speakers
from appliance.meeting.participant import SOUND_OF, Participant
from appliance.meeting.subscriptions import Pair, Seat, bind, pairs_of
from appliance.signaling.messages import NeedMedia, SeatBinding, Seats

# Until the first `subscribe`: (tiles up to, width, height), as if they shared a window of 1280×720 device pixels.
_DEFAULT_SIZES = ((1, 1280, 720), (4, 640, 360), (9, 426, 240))
_SMALLEST = (320, 180)
_DEFAULT_FPS = 30
# Who gets a narrow link's bits first: screens, what is pinned, cameras. The page asks alike.
_SCREEN, _PINNED, _CAMERA = 255, 100, 1


def pairs_to_seat(session: Session, participants: Sequence[Participant]) -> int:
    """How many seats would carry everything that this client can see or hear."""
    return sum(_needs_seat(session, pair) for pair in pairs_of(participants, but=session.participant_id))


def settle(session: Session, published: Sequence[Pair], speakers: Speakers, sessions: Mapping[str, Session]) -> None:
    """Bind the session's seats anew, tell it what changed, and ask for seats that are lacking.

    ``published``: what everybody publishes, `pairs_of` once for all sessions: with hundreds who only watch, asking each
    of them for each session was most of what a join cost.
    """
    pairs = [pair for pair in published if pair.participant_id != session.participant_id]
    seats = [Seat(seat.seat, seat.has_video) for seat in session.media.seats]
    binding = bind(
        pairs=pairs,
        wanted=session.wanted,
        seats=seats,
        speaking=speakers.speaking,
        recent=speakers.recent,
        current=session.binding,
    )
    session.binding = binding
    needed = [pair for pair in pairs if _needs_seat(session, pair)]
    placed = {placement.key for placement in binding.values()}
    session.crowded = any(pair.key not in placed for pair in needed)
    _carry_out(session, seats, sessions)
    if seats:
        _tell(session, seats)
    need = session.plan.grow(len(needed))
    if need is not None:
        session.send(NeedMedia(need=need))


def _needs_seat(session: Session, pair: Pair) -> bool:
    if pair.has_audio:
        return True
    return session.wanted is None or any(w.key == pair.key and w.shown for w in session.wanted)


def _carry_out(session: Session, seats: Sequence[Seat], sessions: Mapping[str, Session]) -> None:
    tiles = sum(placement.video for placement in session.binding.values())
    for seat in seats:
        placement = session.binding.get(seat.number)
        if placement is None:
            session.media.bind(seat.number, audio=None, video=None)
            continue
        publisher = sessions.get(placement.participant_id)
        tracks = publisher.media.tracks if publisher is not None else {}
        session.media.bind(
            seat.number,
            audio=tracks.get(SOUND_OF[placement.source]) if placement.audio else None,
            video=tracks.get(placement.source) if placement.video else None,
        )
        if placement.video:
            size = _size(session, placement.key, tiles)
            if session.sizes.get(seat.number) != size:
                session.sizes[seat.number] = size
                width, height, max_fps, priority = size
                session.media.prefer(seat.number, width=width, height=height, max_fps=max_fps, priority=priority)


def _size(session: Session, key: tuple[str, str], tiles: int) -> tuple[int, int, int, int]:
    """Width and height in device pixels, frames a second, priority."""
    for want in session.wanted or ():
        if want.key == key:
            return (want.width, want.height, want.max_fps, max(want.priority, _PINNED if want.pinned else 0))
    priority = _SCREEN if key[1] == "screen" else _CAMERA
    for most, width, height in _DEFAULT_SIZES:
        if tiles <= most:
            return (width, height, _DEFAULT_FPS, priority)
    return (*_SMALLEST, _DEFAULT_FPS, priority)


def _tell(session: Session, seats: Sequence[Seat]) -> None:
    message = Seats(seats=[_seat_message(session, seat) for seat in seats])
    if message != session.told_seats:
        session.told_seats = message
        session.send(message)


def _seat_message(session: Session, seat: Seat) -> SeatBinding:
    placement = session.binding.get(seat.number)
    if placement is None:
        return SeatBinding(seat=seat.number, participant_id=None, source="camera", audio=False, video=False)
    return SeatBinding(
        seat=seat.number,
        participant_id=placement.participant_id,
        source=placement.source,
        audio=placement.audio,
        video=placement.video,
    )
