"""A media plane that moves no packets: rooms, sessions, tracks and seats as live/ sees them, in this process.

Passes the same contract test as the real Sfu (tests/live/test_media.py). Reads the lines of an offer and not its SDP,
so that tests of signaling need no WebRTC stack; what a real one would carry is left in plain attributes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import trio

from appliance.errors import UserError
from appliance.sfu.events import RoomEvent, SessionConnected
from appliance.sfu.readings import SessionQuality
from appliance.sfu.session import PublishedTrack, ReceiveSeat
from appliance.signaling.messages import Offer, Source
from appliance.webrtc.offer import Kind

_KINDS: dict[Source, Kind] = {"microphone": "audio", "camera": "video", "screen": "video", "screen_audio": "audio"}
_numbers = count(1)


class StillTap:
    """Gives the frames that a test puts into ``waiting``."""

    def __init__(self) -> None:
        self.waiting = b""
        self.lost = 0
        self.ended = False
        self.closed = False

    def take(self) -> bytes:
        taken, self.waiting = self.waiting, b""
        return taken

    def close(self) -> None:
        self.closed = True


class StillSession:
    """One client: what it publishes, what sits on its seats, what was sent on its data channels."""

    def __init__(self, room: StillRoom, participant_id: str) -> None:
        self.participant_id = participant_id
        self.room = room
        self.connected = False
        self.tells_levels = True
        self.closed = False
        self.bound: dict[int, tuple[PublishedTrack | None, PublishedTrack | None]] = {}
        """By seat: (audio, video)."""
        self.binds = 0
        self.sizes: dict[int, tuple[int, int, int]] = {}
        self.priorities: dict[int, int] = {}
        self.muted: set[Source] = set()
        self.data: list[tuple[str, str]] = []
        self.taps: dict[Source, list[StillTap]] = {}
        """Every tap that was ever opened, by source."""
        self.loss = 0.0
        self._tracks: dict[Source, PublishedTrack] = {}
        self._seats: list[ReceiveSeat] = []
        self._remote_ufrag: str | None = None
        self._ufrag = ""

    @property
    def tracks(self) -> Mapping[Source, PublishedTrack]:
        return dict(self._tracks)

    @property
    def seats(self) -> Sequence[ReceiveSeat]:
        return list(self._seats)

    async def negotiate(self, offer: Offer) -> str:
        await trio.lowlevel.checkpoint()
        if self.closed:
            raise UserError(409, "session_closed", "the session is closed")
        if not offer.sdp.startswith("v=0"):
            raise UserError(400, "bad_sdp", "does not begin with v=0", field="sdp.v")
        published = {line.source for line in offer.publish}
        self._tracks = {source: track for source, track in self._tracks.items() if source in published}
        for line in offer.publish:
            if line.source not in self._tracks:
                number = next(_numbers)
                track = PublishedTrack(f"trk_{number}", line.source, _KINDS[line.source], (), number)
                self._tracks[line.source] = track
        self._seats = [ReceiveSeat(line.seat, line.video_mid is not None) for line in offer.receive]
        self._seats.sort(key=lambda seat: seat.seat)
        if not self.connected and self.room.plane.connects:
            self.connected = True
            self.room.emit(SessionConnected(self))  # type: ignore[arg-type]  # stands in for the Sfu's session
        return self._answer(offer)

    def _answer(self, offer: Offer) -> str:
        """As much SDP as readers of credentials look for; other credentials for other ones (RFC 8839 §4.4.1.1.1)."""
        theirs = re.search(r"^a=ice-ufrag:(\S+)", offer.sdp, re.M)
        if theirs is None or theirs[1] != self._remote_ufrag:
            self._remote_ufrag = "" if theirs is None else theirs[1]
            self._ufrag = f"still{next(_numbers)}"
        mids = [line.mid for line in offer.publish]
        mids += [mid for line in offer.receive for mid in (line.audio_mid, line.video_mid) if mid is not None]
        lines = ["v=0", f"a=group:BUNDLE {' '.join(mids)}", f"a=ice-ufrag:{self._ufrag}", f"a=ice-pwd:{'p' * 24}"]
        for mid in mids:
            lines += ["m=audio 9 UDP/TLS/RTP/SAVPF 111", f"a=mid:{mid}"]
        return "".join(f"{line}\r\n" for line in lines)

    def bind(self, seat: int, *, audio: PublishedTrack | None, video: PublishedTrack | None) -> None:
        if self.bound.get(seat, (None, None)) != (audio, video):
            self.binds += 1
        self.bound[seat] = (audio, video)

    def prefer(self, seat: int, *, width: int, height: int, max_fps: int, priority: int) -> None:
        self.sizes[seat] = (width, height, max_fps)
        self.priorities[seat] = priority

    def mute(self, source: Source, muted: bool) -> None:
        (self.muted.add if muted else self.muted.discard)(source)

    def open_tap(self, source: Source, max_bytes: int, *, max_layer: int = 255) -> StillTap:
        if source not in self._tracks:
            raise LookupError(source)
        tap = StillTap()
        self.taps.setdefault(source, []).append(tap)
        return tap

    def send_data(self, label: str, text: str) -> None:
        if self.connected:
            self.data.append((label, text))

    def quality(self) -> SessionQuality:
        rtt_ms = 20 if self.connected else None
        return SessionQuality(rtt_ms=rtt_ms, uplink_loss=self.loss, downlink_loss=0.0, connected=self.connected)

    async def close(self) -> None:
        await trio.lowlevel.checkpoint()
        self.closed = True
        self.connected = False
        self.bound.clear()
        self.room.sessions.discard(self)

    def hears(self) -> dict[str, str]:
        """What a listener would hear: source by participant id, for sources that are not muted."""
        return self._carried(0)

    def sees(self) -> dict[str, str]:
        """What would be seen: source by participant id."""
        return self._carried(1)

    def _carried(self, line: int) -> dict[str, str]:
        carried = {}
        for pair in self.bound.values():
            track = pair[line]
            for session in self.room.sessions:
                if track is not None and track in session.tracks.values() and track.source not in session.muted:
                    carried[session.participant_id] = track.source
        return carried


class StillRoom:
    """The sessions of one room and the channel of its events."""

    def __init__(self, plane: StillMedia, key: str) -> None:
        self.plane = plane
        self.key = key
        self.sessions: set[StillSession] = set()
        self._send, self.events = trio.open_memory_channel[RoomEvent](2048)

    def open_session(self, participant_id: str) -> StillSession:
        session = StillSession(self, participant_id)
        self.sessions.add(session)
        return session

    def emit(self, event: Any) -> None:
        self._send.send_nowait(event)

    async def close(self) -> None:
        for session in list(self.sessions):
            await session.close()
        self.plane.rooms.pop(self.key, None)
        self._send.close()


class StillMedia:
    """All rooms by key."""

    def __init__(self) -> None:
        self.rooms: dict[str, StillRoom] = {}
        self.opened = 0
        self.connects = True
        """Whether media begin to flow after a negotiation."""

    def open_room(self, key: str) -> StillRoom:
        assert key not in self.rooms, "a meeting has one room at a time"
        self.opened += 1
        self.rooms[key] = StillRoom(self, key)
        return self.rooms[key]

    def session(self, participant_id: str) -> StillSession:
        """The session of a participant, wherever it is."""
        for room in self.rooms.values():
            for session in room.sessions:
                if session.participant_id == participant_id:
                    return session
        raise KeyError(participant_id)
