"""Shapes of `meeting` and `store` as messages of the wire. Pure; owns no rule."""

from __future__ import annotations

from collections.abc import Iterable

from appliance.meeting.meeting import Meeting
from appliance.meeting.participant import Participant
from appliance.signaling import messages
from appliance.store.messages import StoredMessage
from appliance.store.recordings import Progress, Recording


def track_messages(participant: Participant) -> list[messages.Track]:
    """All tracks of a participant."""
    return [
        messages.Track(track_id=t.track_id, source=t.source, kind=t.kind, muted=t.muted) for t in participant.tracks
    ]


def participant_message(participant: Participant) -> messages.Participant:
    """The whole participant. A guest's id stays unsaid: it is what a ban holds on to."""
    return messages.Participant(
        participant_id=participant.participant_id,
        user_id=participant.user_id,
        name=participant.name,
        avatar_url=participant.avatar_url,
        role=participant.role,
        joined_at_ms=participant.joined_at_ms,
        hand_raised_at_ms=participant.hand_raised_at_ms,
        reconnecting=participant.reconnecting,
        tracks=track_messages(participant),
    )


def room_message(
    meeting: Meeting,
    *,
    max_participants: int,
    recording: messages.RecordingState | None,
    captions: messages.CaptionsState,
) -> messages.RoomState:
    """The room with everybody in it, in the order of joining."""
    return messages.RoomState(
        meeting_id=meeting.meeting_id,
        code=meeting.code,
        title=meeting.title,
        started_at_ms=meeting.started_at_ms,
        locked=meeting.locked,
        max_participants=max_participants,
        participants=[participant_message(p) for p in meeting.participants.values()],
        recording=recording,
        captions=captions,
    )


def processing_message(
    recording: Recording,
) -> messages.RecordingProgress | messages.RecordingProcessed | None:
    """How far a recording's film is, or how that ended; None while the recording itself goes on."""
    match recording.status:
        case "processing":
            progress = recording.progress or Progress(share=0.0, stage="reading", time_left_s=None)
            return messages.RecordingProgress(
                recording_id=recording.id,
                share=progress.share,
                stage=progress.stage,
                time_left_s=progress.time_left_s,
            )
        case "ready" | "failed" | "cancelled":
            return messages.RecordingProcessed(recording_id=recording.id, outcome=recording.status)
        case _:
            return None


def chat_message(stored: StoredMessage) -> messages.ChatMessage:
    """A stored line."""
    return messages.ChatMessage(
        chat_seq=stored.chat_seq,
        message_id=stored.id,
        participant_id=stored.participant_id,
        user_id=stored.user_id,
        name=stored.name,
        text=stored.text,
        sent_at_ms=stored.sent_at_ms,
    )


def history_message(
    stored: Iterable[StoredMessage], *, limit: int, ref: str | None
) -> messages.HistoryPage:
    """A page of at most ``limit`` lines out of up to one more, which tells whether there are more."""
    lines = [chat_message(line) for line in stored]
    return messages.HistoryPage(messages=lines[:limit], more=len(lines) > limit, ref=ref)
