"""Running meetings without sockets and media: what the API's tests put in the place of `live`.

Real in what the API can see: who is in a room, kicks, mutes, roles and endings change it. A socket that is handed over
is echoed, so that tests can see frames, sizes and closing codes come through.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from appliance.api.live_port import Socket
from appliance.errors import UserError
from appliance.live.stream import ChangedStream, OpenedStream, Precondition, StreamKey, StreamRequest
from appliance.signaling.messages import Participant, Track
from appliance.store.recordings import Recording

S = TypeVar("S", bound=msgspec.Struct)

@dataclass
class RoomLedger:
    """`LiveMeetings` kept by hand."""

    rooms: dict[str, dict[str, Participant]] = field(default_factory=dict)
    guests: dict[str, str] = field(default_factory=dict)
    """Guest id by participant id."""
    revoked: list[str] = field(default_factory=list)
    titles: dict[str, tuple[str, bool]] = field(default_factory=dict)
    recordings: list[tuple[str, str]] = field(default_factory=list)
    """Id and state of each that the rooms were told of."""
    sockets: int = 0
    captioned: set[str] = field(default_factory=set)
    """Meetings in which captions are on."""
    streams: dict[str, StreamRequest] = field(default_factory=dict)

    def enter(self, meeting_id: str, participant_id: str, *, user_id: str | None, guest_id: str | None = None) -> None:
        """Somebody's connection appears in the room, with a microphone and a camera."""
        tracks = [
            Track(track_id=f"{participant_id}-mic", source="microphone", kind="audio", muted=False),
            Track(track_id=f"{participant_id}-cam", source="camera", kind="video", muted=False),
        ]
        self.rooms.setdefault(meeting_id, {})[participant_id] = Participant(
            participant_id=participant_id,
            user_id=user_id,
            name=participant_id,
            avatar_url=None,
            role="participant",
            joined_at_ms=0,
            hand_raised_at_ms=None,
            reconnecting=False,
            tracks=tracks,
        )
        if guest_id is not None:
            self.guests[participant_id] = guest_id

    def participant_count(self, meeting_id: str) -> int:
        return len(self.rooms.get(meeting_id, {}))

    def participants(self, meeting_id: str) -> list[Participant]:
        return list(self.rooms.get(meeting_id, {}).values())

    def has_captions(self, meeting_id: str) -> bool:
        return meeting_id in self.captioned

    async def end(self, meeting_id: str, *, by_user_id: str | None) -> None:
        self.rooms.pop(meeting_id, None)

    async def leave(self, meeting_id: str, user_id: str) -> int:
        return self._remove(meeting_id, user_id)

    async def kick(self, meeting_id: str, uid: str, *, by_user_id: str) -> int:
        return self._remove(meeting_id, uid)

    async def mute(self, meeting_id: str, uid: str, source: str | None, *, by_user_id: str) -> int:
        changed = 0
        for key in self._meant(meeting_id, uid):
            room = self.rooms[meeting_id]
            tracks = []
            for track in room[key].tracks:
                hit = source in (None, track.source) and not track.muted
                changed += hit
                tracks.append(_with(track, muted=True) if hit else track)
            room[key] = _with(room[key], tracks=tracks)
        return changed

    async def set_role(self, meeting_id: str, uid: str, role: str, *, by_user_id: str) -> int:
        meant = self._meant(meeting_id, uid)
        for key in meant:
            self.rooms[meeting_id][key] = _with(self.rooms[meeting_id][key], role=role)
        return len(meant)

    def meeting_changed(self, meeting_id: str, *, title: str, locked: bool) -> None:
        self.titles[meeting_id] = (title, locked)

    def recording_changed(self, recording: Recording) -> None:
        self.recordings.append((recording.id, recording.status))

    def revoke_user(self, user_id: str) -> None:
        self.revoked.append(user_id)
        for meeting_id in self.rooms:
            self._remove(meeting_id, user_id)

    def statistics(self) -> dict[str, object]:
        return {"rooms": len(self.rooms), "sockets": self.sockets}

    async def open_stream(self, request: StreamRequest) -> OpenedStream:
        """Anybody gets in, as a participant with a microphone and a camera."""
        session_id = f"ses_{len(self.streams)}"
        self.streams[session_id] = request
        self.enter(request.room, session_id, user_id=None)
        return OpenedStream(request.room, session_id, "v=0\r\n", "first", ())

    async def change_stream(self, key: StreamKey, precondition: Precondition, fragment: str) -> ChangedStream | None:
        """Candidates only."""
        self._stream(key)
        precondition.check("first")
        return None

    async def close_stream(self, key: StreamKey) -> None:
        self._stream(key)
        del self.streams[key.session_id]
        self._remove(key.room, key.session_id)

    def _stream(self, key: StreamKey) -> None:
        if key.session_id not in self.streams:
            raise UserError(404, "not_found", "there is no such stream", field="stream_id")

    async def serve_socket(self, socket: Socket, remote: str) -> None:
        """Echo; ``close CODE REASON`` closes, ``fail`` breaks as a bug would."""
        self.sockets += 1
        try:
            while True:
                frame = await socket.receive()
                if frame == "fail":
                    raise RuntimeError("a bug in live")
                if frame.startswith("close "):
                    _, code, reason = frame.split(" ", 2)
                    await socket.close(int(code), reason)
                    return
                await socket.send(f"{remote} {frame}" if frame == "who" else frame)
        finally:
            self.sockets -= 1

    def _meant(self, meeting_id: str, uid: str) -> list[str]:
        room = self.rooms.get(meeting_id, {})
        return [
            key for key, person in room.items() if uid in (key, person.user_id) or self.guests.get(key) == uid
        ]

    def _remove(self, meeting_id: str, uid: str) -> int:
        meant = self._meant(meeting_id, uid)
        for key in meant:
            del self.rooms[meeting_id][key]
        return len(meant)


def _with(value: S, **changes: object) -> S:
    return msgspec.structs.replace(value, **changes)
