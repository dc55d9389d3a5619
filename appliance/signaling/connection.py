"""One signaling connection without its socket: rate limit, numbering of what goes out, replay after a loss.

Sans-IO: time is an argument, frames are strings. `frames` decodes and encodes; `live` owns sockets and sessions.

Every frame that changes what a client knows is numbered from 1 per session. The newest are kept: a client that
lost its socket names the last one that it handled and gets the rest again with their old numbers. Fleeting things
(levels, quality, reactions, progress, partial captions, heart-beats, errors) have no number and are not repeated.

A session::

              join                socket lost             resume_s over
    (nothing) ────▶ connected ───────────────▶ waiting ─────────────────▶ gone
                    │   ▲  ▲                      │                          ▲
                    │   │  └──────── resume ──────┘                          │
                    │   └─ resume on another socket: the older one is closed │
                    └───────────── leave, kick, end ─────────────────────────┘
"""

from __future__ import annotations

import hmac
from collections import deque
from enum import IntEnum

from appliance.errors import UserError
from appliance.signaling.messages import (
    ActiveSpeakers,
    AnyServerMessage,
    Caption,
    Error,
    Heartbeat,
    Joined,
    Pong,
    Quality,
    ReactionShown,
    RecordingProgress,
    Resumed,
)

UNNUMBERED: frozenset[type] = frozenset(
    {ActiveSpeakers, Quality, ReactionShown, RecordingProgress, Heartbeat, Pong, Error, Resumed}
)
"""Types of frames that carry no ``seq`` and are not replayed."""


def is_numbered(message: AnyServerMessage) -> bool:
    """Whether its frame carries a ``seq``; of captions only the final does: the next partial replaces one that was
    missed."""
    return type(message) not in UNNUMBERED and (type(message) is not Caption or message.final)


class CloseCode(IntEnum):
    """Why the server closes a WebSocket; below 4000 as RFC 6455 §7.4.1 says, from 4000 ours (§7.4.2)."""

    NORMAL = 1000
    """Answer to ``leave``."""
    GOING_AWAY = 1001
    """The server stops; come back."""
    TOO_BIG = 1009
    """A frame beyond max_frame_bytes."""
    SERVER_ERROR = 1011
    """A bug of the server ended this connection."""
    NO_JOIN = 4001
    """No ``join`` or ``resume`` in time."""
    SILENT = 4002
    """Nothing was heard for silence_s; resume."""
    TOO_SLOW = 4003
    """The client did not read what was sent to it; resume."""
    REPLACED = 4004
    """The session was resumed on another socket."""
    KICKED = 4005
    """Removed by a host."""
    ENDED = 4006
    """The meeting has ended."""
    REVOKED = 4007
    """The account was banned or deleted."""
    LEFT = 4008
    """This participant left by another way: POST /meetings/{id}/leave, or a reload of the page."""


class FrameRate:
    """Token bucket for incoming frames: ``burst`` at once, ``per_s`` in the long run."""

    def __init__(self, *, per_s: float, burst: int, now: float) -> None:
        """``now``: seconds of any clock that does not go back; the same one for `take`."""
        self._per_s = per_s
        self._burst = float(burst)
        self._tokens = float(burst)
        self._at = now

    def take(self, now: float) -> float:
        """0 when a frame is within the limit, else the seconds until the next one will be."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._per_s)
        self._at = now
        # A billionth of a frame is rounding: whoever waits as long as told must get in.
        if self._tokens >= 1 - 1e-9:
            self._tokens = max(0.0, self._tokens - 1)
            return 0.0
        return (1 - self._tokens) / self._per_s


# An answer of 49 seats is about 100 kB; a ring of nothing else must not hold 50 MB for each client.
REPLAY_MAX_CHARS = 2 * 1024 * 1024


class SendLog:
    """Numbers the frames of one session and keeps the newest for replay.

    What is kept are bodies without their number: what a room tells all is encoded once, and all logs hold that one
    string. With the number in front each had its own: in a room of 51 that was 22 kB for each, and grew with the room.
    ``joined`` is not kept: who can resume has handled it, the session's id and token are in it.
    """

    def __init__(self, *, frames: int) -> None:
        """``frames``: how many to keep."""
        self._kept: deque[str] = deque()
        """Bodies of the newest frames, without a gap up to ``last_seq``."""
        self._limit = frames
        self._chars = 0
        self.last_seq = 0

    def frame(self, message: AnyServerMessage, body: str) -> str:
        """The frame to send for a message and its encoded ``body``; numbered and kept when its type is."""
        if not is_numbered(message):
            return body
        self.last_seq += 1
        if type(message) is Joined:
            self._kept.clear()
            self._chars = 0
        else:
            self._kept.append(body)
            self._chars += len(body)
        while len(self._kept) > self._limit or (self._chars > REPLAY_MAX_CHARS and len(self._kept) > 1):
            self._chars -= len(self._kept.popleft())
        return _numbered(self.last_seq, body)

    def replay(self, last_seq: int) -> list[str]:
        """The frames after ``last_seq``.

        UserError ``bad_seq`` for a number that was never sent, ``resume_gap`` when some of them are gone: the
        client must join anew.
        """
        if last_seq > self.last_seq:
            raise UserError(400, "bad_seq", f"last_seq {last_seq} was never sent", field="last_seq")
        oldest = self.last_seq - len(self._kept) + 1
        if last_seq + 1 < oldest:
            raise UserError(409, "resume_gap", "too much happened since; join again", field="last_seq")
        return [_numbered(seq, body) for seq, body in enumerate(self._kept, oldest) if seq > last_seq]


def _numbered(seq: int, body: str) -> str:
    return f'{{"seq":{seq},{body[1:]}'


def check_resume_token(expected: str, given: str) -> None:
    """Compare in constant time; UserError 404 ``resume_refused``, the same as for a session that is gone."""
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise resume_refused()


def resume_refused() -> UserError:
    """The session is unknown, over, or somebody else's: which of them is not told."""
    return UserError(404, "resume_refused", "this session cannot be resumed; join again", field="session_id")
