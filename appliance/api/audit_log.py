"""The audit log for administrators: look, check its seals, take it along."""

from __future__ import annotations

import msgspec

from appliance.api.admin_shapes import AuditVerdict, AuditView, audit_view
from appliance.api.bodies import AuditExportQuery, AuditQuery
from appliance.api.call import Blob, Call
from appliance.api.pages import Page, cut, decode_cursor
from appliance.store import audit
from appliance.store.audit import SealedEntry
from appliance.store.audit_chain import BEGINNING, Broken, check
from appliance.store.database import Database

# Rows that are checked at a time: a few milliseconds each.
_CHECKED_AT_ONCE = 1000


async def list_page(call: Call, query: AuditQuery) -> Page[AuditView]:
    """The audit log, newest first."""
    rows = await call.read(
        audit.page,
        action=query.action,
        actor_id=query.actor_id,
        after=decode_cursor(query.cursor),
        limit=query.limit + 1,
    )
    return cut(rows, query.limit, audit_view, lambda entry: (entry.at_ms, entry.id))


async def export(call: Call, query: AuditExportQuery) -> Blob:
    """Sealed rows in their order, one JSON object a line; ask again with `after` the last `seq`."""
    rows = await call.read(audit.sealed, query.after, query.limit)
    return Blob(
        content=exported(rows),
        media_type="application/jsonl; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="audit.jsonl"', "Cache-Control": "no-store"},
    )


def exported(rows: list[SealedEntry]) -> bytes:
    """One JSON object a line: ``seq``, ``entry``, ``seal``."""
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


async def verify(call: Call) -> AuditVerdict:
    """Follow the seals from the first row to the newest."""
    return await follow(call.services.database)


async def follow(database: Database) -> AuditVerdict:
    """The same without a caller."""
    seq, seal = 0, BEGINNING
    while rows := await database.read(audit.sealed, seq, _CHECKED_AT_ONCE):
        found = check(rows, after_seq=seq, before=seal)
        if isinstance(found, Broken):
            return AuditVerdict(intact=False, rows=found.seq - 1, seal=seal, broken_at=found.seq, reason=found.reason)
        seq, seal = found
    return AuditVerdict(intact=True, rows=seq, seal=seal)
