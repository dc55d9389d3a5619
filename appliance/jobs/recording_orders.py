"""Orders about a recording: files are made of its journals when it has ended, the film also while it goes on, and all
is removed when it is deleted.

Owns the types and their keys; refuses to know who writes an order (`live`, `api`) and who carries it out
(`recordings`). Pure.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from appliance.job_records import Order
from appliance.jobs.types import JobType

Format = Literal["mp4", "webm"]


class Processing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Payload of `RECORDING_PROCESS`."""

    recording_id: str
    run: int
    """Of the row: an older run does nothing."""
    height: int | None = None
    """Pixels of the film; None: as the settings say."""
    format: Format | None = None
    """None: as the settings say."""


RECORDING_PROCESS = JobType(
    name="meeting.recording_process",
    payload=Processing,
    priority="low",
    # A day: eight hours of a meeting on one core that meetings take first.
    deadline_s=86_400.0,
    # 30 s, 2 min and 8 min: a full disk may be noticed and a storage come back.
    retry_s=30.0,
)


class Ahead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Payload of `RECORDING_AHEAD`."""

    recording_id: str


RECORDING_AHEAD = JobType(
    name="meeting.recording_ahead",
    payload=Ahead,
    priority="low",
    # A part of the film, a minute, on a core that meetings take first; and what was left from before.
    deadline_s=3600.0,
    # Also the pause between two looks at what was recorded since.
    retry_s=10.0,
)


class Removal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Payload of `RECORDING_REMOVE`."""

    recording_id: str


RECORDING_REMOVE = JobType(
    name="recording.remove",
    payload=Removal,
    # Thousands of objects at a slow storage, and the wait for a film that is being composed.
    deadline_s=600.0,
    retry_s=30.0,
)


def process_key(recording_id: str, run: int) -> str:
    """The idempotency key of a run: one job for each."""
    return f"{recording_id}:{run}"


def process_order(
    *,
    recording_id: str,
    meeting_id: str,
    node: str,
    now_ms: int,
    run: int = 1,
    height: int | None = None,
    format: Format | None = None,
) -> Order:
    """The order for `store.jobs.enqueue`, in the transaction of `store.recordings.stop` (run 1) or
    `store.recording_runs.process_again`. ``node``: who has the journals."""
    payload = Processing(recording_id=recording_id, run=run, height=height, format=format)
    return RECORDING_PROCESS.order(
        payload, now_ms=now_ms, key=process_key(recording_id, run), meeting_id=meeting_id, node=node
    )


def ahead_order(*, recording_id: str, meeting_id: str, node: str, now_ms: int) -> Order:
    """The order for `store.jobs.enqueue`, in the transaction of `store.recordings.start`. ``node``: who records."""
    payload = Ahead(recording_id=recording_id)
    return RECORDING_AHEAD.order(payload, now_ms=now_ms, key=recording_id, meeting_id=meeting_id, node=node)


def remove_order(
    *, recording_id: str, meeting_id: str, now_ms: int, node: str | None = None, again: int = 0
) -> Order:
    """The order for `store.jobs.enqueue`, in the transaction of `store.recordings.delete`.

    ``node``: who has the journals, to remove them; None: whoever comes first removes what everybody reaches, and has
    that node do the rest. ``again``: a number for another try, after the first was given up.
    """
    key = ":".join([recording_id, *([node] if node else []), *([str(again)] if again else [])])
    payload = Removal(recording_id=recording_id)
    return RECORDING_REMOVE.order(payload, now_ms=now_ms, key=key, meeting_id=meeting_id, node=node)
