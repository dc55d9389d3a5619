"""The words in which the job queue's two halves speak: `jobs` decides, `store.jobs` and `store.job_runs` keep.

Owns frozen structs and nothing else, so that neither half imports the other; refuses to decide and to store.
Times are milliseconds since the Unix epoch (``…_ms``).
"""

from __future__ import annotations

from typing import Literal

import msgspec

Priority = Literal["critical", "high", "normal", "low"]
JobState = Literal["waiting", "running", "done", "dead", "cancelled"]
Verdict = Literal["done", "failed", "dead", "cancelled", "released"]
"""How an attempt ended. ``failed``: it waits for the next one. ``released``: it does not count as an attempt."""

CHANNEL = "jobs"
"""What `store.jobs` notifies when the queue should be looked at."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A job to be done; `jobs.types.JobType.order` makes it, `store.jobs.enqueue` writes it down."""

    id: str
    type: str
    priority: Priority
    payload: str
    """JSON."""
    idempotency_key: str | None
    """Unique within the type."""
    meeting_id: str | None
    max_attempts: int
    run_at_ms: int
    """Not before."""
    rank_ms: int
    """The smallest goes first: ``run_at_ms`` and the priority's handicap."""
    created_at_ms: int
    node: str | None = None
    """It needs what is on this node's disk; None: any node does it."""


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A job that a worker has taken."""

    id: str
    type: str
    payload: str
    idempotency_key: str | None
    meeting_id: str | None
    attempt: int
    """From 1."""
    max_attempts: int
    run_at_ms: int


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended."""

    job_id: str
    attempt: int
    verdict: Verdict
    result: str | None = None
    """JSON."""
    error: str | None = None
    """With its traceback."""
    run_at_ms: int | None = None
    """Of ``failed``: when the next attempt may begin."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What a running job says of itself."""

    job_id: str
    attempt: int
    share: float
    """0 to 1."""
    note: str


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """Types that share free places."""

    types: tuple[str, ...]
    free: int


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker tells and asks in one transaction."""

    worker: str
    now_ms: int
    lease_until_ms: int
    """For what it takes now, and with ``renew`` for all that it has."""
    renew: bool
    ended: tuple[Ended, ...]
    progress: tuple[Progress, ...]
    rooms: tuple[Room, ...]
    limit: int
    """Most jobs that it takes over all rooms."""
    horizon_ms: int
    """No job that is due has a greater rank."""
    types: tuple[str, ...]
    """All that it knows."""
    schedules: tuple[str, ...]
    node: str | None = None
    """Where the worker is: it takes jobs for this node, and those for any."""


class Vanished(msgspec.Struct, frozen=True, kw_only=True):
    """A job whose worker let its lease run out."""

    id: str
    type: str
    state: JobState
    """What became of it."""


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule whose time has come."""

    name: str
    at_ms: int


class Turned(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a `Turn`."""

    claimed: tuple[Claimed, ...]
    refused: frozenset[str]
    """Ids of ended attempts that are no longer this worker's: the lease had run out."""
    held: frozenset[str] | None
    """With ``renew``: ids of all that this worker has."""
    to_cancel: frozenset[str]
    vanished: tuple[Vanished, ...]
    due: tuple[Due, ...]
    next_at_ms: int | None
    """When something falls due that this turn did not take: a job, another worker's lease, a schedule."""
