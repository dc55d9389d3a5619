"""What requests hold: the structs of bodies and query strings.

Owns names, types and outer bounds; unknown fields are refused. Finer rules for texts are in `texts`, and so are the
exact lengths: the bounds here only keep nonsense out early.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from appliance.api.pages import DEFAULT_LIMIT, PageLimit
from appliance.job_records import JobState
from appliance.signaling.messages import Role, Source, VideoSource
from appliance.store.meetings import MeetingStatus, RecordingAccess, RecordingDownload
from appliance.store.notifications import Locale
from appliance.store.recordings import Layout
from appliance.store.users import UserRole, UserStatus

Text = Annotated[str, Meta(max_length=255)]
Password = Annotated[str, Meta(max_length=1024)]
TokenText = Annotated[str, Meta(max_length=4096)]
Passcode = Annotated[str, Meta(min_length=4, max_length=64)]
"""At least 4 characters: with attempts limited to 10 at once and then one each 6 s, 10,000 digits take 16 hours."""
Time = Annotated[datetime, Meta(tz=True)]
SessionWanted = Literal["bearer", "cookie"]
ParticipantBound = Annotated[int, Meta(ge=2, le=10_000)]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the bodies and query strings."""


class Empty(Body, frozen=True, kw_only=True):
    """A body that says nothing; it may be missing altogether."""


class RegisterBody(Body, frozen=True, kw_only=True):
    username: Text
    email: Text
    password: Password
    nickname: Text | None = None
    session: SessionWanted = "bearer"


class SetupBody(RegisterBody, frozen=True, kw_only=True):
    token: TokenText
    """Of the one-time link that the server printed at its first start."""


class LoginBody(Body, frozen=True, kw_only=True):
    login: Text
    """User name or e-mail address."""
    password: Password
    session: SessionWanted = "bearer"


class RefreshBody(Body, frozen=True, kw_only=True):
    refresh_token: TokenText | None = None
    """Missing for cookie sessions."""


class ProfileBody(Body, frozen=True, kw_only=True):
    nickname: Text | None = None
    email: Text | None = None
    username: Text | None = None


class ChangePasswordBody(Body, frozen=True, kw_only=True):
    old_password: Password
    new_password: Password


class DeleteAccountBody(Body, frozen=True, kw_only=True):
    password: Password


class RoleBody(Body, frozen=True, kw_only=True):
    role: UserRole


class BanBody(Body, frozen=True, kw_only=True):
    reason: Annotated[str, Meta(max_length=500)] = ""


class CreateMeetingBody(Body, frozen=True, kw_only=True):
    """``recording_access``: who may watch its recordings, besides whoever started one. ``recording_download``: who of
    these may download them: everyone, or only hosts, cohosts and whoever started one; no copy protection, since what a
    browser plays can be kept."""

    title: Text | None = None
    description: Annotated[str, Meta(max_length=8000)] = ""
    start_time: Time | None = None
    end_time: Time | None = None
    max_participants: ParticipantBound | None = None
    guests_allowed: bool | None = None
    passcode: Passcode | None = None
    auto_record: bool = False
    recording_consent: bool = False
    recording_access: RecordingAccess = "hosts"
    recording_download: RecordingDownload = "everyone"
    emotion_detection: bool = False
    """Look at the expressions of those who agree, from the start; hosts may switch it in the room."""
    deepfake_detection: bool = False
    """Look for manipulated pictures of those who agree, from the start."""


class UpdateMeetingBody(Body, frozen=True, kw_only=True):
    """Only the fields that are given change; null clears a time or the passcode. When the meeting has ended,
    ``recording_access`` and ``recording_download`` still change, alone; links that exist stay as they were made."""

    title: Text | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=8000)] | UnsetType = UNSET
    start_time: Time | UnsetType | None = UNSET
    end_time: Time | UnsetType | None = UNSET
    max_participants: ParticipantBound | UnsetType = UNSET
    guests_allowed: bool | UnsetType = UNSET
    passcode: Passcode | UnsetType | None = UNSET
    locked: bool | UnsetType = UNSET
    auto_record: bool | UnsetType = UNSET
    """From the next time that the meeting starts."""
    recording_consent: bool | UnsetType = UNSET
    """From the next recording on."""
    recording_access: RecordingAccess | UnsetType = UNSET
    recording_download: RecordingDownload | UnsetType = UNSET
    emotion_detection: bool | UnsetType = UNSET
    """From the next time that the meeting starts."""
    deepfake_detection: bool | UnsetType = UNSET
    """From the next time that the meeting starts."""


class JoinBody(Body, frozen=True, kw_only=True):
    name: Text | None = None
    """Guests must give one; members may, in place of their nickname."""
    passcode: Text | None = None
    vision_consent: bool | None = None
    """Whether one's camera may be analysed; null: not asked. Can be changed in the room at any time."""


class InviteBody(Body, frozen=True, kw_only=True):
    emails: Annotated[list[Text], Meta(max_length=100)] = []
    user_ids: Annotated[list[Text], Meta(max_length=100)] = []


class StartRecordingBody(Body, frozen=True, kw_only=True):
    meeting_id: Text
    layout: Layout | None = None
    """Of the film; null: as the server's settings say."""
    live: bool | None = None
    """Whether the film is made while the meeting is recorded, and so there soon after; null: as the settings say."""


class StopRecordingBody(Body, frozen=True, kw_only=True):
    recording_id: Text


class ProcessBody(Body, frozen=True, kw_only=True):
    """Each null: as before, or as the server's settings say."""

    layout: Layout | None = None
    height: Annotated[int, Meta(ge=360, le=1080)] | None = None
    format: Literal["mp4", "webm"] | None = None


class ShareBody(Body, frozen=True, kw_only=True):
    """``expires_in_s``: a minute to a year. ``download``: whether visitors may download the film; null: where the
    meeting's ``recording_download`` is ``everyone``."""

    expires_in_s: Annotated[int, Meta(ge=60, le=31_536_000)]
    download: bool | None = None


class RefusalBody(Body, frozen=True, kw_only=True):
    kind: Text
    notifier: Text


class PreferencesBody(Body, frozen=True, kw_only=True):
    locale: Locale | None = None
    time_zone: Text | None = None
    """IANA name."""
    off: Annotated[list[RefusalBody], Meta(max_length=100)] | None = None
    """All that is not wanted."""


class MuteBody(Body, frozen=True, kw_only=True):
    source: Source | None = None
    """Null: everything that the participant sends."""


class ParticipantRoleBody(Body, frozen=True, kw_only=True):
    role: Role


class NoQuery(Body, frozen=True, kw_only=True):
    """No parameters."""


class PublishQuery(Body, frozen=True, kw_only=True):
    source: VideoSource = "camera"
    """What the stream's picture is shown as."""


class WatchQuery(Body, frozen=True, kw_only=True):
    participant: Text | None = None
    """Participant, user or guest id; null follows the speaker."""
    source: VideoSource | None = None
    """Null: a shared screen while there is one, else the camera."""


class PageQuery(Body, frozen=True, kw_only=True):
    limit: PageLimit = DEFAULT_LIMIT
    cursor: TokenText | None = None


class MeetingsQuery(Body, frozen=True, kw_only=True):
    mine: bool = False
    """Only those that I created; else also those that I was invited to or joined."""
    status: MeetingStatus | None = None
    limit: PageLimit = DEFAULT_LIMIT
    cursor: TokenText | None = None


class RecordingsQuery(Body, frozen=True, kw_only=True):
    meeting_id: Text | None = None
    limit: PageLimit = DEFAULT_LIMIT
    cursor: TokenText | None = None


class DownloadQuery(Body, frozen=True, kw_only=True):
    download: bool = False
    """To be saved, not shown."""


class ParticipantsQuery(Body, frozen=True, kw_only=True):
    active: bool | None = None
    limit: PageLimit = DEFAULT_LIMIT
    cursor: TokenText | None = None


class MessagesQuery(Body, frozen=True, kw_only=True):
    after_seq: Annotated[int, Meta(ge=0, le=2**53)] = 0
    limit: PageLimit = DEFAULT_LIMIT


class TranscriptQuery(Body, frozen=True, kw_only=True):
    format: Literal["json", "vtt", "srt", "md"] = "json"
    limit: PageLimit = DEFAULT_LIMIT
    """Of ``json``, as ``cursor``."""
    cursor: TokenText | None = None


class ReportQuery(Body, frozen=True, kw_only=True):
    format: Literal["json", "md"] = "json"


class TranscriptSearchQuery(Body, frozen=True, kw_only=True):
    query: Annotated[str, Meta(min_length=1, max_length=200)]
    meeting_id: Text | None = None
    """Only in this meeting, by its id or code."""
    speaker: Text | None = None
    """Only what somebody of this name said."""
    limit: PageLimit = DEFAULT_LIMIT
    cursor: TokenText | None = None


class UsersQuery(Body, frozen=True, kw_only=True):
    search: Text | None = None
    role: UserRole | None = None
    status: UserStatus | None = None
    limit: PageLimit = DEFAULT_LIMIT
    cursor: TokenText | None = None


class AuditExportQuery(Body, frozen=True, kw_only=True):
    after: Annotated[int, Meta(ge=0)] = 0
    """Number of the last row that is known already."""
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 10_000


class AuditQuery(Body, frozen=True, kw_only=True):
    action: Text | None = None
    actor_id: Text | None = None
    limit: PageLimit = DEFAULT_LIMIT
    cursor: TokenText | None = None


class DeliveriesQuery(Body, frozen=True, kw_only=True):
    subscriber: Text | None = None
    limit: PageLimit = DEFAULT_LIMIT
    cursor: TokenText | None = None


class JobsQuery(Body, frozen=True, kw_only=True):
    state: JobState | None = None
    type: Text | None = None
    limit: PageLimit = DEFAULT_LIMIT
    cursor: TokenText | None = None


class AiSetupBody(Body, frozen=True, kw_only=True):
    action: Literal["load", "unload", "pin", "unpin"]
    """``load``: into memory, anew if it is there. ``pin``: load it and keep it, over restarts too."""
    model: Text
    """Its name, as `GET /models` lists it."""
