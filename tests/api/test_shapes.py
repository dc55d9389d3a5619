"""Rows as the wire shows them: nothing secret, nothing missing."""

from __future__ import annotations

import json

import msgspec

from appliance.api import shapes
from tests.support import stored_rows as rows


def shown(value: object) -> dict[str, object]:
    read: dict[str, object] = json.loads(msgspec.json.encode(value))
    return read


def test_hashes_never_leave() -> None:
    user = rows.user("ann", password_hash="$secret", avatar_id="avt_x")
    meeting = rows.meeting("one", user.id, passcode_hash="$secret")
    view = shapes.meeting_view(
        meeting, creator=user, my_role="host", participant_count=3, recording=True, captions=True,
        has_transcript=True, base_url="https://x",
    )
    preview = shapes.meeting_preview(meeting, recording=True, captions=True)
    for value in (shapes.user_view(user), shapes.public_user(user), view, preview):
        assert "secret" not in json.dumps(shown(value))
    assert shown(view)["settings"] == {
        "guests_allowed": True,
        "has_passcode": True,
        "locked": False,
        "auto_record": False,
        "recording_consent": False,
        "emotion_detection": False,
        "deepfake_detection": False,
        "recording_access": "hosts",
        "recording_download": "everyone",
    }
    assert shown(view)["url"] == "https://x/abc-defg-one"
    assert shown(shapes.public_user(user)) == {
        "id": "usr_ann",
        "username": "ann",
        "nickname": "Ann",
        "avatar_url": "/api/v1/avatars/avt_x.webp",
    }


def test_a_join_without_an_account_is_a_guest() -> None:
    assert shapes.participant_view(rows.participant("p", "m", guest_id="gst_x")).guest
    gone = shapes.participant_view(rows.participant("p", "m", user_id=None, left_at_ms=0))
    assert not gone.guest and gone.left_at == "1970-01-01T00:00:00.000Z"
