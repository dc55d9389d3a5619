"""Recordings as they change, as server-sent events (HTML, section 9.2): pages need not ask each second.

Owns the stream's format and bounds. A stream tells of what the caller may see at that moment, and ends after a while so
that a browser comes again with the rights that it has then. How a recording stands is in the rows: a change is only a
reason to look at one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import trio

from appliance.api.call import Call, Stream
from appliance.api.recording_access import Standings, judge
from appliance.api.recording_shapes import RecordingView, recording_view
from appliance.errors import UserError
from appliance.store import recordings
from appliance.store.database import Conn, DatabaseError
from appliance.store.users import User

# A stream is a connection and a task. A page closes its own while nobody looks at it, so one person needs one or two.
STREAMS_OF_ONE = 8
STREAMS_MOST = 500
# Proxies close what is silent for a minute; a browser that is gone without a word is noticed by the write.
_BEAT_S = 15.0
# A sign-in that ended and a role that was taken away count after this at the latest.
_LIFE_S = 120.0
# Several recordings that are processed at once change within the same second: one look for all.
_TOGETHER_S = 0.25
# The browser comes again after so long.
_RETRY_MS = 3000


class RecordingRemoved(msgspec.Struct, frozen=True):
    """Data of the event ``removed``."""

    id: str


async def follow(call: Call) -> Stream:
    """Recordings that I may see, as they change: server-sent events.

    Each is of the type ``recording`` with a RecordingView as its data, or ``removed`` with the ``id`` of one that was
    deleted. Nothing is told of what was before: ask for the list once the stream is open.
    """
    changes, owner = call.services.recording_changes, call.user.id
    if changes.watching(owner) >= STREAMS_OF_ONE:
        raise UserError(429, "too_many_streams", f"one account may follow {STREAMS_OF_ONE} times at once")
    if changes.watching() >= STREAMS_MOST:
        raise UserError(503, "too_many_streams", "too many follow now, ask again later", retry_after_s=60.0)
    headers = {
        "Content-Type": "text/event-stream; charset=utf-8",
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",  # nginx would keep events until there are enough
    }
    return Stream(pieces=None if call.method == "HEAD" else lambda: _events(call), headers=headers)


async def _events(call: Call) -> AsyncIterator[bytes]:
    ends_at = trio.current_time() + _LIFE_S
    with call.services.recording_changes.watch(call.user.id) as watcher:
        yield b"retry: %d\n\n" % _RETRY_MS
        while not watcher.closed and trio.current_time() < ends_at:
            names: list[str] = []
            with trio.move_on_after(_BEAT_S):
                names = await watcher.wait()
            if not names:
                yield b":\n\n"
                continue
            try:
                found = await call.read(_look, call.user, names)
            except DatabaseError:
                return  # whoever follows comes again and asks for the list
            for one in found:
                yield _event(one)
            await trio.sleep(_TOGETHER_S)


def _event(one: RecordingView | RecordingRemoved) -> bytes:
    kind = b"recording" if isinstance(one, RecordingView) else b"removed"
    return b"event: %s\ndata: %s\n\n" % (kind, msgspec.json.encode(one))  # JSON has no line ends


async def _look(conn: Conn, user: User, names: list[str]) -> list[RecordingView | RecordingRemoved]:
    found: list[RecordingView | RecordingRemoved] = []
    known: Standings = {}
    for name in names:
        recording = await recordings.by_id(conn, name)
        if recording is None:
            # Its files went too before anybody looked. Whose it was is not known any more; the id says nothing.
            found.append(RecordingRemoved(name))
            continue
        held = await judge(conn, recording, user, known)
        if held.rights.see:
            gone = recording.deleted_at_ms is not None
            found.append(RecordingRemoved(recording.id) if gone else recording_view(held))
    return found
