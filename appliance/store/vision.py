"""What was found in pictures of meetings: queries on the tables ``vision_alerts`` and ``emotion_spans``.

Owns the rows, the frame that an alert shows among them: both go in one statement. Refuses to decide who may see them.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from appliance.store.database import Conn, Row

AlertKind = Literal["face_spoof", "generated_picture", "synthetic_voice"]
Expression = Literal["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]

_ALERT = "id, meeting_id, participant_id, name, kind, score, model, box, at_ms"
_SPAN = "id, meeting_id, participant_id, name, label, start_ms, end_ms"
# A transaction of the chore: on SQLite everybody's writes wait for it.
_SLICE = 200


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """That a picture may not be real. Times: milliseconds since the Unix epoch."""

    id: str
    meeting_id: str
    participant_id: str
    name: str
    kind: AlertKind
    score: float
    """0 to 1."""
    model: str
    box: tuple[float, float, float, float] | None
    """Left, top, width, height of the face in pixels of the evidence."""
    at_ms: int
    has_evidence: bool


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody's face expressed, from when to when."""

    id: str
    meeting_id: str
    participant_id: str
    name: str
    label: Expression
    start_ms: int
    end_ms: int


async def insert_alert(conn: Conn, *, alert: Alert, evidence: bytes) -> bool:
    """Whether it was stored with its JPEG: not where its meeting was deleted meanwhile."""
    if not await _is_kept(conn, alert.meeting_id):
        return False
    await conn.execute(
        f"INSERT INTO vision_alerts ({_ALERT}, evidence) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        alert.id,
        alert.meeting_id,
        alert.participant_id,
        alert.name,
        alert.kind,
        alert.score,
        alert.model,
        None if alert.box is None else msgspec.json.encode(alert.box).decode(),
        alert.at_ms,
        evidence or None,
    )
    return True


async def insert_span(conn: Conn, *, span: Span) -> bool:
    """Whether it was stored: not where its meeting was deleted meanwhile."""
    if not await _is_kept(conn, span.meeting_id):
        return False
    values = [getattr(span, name) for name in Span.__struct_fields__]
    await conn.execute(f"INSERT INTO emotion_spans ({_SPAN}) VALUES ($1, $2, $3, $4, $5, $6, $7)", *values)
    return True


async def alerts(conn: Conn, meeting_id: str, limit: int) -> list[Alert]:
    """At most ``limit`` of a meeting, newest first."""
    rows = await conn.fetch(
        f"SELECT {_ALERT}, evidence IS NOT NULL AS has_evidence FROM vision_alerts WHERE meeting_id = $1"
        " ORDER BY at_ms DESC, id DESC LIMIT $2",
        meeting_id,
        limit,
    )
    return [_alert(row) for row in rows]


async def alert(conn: Conn, alert_id: str) -> Alert | None:
    """The row."""
    row = await conn.fetchrow(
        f"SELECT {_ALERT}, evidence IS NOT NULL AS has_evidence FROM vision_alerts WHERE id = $1", alert_id
    )
    return None if row is None else _alert(row)


async def evidence(conn: Conn, alert_id: str) -> bytes | None:
    """The JPEG."""
    found = await conn.fetchval("SELECT evidence FROM vision_alerts WHERE id = $1", alert_id)
    return None if found is None else bytes(found)


async def remove_alert(conn: Conn, alert_id: str) -> bool:
    """Whether this call removed it."""
    return await conn.execute("DELETE FROM vision_alerts WHERE id = $1", alert_id) == 1


async def spans(conn: Conn, meeting_id: str, limit: int) -> list[Span]:
    """At most ``limit`` of a meeting, in their order."""
    rows = await conn.fetch(
        f"SELECT {_SPAN} FROM emotion_spans WHERE meeting_id = $1 ORDER BY start_ms, id LIMIT $2", meeting_id, limit
    )
    return [Span(**{name: row[name] for name in Span.__struct_fields__}) for row in rows]


async def remove_meeting(conn: Conn, meeting_id: str) -> None:
    """Delete what was found in a meeting."""
    await conn.execute("DELETE FROM vision_alerts WHERE meeting_id = $1", meeting_id)
    await conn.execute("DELETE FROM emotion_spans WHERE meeting_id = $1", meeting_id)


async def forget(conn: Conn, before_ms: int) -> int:
    """Delete a slice of what is older; how many rows."""
    gone = await conn.execute(
        "DELETE FROM vision_alerts WHERE id IN (SELECT id FROM vision_alerts WHERE at_ms < $1 LIMIT $2)",
        before_ms,
        _SLICE,
    )
    return gone + await conn.execute(
        "DELETE FROM emotion_spans WHERE id IN (SELECT id FROM emotion_spans WHERE end_ms < $1 LIMIT $2)",
        before_ms,
        _SLICE,
    )


async def _is_kept(conn: Conn, meeting_id: str) -> bool:
    sql = "SELECT 1 FROM meetings WHERE id = $1 AND deleted_at_ms IS NULL"
    return await conn.fetchval(sql, meeting_id) is not None


def _alert(row: Row) -> Alert:
    values = {name: row[name] for name in Alert.__struct_fields__}
    box = values["box"]
    values["box"] = None if box is None else msgspec.json.decode(box, type=tuple[float, float, float, float])
    values["has_evidence"] = bool(values["has_evidence"])  # SQLite has numbers
    return Alert(**values)
