"""The job queue as administrators see it: what waits, runs and failed; requeue, cancel, drop. Each act is audited."""

from __future__ import annotations

from typing import NoReturn

from appliance.api.admin_shapes import JobDetail, JobView, job_detail, job_view
from appliance.api.bodies import Empty, JobsQuery
from appliance.api.call import Call
from appliance.api.pages import Page, cut, decode_cursor
from appliance.api.shapes import Nothing
from appliance.errors import UserError
from appliance.store import audit, jobs
from appliance.store.audit import AuditEntry
from appliance.store.database import Conn
from appliance.store.jobs import Job


async def list_page(call: Call, query: JobsQuery) -> Page[JobView]:
    """Jobs, newest first. ``state=dead`` are the dead letters."""
    rows = await call.read(
        jobs.page,
        state=query.state,
        type=query.type,
        after=decode_cursor(query.cursor),
        limit=query.limit + 1,
    )
    return cut(rows, query.limit, job_view, lambda job: (job.created_at_ms, job.id))


async def show(call: Call, job_id: str) -> JobDetail:
    """One job with its payload, result and the traceback of its last failure."""
    return job_detail(await call.read(_existing, job_id))


async def requeue(call: Call, job_id: str, body: Empty) -> JobDetail:
    """Have a dead or cancelled job begin anew, with all its attempts."""
    entry = call.audit_entry("admin.job.requeue", target=job_id)
    return job_detail(await call.run(_requeue, job_id, entry, call.now_ms))


async def _requeue(conn: Conn, job_id: str, entry: AuditEntry, now_ms: int) -> Job:
    if not await jobs.requeue(conn, job_id, now_ms):
        await _refuse(conn, job_id, "only dead and cancelled jobs can be requeued")
    await audit.insert(conn, entry)
    return await _existing(conn, job_id)


async def cancel(call: Call, job_id: str, body: Empty) -> JobDetail:
    """Cancel a job: a waiting one at once, a running one as soon as its worker stops it."""
    entry = call.audit_entry("admin.job.cancel", target=job_id)
    return job_detail(await call.run(_cancel, job_id, entry, call.now_ms))


async def _cancel(conn: Conn, job_id: str, entry: AuditEntry, now_ms: int) -> Job:
    if not await jobs.cancel(conn, job_id, now_ms):
        await _refuse(conn, job_id, "only waiting and running jobs can be cancelled")
    await audit.insert(conn, entry)
    return await _existing(conn, job_id)


async def drop(call: Call, job_id: str, body: Empty) -> Nothing:
    """Forget a dead letter, or a cancelled job; its idempotency key is free again."""
    job = await call.read(_existing, job_id)
    await call.run(_drop, job_id, call.audit_entry("admin.job.drop", target=job_id, detail=job.type))
    return Nothing()


async def _drop(conn: Conn, job_id: str, entry: AuditEntry) -> None:
    if not await jobs.drop(conn, job_id):
        await _refuse(conn, job_id, "only dead and cancelled jobs can be dropped")
    await audit.insert(conn, entry)


async def _existing(conn: Conn, job_id: str) -> Job:
    job = await jobs.by_id(conn, job_id)
    if job is None:
        raise UserError(404, "not_found", "there is no such job", field="job_id")
    return job


async def _refuse(conn: Conn, job_id: str, rule: str) -> NoReturn:
    job = await _existing(conn, job_id)
    raise UserError(409, "wrong_state", f"{rule}, this one is {job.state}", field="job_id")
