"""One room: on one worker of the data plane for its whole life, with one owner who reads its events.

Owns the sessions and the channel of events. Refuses to know who the participants are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
import trio

from appliance.sfu.events import DataMessage, RoomEvent, Speakers
from appliance.sfu.session import Session
from appliance.webrtc.answer import Candidate

if TYPE_CHECKING:
    from appliance.sfu.media import Sfu

_log = structlog.get_logger(__name__)

# The owner handles an event in well under a millisecond. A hundred participants who connect at once with four tracks
# each make 500 events; fleeting ones (levels, data) are dropped from half of the bound on.
_MAX_EVENTS = 2048


class Room:
    """Made by `Sfu.open_room`."""

    def __init__(self, sfu: Sfu, key: str, number: int, worker: int, candidates: tuple[Candidate, ...]) -> None:
        self.sfu = sfu
        self.key = key
        self.number = number
        self.worker = worker
        self.candidates = candidates
        """Host candidates of the room's worker."""
        self.events: trio.MemoryReceiveChannel[RoomEvent]
        self._send: trio.MemorySendChannel[RoomEvent]
        self._send, self.events = trio.open_memory_channel[RoomEvent](_MAX_EVENTS)
        self.sessions: set[Session] = set()
        self._dropped = 0
        self._closed = False

    def open_session(self, participant_id: str) -> Session:
        """A session without transport; the first `negotiate` makes that."""
        if self._closed:
            raise RuntimeError(f"room {self.key} is closed")
        session = Session(self, participant_id)
        self.sessions.add(session)
        return session

    async def close(self) -> None:
        """Close every session and end the events; idempotent."""
        if self._closed:
            return
        self._closed = True
        async with trio.open_nursery() as nursery:
            for session in list(self.sessions):
                nursery.start_soon(session.close)
        self.sfu.forget_room(self)
        self.sfu.plane.remove_room(self.number)
        self._send.close()

    def statistics(self) -> dict[str, int]:
        return {
            "sessions": len(self.sessions),
            "events_waiting": self.events.statistics().current_buffer_used,
            "events_dropped": self._dropped,
        }

    # --- told by sessions and the SFU --------------------------------------------------------------------------

    def emit(self, event: RoomEvent) -> None:
        """Queue an event for the owner; after `close` there is nobody to tell."""
        if self._closed:
            return
        waiting = self._send.statistics().current_buffer_used
        fleeting = isinstance(event, Speakers | DataMessage)
        try:
            if fleeting and waiting > _MAX_EVENTS // 2:
                raise trio.WouldBlock
            self._send.send_nowait(event)
        except trio.WouldBlock:
            self._dropped += 1
            if not fleeting:
                _log.error("room_event_dropped", room=self.key, kind=type(event).__name__)
        except trio.BrokenResourceError:  # the owner closed its end and is about to close the room
            return

    def forget(self, session: Session) -> None:
        self.sessions.discard(session)
