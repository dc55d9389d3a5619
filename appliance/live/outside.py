"""What the HTTP API and the recorder ask of meetings that run here: each a command, and where it has one its answer.

Owns the table of the meetings' tasks; refuses to start or end one, which is `directory`'s. The callers have authorised
and stored what they ask for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import structlog

from appliance.errors import UserError
from appliance.live.commands import Changed, Command, End, GiveRole, MuteFromOutside, Remove, Reply, TellProcessing
from appliance.live.wire import participant_message, processing_message
from appliance.meeting.participant import Role, Source
from appliance.signaling.messages import Participant
from appliance.store.recordings import Recording

if TYPE_CHECKING:
    import trio

    from appliance.live.meeting_task import MeetingTask

_log = structlog.get_logger(__name__)


class Outside:
    """Base of `directory.Live`."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._tasks: dict[str, MeetingTask] = {}
        """By meeting id."""

    def participant_count(self, meeting_id: str) -> int:
        """Connections in the room now."""
        task = self._tasks.get(meeting_id)
        return 0 if task is None or task.room is None else len(task.room.meeting.participants)

    def has_captions(self, meeting_id: str) -> bool:
        """What is said in the room is transcribed now."""
        task = self._tasks.get(meeting_id)
        return task is not None and task.room is not None and task.room.captions.on

    def participants(self, meeting_id: str) -> list[Participant]:
        """Who is in the room now, in the order of joining."""
        task = self._tasks.get(meeting_id)
        if task is None or task.room is None:
            return []
        return [participant_message(p) for p in task.room.meeting.participants.values()]

    async def end(self, meeting_id: str, *, by_user_id: str | None) -> None:
        """Close the room for everybody; the caller has stored that the meeting ended."""
        await self._ask(meeting_id, lambda: End(by_user_id, stored=True))

    async def leave(self, meeting_id: str, user_id: str) -> int:
        """End the user's (or guest's) connections in the room; how many there were."""
        return await self._ask(meeting_id, lambda: Remove(user_id, "left"))

    async def kick(self, meeting_id: str, uid: str, *, by_user_id: str) -> int:
        """Remove every connection of a participant, user or guest id, and keep them out; how many there were."""
        return await self._ask(meeting_id, lambda: Remove(uid, "kicked", by_user_id))

    async def mute(self, meeting_id: str, uid: str, source: str | None, *, by_user_id: str) -> int:
        """Mute one source, or everything (None); how many tracks changed."""
        return await self._ask(meeting_id, lambda: MuteFromOutside(uid, cast("Source | None", source), by_user_id))

    async def set_role(self, meeting_id: str, uid: str, role: str, *, by_user_id: str) -> int:
        """Change the role of a participant, user or guest in the room; how many connections changed."""
        return await self._ask(meeting_id, lambda: GiveRole(uid, cast("Role", role), by_user_id))

    def meeting_changed(self, meeting_id: str, *, title: str, locked: bool) -> None:
        """Tell the room its new title and lock."""
        task = self._tasks.get(meeting_id)
        if task is not None:
            self._nursery.start_soon(self._tell, task, Changed(title, locked))

    def recording_changed(self, recording: Recording) -> None:
        """Tell the room how far the film of a recording is, or how it ended."""
        task, message = self._tasks.get(recording.meeting_id), processing_message(recording)
        if task is not None and message is not None:
            self._nursery.start_soon(self._tell, task, TellProcessing(message))

    def revoke_user(self, user_id: str) -> None:
        """Banned, deleted or signed out everywhere: end the user's sessions in every room."""
        for task in self._tasks.values():
            self._nursery.start_soon(self._tell, task, Remove(user_id, "revoked"))

    def running(self) -> frozenset[str]:
        """Ids of the meetings that run here."""
        return frozenset(self._tasks)

    async def put(self, meeting_id: str, command: Command) -> None:
        """Give a command to a running meeting; UserError 409 ``not_running``."""
        task = self._tasks.get(meeting_id)
        if task is None or task.closing:
            raise UserError(409, "not_running", "the meeting does not run")
        await task.put(command)

    async def _tell(self, task: MeetingTask, command: Command) -> None:
        """Put a command without an answer; a task that has ended needs none."""
        try:
            await task.put(command)
        except UserError:
            _log.debug("meeting_over", meeting=task.meeting_id, command=type(command).__name__)

    async def _ask(self, meeting_id: str, make: Callable[[], Command]) -> int:
        """Put a command and wait for its answer; 0 when the meeting does not run."""
        task = self._tasks.get(meeting_id)
        if task is None or task.closing:
            return 0
        command = make()
        reply = cast("Reply[int]", command.reply)  # type: ignore[union-attr]  # callers make commands that have one
        try:
            await task.put(command)
            return await reply.wait()
        except UserError as error:
            if error.code == "try_again":
                return 0
            raise
