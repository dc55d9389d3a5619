"""What answers to administrators hold: jobs, plugins, the audit log. See `shapes`.

Owns the response structs and how rows become them; refuses to know who may see them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from appliance.api.shapes import Shape
from appliance.api.times import to_text, to_text_or_none
from appliance.hooks.dispatch import PluginStatus, State
from appliance.job_records import JobState, Priority
from appliance.store.audit import AuditEntry
from appliance.store.jobs import Job
from appliance.store.nodes import Node
from appliance.store.outbox import GivenUp


class JobView(Shape, frozen=True, kw_only=True):
    """A job of the queue."""

    id: str
    type: str
    priority: Priority
    state: JobState
    """``dead``: it failed for the last time and waits for somebody to requeue or drop it."""
    attempts: int
    """Begun."""
    max_attempts: int
    meeting_id: str | None
    progress: float | None
    """0 to 1; null when the job says nothing of itself."""
    progress_note: str | None
    cancel_requested: bool
    last_error: str | None
    """Last line of the traceback."""
    created_at: str
    run_at: str
    """Not before."""
    started_at: str | None
    finished_at: str | None


class JobDetail(JobView, frozen=True, kw_only=True):
    """A job with what it was given and what came of it."""

    payload: Any
    result: Any
    error: str | None
    """Of the last failure, with its traceback."""
    idempotency_key: str | None
    worker: str | None
    node: str | None
    """Which server alone may do it; null: any."""
    """Who runs it."""


class DeliveryView(Shape, frozen=True, kw_only=True):
    """An event that somebody could not be told."""

    event_id: str
    type: str
    """As ``meeting.ended``."""
    topic: str
    happened_at: str
    event: Any
    """As webhooks carry it."""
    subscriber: str
    attempts: int
    error: str
    """Of the last attempt."""
    given_up_at: str


class NodeView(Shape, frozen=True, kw_only=True):
    """A server."""

    id: str
    """Of its data folder: the same over restarts."""
    name: str
    """Of its machine."""
    version: str
    """Empty for one that is too old to say."""
    this_server: bool
    """It is the one that answers."""
    started_at: str
    last_seen_at: str
    """By its own clock; six times in `database.node_lost_after_s`."""
    meetings: int
    """That run there."""
    participants: int
    """Connections in them."""


class AuditView(Shape, frozen=True, kw_only=True):
    id: str
    at: str
    actor_id: str | None
    actor_name: str
    action: str
    outcome: str
    target: str | None
    address: str
    request_id: str
    detail: str


class AuditVerdict(Shape, frozen=True, kw_only=True):
    intact: bool
    rows: int
    """Sealed rows that were checked."""
    seal: str
    """Of the newest row: note it down elsewhere, and compare."""
    broken_at: int | None = None
    reason: str = ""


class PluginStatisticsView(Shape, frozen=True, kw_only=True):
    """Calls since the server's start, by how they ended; latencies from call to answer."""

    calls: int
    succeeded: int
    undeliverable: int
    later: int
    """The other side was away or busy: tried again, no fault of the plugin."""
    failed: int
    refused: int
    """Not called: the plugin was off, or had too many calls under way."""
    outstanding: int
    latency_mean_ms: float | None
    latency_max_ms: float | None


class PluginView(Shape, frozen=True, kw_only=True):
    """A plugin that is enabled, or installed only (``available``)."""

    name: str
    version: str
    package: str
    groups: list[str]
    state: State
    reason: str | None
    since: str | None
    statistics: PluginStatisticsView


def delivery_view(row: GivenUp) -> DeliveryView:
    """One delivery that was given up."""
    return DeliveryView(
        event_id=row.event_id,
        type=row.type,
        topic=row.topic,
        happened_at=to_text(row.at_ms),
        event=row.event,
        subscriber=row.subscriber,
        attempts=row.attempts,
        error=row.error,
        given_up_at=to_text(row.given_up_at_ms),
    )


def node_view(node: Node, *, this: bool, now_ms: int) -> NodeView:
    """A server as administrators see it. ``this``: it is the one that answers, which is seen now."""
    return NodeView(
        id=node.id,
        name=node.name,
        version=node.version,
        this_server=this,
        started_at=to_text(node.started_at_ms),
        last_seen_at=to_text(now_ms if this else node.seen_at_ms),
        meetings=node.meetings,
        participants=node.participants,
    )


def audit_view(entry: AuditEntry) -> AuditView:
    """One row of the audit log."""
    return AuditView(
        id=entry.id,
        at=to_text(entry.at_ms),
        actor_id=entry.actor_id,
        actor_name=entry.actor_name,
        action=entry.action,
        outcome=entry.outcome,
        target=entry.target,
        address=entry.address,
        request_id=entry.request_id,
        detail=entry.detail,
    )


def job_view(job: Job) -> JobView:
    """One job in the list."""
    return JobView(**_job_fields(job))


def job_detail(job: Job) -> JobDetail:
    """One job with all that is known."""
    return JobDetail(
        **_job_fields(job),
        payload=msgspec.json.decode(job.payload),
        result=None if job.result is None else msgspec.json.decode(job.result),
        error=job.error,
        idempotency_key=job.idempotency_key,
        worker=job.worker,
        node=job.node,
    )


def _job_fields(job: Job) -> dict[str, Any]:
    lines = (job.error or "").rstrip().splitlines()
    return {
        "id": job.id,
        "type": job.type,
        "priority": job.priority,
        "state": job.state,
        "attempts": job.attempts,
        "max_attempts": job.max_attempts,
        "meeting_id": job.meeting_id,
        "progress": job.progress_share,
        "progress_note": job.progress_note,
        "cancel_requested": job.cancel_requested,
        "last_error": lines[-1] if lines else None,
        "created_at": to_text(job.created_at_ms),
        "run_at": to_text(job.run_at_ms),
        "started_at": to_text_or_none(job.started_at_ms),
        "finished_at": to_text_or_none(job.finished_at_ms),
    }


def plugin_view(status: PluginStatus) -> PluginView:
    """A plugin as administrators see it."""
    numbers = status.statistics
    return PluginView(
        name=status.name,
        version=status.version,
        package=status.package,
        groups=list(status.groups),
        state=status.state,
        reason=status.reason,
        since=to_text_or_none(status.since_ms),
        statistics=PluginStatisticsView(
            calls=numbers.calls,
            succeeded=numbers.succeeded,
            undeliverable=numbers.undeliverable,
            later=numbers.later,
            failed=numbers.failed,
            refused=numbers.refused,
            outstanding=numbers.outstanding,
            latency_mean_ms=round(numbers.latency_total_s * 1000 / numbers.calls, 3) if numbers.calls else None,
            latency_max_ms=round(numbers.latency_max_s * 1000, 3) if numbers.calls else None,
        ),
    )
