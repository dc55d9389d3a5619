"""A recording as its room sees it: which tracks are tapped, what the notes say, what everybody is told.

Owned by the meeting's task, as the room is. Owns consent: where the meeting asks for it, nobody is recorded who has
not agreed. Refuses to know the disk (`recorder.writer`) and the database (`live.recorder`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec
import structlog

from appliance.errors import UserError
from appliance.live.commands import BeginRecording, Deliver, EndRecording, PauseRecording
from appliance.live.session import Session
from appliance.live.sockets import error_message
from appliance.meeting import permissions
from appliance.meeting.events import (
    MeetingChanged,
    MeetingEvent,
    ParticipantJoined,
    ParticipantLeft,
    TrackMuted,
    TrackUnmuted,
)
from appliance.meeting.participant import Participant, Track
from appliance.recorder.manifest import TRACKS, TrackFile
from appliance.signaling.messages import (
    Recording,
    RecordingPause,
    RecordingStart,
    RecordingState,
    RecordingStop,
)
from appliance.store.database import DatabaseError

if TYPE_CHECKING:
    from appliance.live.room import Room
    from appliance.recorder.writer import Tap
    from appliance.store.meetings import Meeting

_log = structlog.get_logger(__name__)

# What waits in memory while the disk stands still: twenty seconds of 3 Mbit/s, and two minutes of Opus.
VIDEO_TAP_BYTES = 8 * 1024 * 1024
AUDIO_TAP_BYTES = 1024 * 1024

State = Literal["on", "paused"]


class Journals(Protocol):
    """What a room needs of `recorder.writer.RecordingWriter`."""

    def add(self, track: TrackFile, tap: Tap) -> None:
        """Write a track from now on."""

    def end(self, track: str) -> None:
        """No more of it."""

    def note(self, note: dict[str, Any]) -> None:
        """Remember what happened now."""


class MeetingRecorder(Protocol):
    """What meetings ask of `live.recorder.Recorder`, each beside the meeting's task: it asks that one in turn."""

    async def meeting_started(self, meeting: Meeting) -> None:
        """Record it if it says so, or if the server's end interrupted its recording."""

    async def start_inside(self, meeting_id: str, *, by: Participant, layout: str | None) -> None:
        """See `live.recorder.Recorder`."""

    async def stop(self, recording_id: str, reason: str) -> None:
        """See `live.recorder.Recorder`."""

    async def pause(self, recording_id: str) -> None:
        """See `live.recorder.Recorder`."""

    async def resume(self, recording_id: str) -> None:
        """See `live.recorder.Recorder`."""


class RoomRecording:
    """One recording of one room, from its start to its end."""

    def __init__(
        self,
        recording_id: str,
        journals: Journals,
        *,
        since_ms: int,
        by_name: str | None,
        consent_required: bool,
        ask_stop: Callable[[str], None],
    ) -> None:
        """``ask_stop``: end the recording soon, for a reason. Does not wait."""
        self.recording_id = recording_id
        self.state: State = "on"
        self.ask_stop = ask_stop
        self._journals = journals
        self._since_ms = since_ms
        self._by_name = by_name
        self._consent_required = consent_required
        self._agreed: set[str] = set()
        self._tapped: dict[str, TrackFile] = {}
        """By the published track's id."""
        self._times: dict[str, int] = {}
        self._dominant: str | None = None

    def shown(self) -> RecordingState:
        """What everybody is told while it goes on."""
        return RecordingState(
            state=self.state,
            recording_id=self.recording_id,
            since_ms=self._since_ms,
            by_name=self._by_name,
            reason=None,
            consent_required=self._consent_required,
        )

    def begin(self, present: Iterable[Participant], dominant: str | None) -> None:
        """Note who is there already; `tap` follows."""
        for participant in present:
            self._note_joined(participant)
        self.heard(dominant)

    def agree(self, participant_id: str, accepted: bool) -> None:
        """Somebody agrees to be recorded, or takes that back; `tap` follows."""
        (self._agreed.add if accepted else self._agreed.discard)(participant_id)

    def pause(self, paused: bool) -> None:
        """Write nothing for a while, or go on; `tap` follows."""
        self.state = "paused" if paused else "on"
        self._journals.note({"type": "paused" if paused else "resumed"})

    def follow(self, events: Iterable[MeetingEvent]) -> None:
        """Note what the composition needs to know."""
        for event in events:
            match event:
                case ParticipantJoined(participant=p):
                    self._note_joined(p)
                case ParticipantLeft(participant=p):
                    self._agreed.discard(p.participant_id)
                    self._journals.note({"type": "left", "participant_id": p.participant_id})
                case TrackMuted(participant=p, source=source):
                    self._journals.note({"type": "muted", "participant_id": p.participant_id, "source": source})
                case TrackUnmuted(participant=p, source=source):
                    self._journals.note({"type": "unmuted", "participant_id": p.participant_id, "source": source})
                case MeetingChanged(title=title):
                    self._journals.note({"type": "title", "title": title})
                case _:
                    pass

    def heard(self, dominant: str | None) -> None:
        """Who speaks above the others now."""
        if dominant != self._dominant:
            self._dominant = dominant
            self._journals.note({"type": "speaker", "participant_id": dominant})

    def tap(self, present: Iterable[Participant], sessions: Mapping[str, Session]) -> None:
        """Tap what is published and may be recorded, and let go of everything else. Cheap when nothing changed."""
        wanted = {
            track.track_id: (participant, track)
            for participant in present
            if self.state == "on" and self._may(participant.participant_id)
            for track in participant.tracks
        }
        for track_id in [track_id for track_id in self._tapped if track_id not in wanted]:
            self._let_go(track_id)
        for track_id, (participant, track) in wanted.items():
            if track_id not in self._tapped:
                self._begin(participant, track, sessions)

    def let_go(self) -> None:
        """End every tap: the recording is over."""
        for track_id in list(self._tapped):
            self._let_go(track_id)

    def _may(self, participant_id: str) -> bool:
        return not self._consent_required or participant_id in self._agreed

    def _begin(self, participant: Participant, published: Track, sessions: Mapping[str, Session]) -> None:
        session = sessions.get(participant.participant_id)
        track = None if session is None else session.media.tracks.get(published.source)
        if session is None or track is None or track.track_id != published.track_id:
            return  # its negotiation goes on; the change that ends it comes by here again
        times = self._times[track.track_id] = self._times.get(track.track_id, 0) + 1
        name = track.track_id if times == 1 else f"{track.track_id}_{times}"  # after a pause it is another journal
        tap = session.media.open_tap(track.source, VIDEO_TAP_BYTES if track.kind == "video" else AUDIO_TAP_BYTES)
        file = TrackFile(
            track=name,
            file=f"{TRACKS}/{name}.journal",
            participant_id=participant.participant_id,
            name=participant.name,
            source=track.source,
            kind=track.kind,
        )
        self._journals.add(file, tap)
        self._tapped[track.track_id] = file
        who = {"participant_id": participant.participant_id, "source": track.source}
        self._journals.note({"type": "published", **who, "track": name})
        if published.muted:
            self._journals.note({"type": "muted", **who})

    def _let_go(self, track_id: str) -> None:
        file = self._tapped.pop(track_id)
        self._journals.end(file.track)
        who = {"participant_id": file.participant_id, "source": file.source, "track": file.track}
        self._journals.note({"type": "unpublished", **who})

    def _note_joined(self, participant: Participant) -> None:
        who = {"participant_id": participant.participant_id, "name": participant.name}
        self._journals.note({"type": "joined", **who})


def ask(room: Room, session: Session, message: RecordingStart | RecordingPause | RecordingStop) -> None:
    """A host's or cohost's wish about the recording; UserError 403 for others.

    Carried out beside the room's task, and answered by ``recording`` to everybody or by an ``error``.
    """
    asker = room.meeting.get(session.participant_id)
    permissions.check(asker.role, "record")
    if room.recorder is None:
        raise UserError(409, "not_recording", "nothing is recorded here")
    recording_id = None if room.recording is None else room.recording.recording_id
    if recording_id is None and not isinstance(message, RecordingStart):
        raise UserError(409, "not_recording", "the meeting is not being recorded")
    room.start(_carry_out, room, room.recorder, session, asker, message, recording_id or "")


async def _carry_out(
    room: Room,
    recorder: MeetingRecorder,
    session: Session,
    asker: Participant,
    message: RecordingStart | RecordingPause | RecordingStop,
    recording_id: str,
) -> None:
    try:
        match message:
            case RecordingStart(layout=layout):
                await recorder.start_inside(room.meeting_id, by=asker, layout=layout)
            case RecordingPause(paused=paused):
                await (recorder.pause if paused else recorder.resume)(recording_id)
            case RecordingStop():
                await recorder.stop(recording_id, "asked")
    except UserError as error:
        await room.put(Deliver(session, error_message(error, message.ref)))
    except DatabaseError as error:
        _log.warning("recording_not_changed", meeting=room.meeting_id, error=str(error))
        refusal = UserError(503, "unavailable", "the database is away", retry_after_s=1.0)
        await room.put(Deliver(session, error_message(refusal, message.ref)))


def obey(room: Room, command: BeginRecording | PauseRecording | EndRecording) -> None:
    """What the recorder asks of the room."""
    match command:
        case BeginRecording(recording=recording, by_uid=by_uid):
            room.recording = recording
            for participant in [] if by_uid is None else room.meeting.answering_to(by_uid):
                recording.agree(participant.participant_id, True)  # who starts it knows
            recording.begin(room.meeting.participants.values(), room.speakers.dominant)
            room.tap()
            _tell(room, recording.shown())
        case PauseRecording(recording_id=recording_id, paused=paused, reply=reply):
            recording = _of(room, recording_id)
            changed = (recording.state == "paused") is not paused
            if changed:
                recording.pause(paused)
                room.tap()
                _tell(room, recording.shown())
            reply.give(changed)
        case EndRecording(recording_id=recording_id, reason=reason, reply=ended):
            recording = _of(room, recording_id)
            recording.let_go()
            room.recording = None
            off = RecordingState(
                state="off",
                recording_id=recording_id,
                since_ms=None,
                by_name=None,
                reason=reason,
                consent_required=False,
            )
            _tell(room, off)
            ended.give(1)


def _tell(room: Room, shown: RecordingState) -> None:
    room.audience.tell_all(Recording(**msgspec.structs.asdict(shown)))


def _of(room: Room, recording_id: str) -> RoomRecording:
    if room.recording is None or room.recording.recording_id != recording_id:
        raise UserError(409, "not_recording", "this recording does not run")
    return room.recording
