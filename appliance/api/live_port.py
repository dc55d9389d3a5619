"""What the API asks of the running meetings and their recordings, and the socket that it hands to them.

Owns the protocols that `live` implements. The socket that `websocket` implements, and the error between them, are
`live`'s: it stands below the API and catches that error.
"""

from __future__ import annotations

from typing import Protocol

from appliance.live.sockets import Socket, SocketClosed
from appliance.live.stream import ChangedStream, OpenedStream, Precondition, StreamKey, StreamRequest
from appliance.signaling.messages import Participant
from appliance.store.recordings import Recording

__all__ = ["LiveMeetings", "Recorder", "Socket", "SocketClosed"]


class LiveMeetings(Protocol):
    """The meetings that run in this process. Methods about a meeting that does not run do nothing."""

    def participant_count(self, meeting_id: str) -> int:
        """Connections in the room now."""

    def participants(self, meeting_id: str) -> list[Participant]:
        """Who is in the room now, in the order of joining."""

    def has_captions(self, meeting_id: str) -> bool:
        """What is said in the room is transcribed now."""

    async def end(self, meeting_id: str, *, by_user_id: str | None) -> None:
        """Close the room for everybody."""

    async def leave(self, meeting_id: str, user_id: str) -> int:
        """End the user's (or guest's) connections in the room; how many there were."""

    async def kick(self, meeting_id: str, uid: str, *, by_user_id: str) -> int:
        """Remove a participant id, or every connection of a user or guest id; how many there were."""

    async def mute(self, meeting_id: str, uid: str, source: str | None, *, by_user_id: str) -> int:
        """Mute one source, or all that sound and show (None); how many tracks changed."""

    async def set_role(self, meeting_id: str, uid: str, role: str, *, by_user_id: str) -> int:
        """Change the role of a participant, user or guest in the room; how many connections that are."""

    def meeting_changed(self, meeting_id: str, *, title: str, locked: bool) -> None:
        """Tell the room its new title and lock."""

    def recording_changed(self, recording: Recording) -> None:
        """Tell the room how far the film of a recording is, or how it ended."""

    def revoke_user(self, user_id: str) -> None:
        """Banned, deleted or signed out everywhere: drop the user's sockets."""

    def statistics(self) -> dict[str, object]:
        """Rooms, connections and the rest, for people and metrics."""

    async def open_stream(self, request: StreamRequest) -> OpenedStream:
        """Let a WHIP publisher or WHEP viewer in. UserError as for a join, 400 or 422 ``bad_sdp``."""

    async def change_stream(self, key: StreamKey, precondition: Precondition, fragment: str) -> ChangedStream | None:
        """Candidates, or an ICE restart, of a stream. UserError 400, 401, 404, 412 or 422."""

    async def close_stream(self, key: StreamKey) -> None:
        """End a stream. UserError 401 or 404."""

    async def serve_socket(self, socket: Socket, remote: str) -> None:
        """One signaling WebSocket from accept to close. ``remote``: the client's address."""


class Recorder(Protocol):
    """The recordings that are made in this process."""

    async def start(self, meeting_id: str, *, by_user_id: str | None, by_name: str | None, layout: str | None) -> str:
        """Record a running meeting from now on; the recording's id.

        UserError 409 ``not_running`` or ``already_recording``, 507 ``disk_full``. ``layout`` None: as the settings say.
        """

    async def stop(self, recording_id: str, reason: str) -> None:
        """End a recording; its processing is ordered when this returns. UserError 409 ``not_recording``."""

    async def pause(self, recording_id: str) -> None:
        """Write nothing until `resume`; idempotent. UserError 409 ``not_recording``."""

    async def resume(self, recording_id: str) -> None:
        """Go on after a pause; idempotent. UserError 409 ``not_recording``."""

    def is_recording(self, meeting_id: str) -> bool:
        """Whether the meeting is being recorded, or about to be."""
