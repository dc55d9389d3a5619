"""What answers hold: the ``data`` of the success envelope.

Owns the response structs and how rows become them; refuses to know who may see what (handlers choose the struct).
Field names are the wire's; times are RFC 3339 texts in UTC.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from appliance.api.times import to_text, to_text_or_none
from appliance.store.meetings import Meeting, MeetingStatus, RecordingAccess, RecordingDownload
from appliance.store.participants import MeetingRole, ParticipantRecord
from appliance.store.users import User, UserRole, UserStatus

AVATAR_PATH = "/api/v1/avatars/"


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the answers' structs."""


class PublicUser(Shape, frozen=True, kw_only=True):
    """What everybody who is signed in may know of an account."""

    id: str
    username: str
    nickname: str
    avatar_url: str | None


class UserView(PublicUser, frozen=True, kw_only=True):
    """What its owner and administrators see of an account."""

    email: str
    role: UserRole
    status: UserStatus
    created_at: str
    last_login_at: str | None
    has_password: bool
    """False: a plugin knows the password, and it is changed there."""


class Tokens(Shape, frozen=True, kw_only=True):
    """A sign-in for clients that keep tokens themselves."""

    user: UserView
    access_token: str
    access_expires_in_s: int
    refresh_token: str
    refresh_expires_in_s: int


class CookieSession(Shape, frozen=True, kw_only=True):
    """A sign-in whose tokens are HttpOnly cookies."""

    user: UserView
    csrf_token: str
    """Send it as ``X-CSRF-Token`` with every write."""
    access_expires_in_s: int


class CsrfToken(Shape, frozen=True, kw_only=True):
    csrf_token: str


class Nothing(Shape, frozen=True, kw_only=True):
    """No data: the status says it all."""


class SetupNeeded(Shape, frozen=True, kw_only=True):
    needed: bool


class Info(Shape, frozen=True, kw_only=True):
    """What a client must know before anybody signs in."""

    name: str
    version: str
    registration: Literal["open", "closed"]
    guests_allowed: bool
    setup_needed: bool
    password_min_length: int
    languages: list[str]


class AvatarUrl(Shape, frozen=True, kw_only=True):
    avatar_url: str | None


class Creator(Shape, frozen=True, kw_only=True):
    id: str
    nickname: str
    avatar_url: str | None


class MeetingSettingsView(Shape, frozen=True, kw_only=True):
    guests_allowed: bool
    has_passcode: bool
    locked: bool
    auto_record: bool
    """It is recorded whenever it runs."""
    recording_consent: bool
    """Only those are recorded who agree."""
    recording_access: RecordingAccess
    """Who may watch its recordings, besides whoever started one."""
    recording_download: RecordingDownload
    """Who of these may download them."""
    emotion_detection: bool
    """Expressions of those who agree are looked at from the start."""
    deepfake_detection: bool
    """Manipulated pictures of those who agree are looked for from the start."""


class MeetingPreview(Shape, frozen=True, kw_only=True):
    """What somebody with the link may know before joining."""

    id: str
    code: str
    title: str
    status: MeetingStatus
    start_time: str | None
    recording: bool
    """It is being recorded now."""
    captions: bool
    """What is said there is transcribed now."""
    settings: MeetingSettingsView


class MeetingView(MeetingPreview, frozen=True, kw_only=True):
    """A meeting for those who are signed in."""

    description: str
    creator: Creator | None
    end_time: str | None
    started_at: str | None
    ended_at: str | None
    created_at: str
    max_participants: int
    participant_count: int
    """Connections in the room now."""
    url: str
    my_role: MeetingRole | None
    """Null: neither host nor member, never joined, not invited."""
    has_transcript: bool
    """Something of what was said is kept, and the caller may see it."""


class JoinView(Shape, frozen=True, kw_only=True):
    """The right to enter a meeting through the signaling socket."""

    meeting: MeetingView
    token: str
    """For the ``join`` message."""
    token_expires_in_s: int
    name: str
    role: MeetingRole
    signaling_path: str
    guest: bool


class Invited(Shape, frozen=True, kw_only=True):
    url: str
    code: str
    message: str
    """A text to send along, with title, time and link."""
    invited: int
    """How many had not been invited before."""


class Changed(Shape, frozen=True, kw_only=True):
    """How many connections or tracks the action reached; 0 when nobody it concerns is in the room."""

    changed: int


class ParticipantView(Shape, frozen=True, kw_only=True):
    participant_id: str
    user_id: str | None
    guest: bool
    name: str
    role: MeetingRole
    joined_at: str
    left_at: str | None


class Health(Shape, frozen=True, kw_only=True):
    status: Literal["ok"]
    version: str


class Readiness(Shape, frozen=True, kw_only=True):
    status: Literal["ready"]
    database: Literal["sqlite", "postgresql"]


def avatar_url(user: User) -> str | None:
    """Where the account's picture is; another one after each upload, so that it may be cached for ever."""
    return None if user.avatar_id is None else f"{AVATAR_PATH}{user.avatar_id}.webp"


def public_user(user: User) -> PublicUser:
    """The account as others see it."""
    return PublicUser(id=user.id, username=user.username, nickname=user.nickname, avatar_url=avatar_url(user))


def user_view(user: User) -> UserView:
    """The account as its owner sees it."""
    return UserView(
        id=user.id,
        username=user.username,
        nickname=user.nickname,
        avatar_url=avatar_url(user),
        email=user.email,
        role=user.role,
        status=user.status,
        created_at=to_text(user.created_at_ms),
        last_login_at=to_text_or_none(user.last_login_at_ms),
        has_password=user.password_hash is not None,
    )


def meeting_preview(meeting: Meeting, *, recording: bool, captions: bool) -> MeetingPreview:
    """The meeting as somebody sees it who is not signed in."""
    return MeetingPreview(
        id=meeting.id,
        code=meeting.code,
        title=meeting.title,
        status=meeting.status,
        start_time=to_text_or_none(meeting.start_at_ms),
        recording=recording,
        captions=captions,
        settings=_settings(meeting),
    )


def meeting_view(
    meeting: Meeting,
    *,
    creator: User | None,
    my_role: MeetingRole | None,
    participant_count: int,
    recording: bool,
    captions: bool,
    has_transcript: bool,
    base_url: str,
) -> MeetingView:
    """The meeting as somebody sees it who is signed in."""
    return MeetingView(
        id=meeting.id,
        code=meeting.code,
        title=meeting.title,
        status=meeting.status,
        start_time=to_text_or_none(meeting.start_at_ms),
        recording=recording,
        captions=captions,
        settings=_settings(meeting),
        description=meeting.description,
        creator=None
        if creator is None
        else Creator(id=creator.id, nickname=creator.nickname, avatar_url=avatar_url(creator)),
        end_time=to_text_or_none(meeting.end_at_ms),
        started_at=to_text_or_none(meeting.started_at_ms),
        ended_at=to_text_or_none(meeting.ended_at_ms),
        created_at=to_text(meeting.created_at_ms),
        max_participants=meeting.max_participants,
        participant_count=participant_count,
        url=f"{base_url}/{meeting.code}",
        my_role=my_role,
        has_transcript=has_transcript,
    )


def participant_view(record: ParticipantRecord) -> ParticipantView:
    """One join of a meeting."""
    return ParticipantView(
        participant_id=record.id,
        user_id=record.user_id,
        guest=record.guest_id is not None,
        name=record.name,
        role=record.role,
        joined_at=to_text(record.joined_at_ms),
        left_at=to_text_or_none(record.left_at_ms),
    )


def _settings(meeting: Meeting) -> MeetingSettingsView:
    return MeetingSettingsView(
        guests_allowed=meeting.guests_allowed,
        has_passcode=meeting.passcode_hash is not None,
        locked=meeting.locked,
        auto_record=meeting.auto_record,
        recording_consent=meeting.recording_consent,
        recording_access=meeting.recording_access,
        recording_download=meeting.recording_download,
        emotion_detection=meeting.emotion_detection,
        deepfake_detection=meeting.deepfake_detection,
    )
