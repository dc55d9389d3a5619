"""Rows for tests of the query modules: whole structs with values that are easy to tell apart."""

from __future__ import annotations

from typing import Any

from appliance.store.audit import AuditEntry
from appliance.store.media_files import MediaFile
from appliance.store.media_uploads import MediaUpload
from appliance.store.meetings import Meeting
from appliance.store.participants import ParticipantRecord
from appliance.store.recordings import NewRecording
from appliance.store.sessions import Session
from appliance.store.users import User


def user(name: str, **changes: Any) -> User:
    """An account ``usr_<name>``."""
    values: dict[str, Any] = {
        "id": f"usr_{name}",
        "username": name,
        "email": f"{name}@example.org",
        "password_hash": "$argon2id$…",
        "nickname": name.title(),
        "avatar_id": None,
        "role": "user",
        "status": "active",
        "created_at_ms": 1000,
        "updated_at_ms": 1000,
        "last_login_at_ms": None,
    }
    return User(**{**values, **changes})


def session(ident: str, user_id: str, **changes: Any) -> Session:
    """A live sign-in."""
    values: dict[str, Any] = {
        "id": ident,
        "user_id": user_id,
        "kind": "bearer",
        "refresh_id": f"rft_{ident}",
        "previous_refresh_id": None,
        "created_at_ms": 1000,
        "rotated_at_ms": 1000,
        "expires_at_ms": 9000,
        "revoked_at_ms": None,
        "revoked_reason": None,
        "address": "127.0.0.1",
        "user_agent": "test",
    }
    return Session(**{**values, **changes})


def meeting(ident: str, creator_id: str | None, **changes: Any) -> Meeting:
    """A scheduled meeting ``mtg_<ident>`` with the code ``abc-defg-<ident>``."""
    values: dict[str, Any] = {
        "id": f"mtg_{ident}",
        "code": f"abc-defg-{ident}",
        "title": f"Meeting {ident}",
        "description": "",
        "creator_id": creator_id,
        "status": "scheduled",
        "start_at_ms": None,
        "end_at_ms": None,
        "started_at_ms": None,
        "ended_at_ms": None,
        "created_at_ms": 1000,
        "updated_at_ms": 1000,
        "max_participants": 100,
        "guests_allowed": True,
        "passcode_hash": None,
        "locked": False,
    }
    return Meeting(**{**values, **changes})


def participant(ident: str, meeting_id: str, **changes: Any) -> ParticipantRecord:
    """A join that has not ended."""
    values: dict[str, Any] = {
        "id": ident,
        "meeting_id": meeting_id,
        "user_id": None,
        "guest_id": None,
        "name": ident,
        "role": "participant",
        "joined_at_ms": 1000,
        "left_at_ms": None,
        "leave_reason": None,
    }
    return ParticipantRecord(**{**values, **changes})


def recording(ident: str, meeting_id: str, **changes: Any) -> NewRecording:
    """A recording ``rec_<ident>`` that begins."""
    values: dict[str, Any] = {
        "id": f"rec_{ident}",
        "meeting_id": meeting_id,
        "title": f"Recording {ident}",
        "layout": "speaker",
        "started_by_id": None,
        "started_by_name": None,
        "started_at_ms": 1000,
        "node": "node_a",
    }
    return NewRecording(**{**values, **changes})


def audit_entry(ident: str, **changes: Any) -> AuditEntry:
    """One audit row."""
    values: dict[str, Any] = {
        "id": ident,
        "at_ms": 1000,
        "actor_id": None,
        "actor_name": "somebody",
        "action": "auth.login",
        "outcome": "ok",
        "target": None,
        "address": "127.0.0.1",
        "request_id": "req_x",
        "detail": "",
    }
    return AuditEntry(**{**values, **changes})


def media_file(ident: str, user_id: str | None, **changes: Any) -> MediaFile:
    """A picture ``med_<ident>``."""
    values: dict[str, Any] = {
        "id": f"med_{ident}",
        "user_id": user_id,
        "meeting_id": None,
        "name": f"{ident}.png",
        "media_type": "image/png",
        "kind": "image",
        "bytes": 1000,
        "width": 640,
        "height": 480,
        "duration_ms": None,
        "has_thumbnail": True,
        "created_at_ms": 1000,
    }
    return MediaFile(**{**values, **changes})


def media_upload(ident: str, user_id: str | None, **changes: Any) -> MediaUpload:
    """An upload ``med_<ident>``."""
    values: dict[str, Any] = {
        "id": f"med_{ident}",
        "user_id": user_id,
        "meeting_id": None,
        "name": f"{ident}.png",
        "metadata": "",
        "length": 1000,
        "checking_from": None,
        "created_at_ms": 1000,
        "expires_at_ms": 9000,
    }
    return MediaUpload(**{**values, **changes})
