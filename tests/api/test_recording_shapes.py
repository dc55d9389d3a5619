"""A recording as its people and as strangers see it; over HTTP, `test_recordings` and `test_shared` show it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from appliance.api.recording_access import Held, Rights
from appliance.api.recording_shapes import recording_view, stranger_view
from appliance.store.recordings import Progress, Recording

ALL = Rights(see=True, download=True, control=True, manage=True)
SEE = Rights(see=True, download=False, control=False, manage=False)


def held(of: Recording, rights: Rights = ALL) -> Held:
    return Held(recording=of, rights=rights, recording_download="hosts")


def recording(**changes: Any) -> Recording:
    values: dict[str, Any] = {
        **dict.fromkeys(Recording.__struct_fields__),
        "id": "rec_r",
        "meeting_id": "mtg_m",
        "title": "T",
        "status": "processing",
        "layout": "speaker",
        "started_by_name": "Ann",
        "started_at_ms": 0,
        "recovered": False,
        "duration_ms": 2500,
        "bytes": 7,
        "video_key": "recordings/rec_r.mp4",
        "tracks": (),
        "chapters": (),
        "node": "node_a",
        "has_journals": True,
        "run": 1,
        "loose_keys": (),
    }
    return Recording(**{**values, **changes})


def test_progress_is_shown_and_files_only_when_they_are_there() -> None:
    view = recording_view(held(recording(progress=Progress(share=0.5, stage="video", time_left_s=None))))
    assert msgspec.to_builtins(view.progress) == {"share": 0.5, "stage": "video", "time_left_s": None}
    assert (view.has_video_file, view.duration_s, view.size_bytes) == (False, None, 7)
    view = recording_view(held(recording(status="ready")))
    assert (view.has_video_file, view.duration_s, view.has_captions, view.progress) == (True, 2.5, False, None)


@pytest.mark.parametrize(
    ("status", "journals", "rights", "process"),
    [
        ("failed", True, ALL, True),
        ("cancelled", True, ALL, True),
        ("failed", False, ALL, False),
        ("ready", True, ALL, False),
        ("processing", True, ALL, False),
        ("failed", True, SEE, False),
    ],
)
def test_what_cannot_be_processed_is_not_offered(status: str, journals: bool, rights: Rights, process: bool) -> None:
    view = recording_view(held(recording(status=status, has_journals=journals), rights))
    assert view.permissions.process is process
    assert (view.permissions.download, view.permissions.share) == (rights.download, rights.manage)
    assert view.recording_download == "hosts"


def test_strangers_are_told_nothing_that_leads_into_the_meeting() -> None:
    secret = recording(status="ready", error="secret", stop_reason="secret")
    view = stranger_view(secret, download=False)
    assert view.permissions.download is False and view.recording_download is None
    told = msgspec.json.encode(stranger_view(secret, download=True))
    for hidden in (b"mtg_m", b"Ann", b"secret", b"node_a"):
        assert hidden not in told
