"""What answers about recordings hold. Owns the structs and how rows become them."""

from __future__ import annotations

from appliance.api.recording_access import Held
from appliance.api.shapes import Shape
from appliance.api.times import to_text, to_text_or_none
from appliance.store.meetings import RecordingDownload
from appliance.store.recordings import Layout, Progress, Recording, RecordingStatus


class TrackView(Shape, frozen=True, kw_only=True):
    """One participant's microphone, camera or screen, as a file of its own."""

    id: str
    participant_id: str
    name: str
    source: str
    codec: str
    size_bytes: int
    start_s: float
    """From the recording's start."""
    duration_s: float


class ChapterView(Shape, frozen=True, kw_only=True):
    start_s: float
    title: str


class ProgressView(Shape, frozen=True, kw_only=True):
    """Of the film. While the meeting is recorded, and its film is made meanwhile, ``stage`` is ``live`` and ``share``
    is of what was recorded so far."""

    share: float
    """0 to 1."""
    stage: str
    time_left_s: float | None


class RecordingPermissions(Shape, frozen=True, kw_only=True):
    """What the caller may do. ``process``: also whether it can be done, as the journals are kept."""

    download: bool
    """The film, its tracks and captions, to be saved; watching is for all who see the recording."""
    share: bool
    delete: bool
    process: bool


class RecordingView(Shape, frozen=True, kw_only=True):
    """A recording."""

    id: str
    meeting_id: str | None
    """Null for who came by a link: it would let them into the meeting."""
    title: str
    status: RecordingStatus
    started_at: str
    stopped_at: str | None
    duration_s: float | None
    """Without pauses; known when it is ready."""
    size_bytes: int | None
    recovered: bool
    """The server was killed while it ran: the last second may be missing."""
    stop_reason: str | None
    started_by: str | None
    """Name; null where the meeting records itself."""
    layout: Layout
    progress: ProgressView | None
    error: str | None
    has_video_file: bool
    has_thumbnail: bool
    has_captions: bool
    tracks: list[TrackView]
    chapters: list[ChapterView]
    recording_download: RecordingDownload | None
    """Who may download, as the meeting says; null for who came by a link."""
    permissions: RecordingPermissions


class ShareLink(Shape, frozen=True, kw_only=True):
    """A link by which everybody who has it sees the recording; it is told this once."""

    url: str
    token: str
    expires_at: str
    download: bool
    """Whether visitors may download the film, too."""


def recording_view(held: Held) -> RecordingView:
    """The recording as the caller sees it."""
    recording, rights = held.recording, held.rights
    can_process = recording.status in ("failed", "cancelled") and recording.has_journals
    permissions = RecordingPermissions(
        download=rights.download,
        share=rights.manage,
        delete=rights.manage,
        process=rights.manage and can_process,
    )
    return _view(recording, held.recording_download, permissions)


def stranger_view(recording: Recording, *, download: bool) -> RecordingView:
    """The recording as somebody with a link sees it: the film and its chapters, and not who is behind it."""
    permissions = RecordingPermissions(download=download, share=False, delete=False, process=False)
    return _view(recording, None, permissions)


def _view(
    recording: Recording, rule: RecordingDownload | None, permissions: RecordingPermissions
) -> RecordingView:
    """``rule``: None for strangers."""
    known, ready = rule is not None, recording.status == "ready"
    return RecordingView(
        id=recording.id,
        meeting_id=recording.meeting_id if known else None,
        title=recording.title,
        status=recording.status,
        started_at=to_text(recording.started_at_ms),
        stopped_at=to_text_or_none(recording.stopped_at_ms),
        duration_s=recording.duration_ms / 1000 if ready and recording.duration_ms is not None else None,
        size_bytes=recording.bytes,
        recovered=recording.recovered,
        stop_reason=recording.stop_reason if known else None,
        started_by=recording.started_by_name if known else None,
        layout=recording.layout,
        progress=_progress(recording.progress),
        error=recording.error if known else None,
        has_video_file=ready and recording.video_key is not None,
        has_thumbnail=ready and recording.thumbnail_key is not None,
        has_captions=ready and recording.captions_key is not None,
        tracks=[
            TrackView(
                id=track.id,
                participant_id=track.participant_id,
                name=track.name,
                source=track.source,
                codec=track.codec,
                size_bytes=track.bytes,
                start_s=track.start_ms / 1000,
                duration_s=track.duration_ms / 1000,
            )
            for track in (recording.tracks if known and ready else ())
        ],
        chapters=[
            ChapterView(start_s=chapter.start_ms / 1000, title=chapter.title)
            for chapter in (recording.chapters if ready else ())
        ],
        recording_download=rule,
        permissions=permissions,
    )


def _progress(progress: Progress | None) -> ProgressView | None:
    if progress is None:
        return None
    return ProgressView(share=progress.share, stage=progress.stage, time_left_s=progress.time_left_s)
