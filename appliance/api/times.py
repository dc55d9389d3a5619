"""Times on the wire: RFC 3339 in UTC with milliseconds; pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from appliance.errors import UserError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Planned times lie between 1970 and the end of the calendar that datetime knows.
_LATEST_MS = 253_402_300_799_999


def to_text(time_ms: int) -> str:
    """``2026-01-31T12:00:00.000Z`` of milliseconds since the Unix epoch."""
    return (_EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_text_or_none(time_ms: int | None) -> str | None:
    """The same, null for None."""
    return None if time_ms is None else to_text(time_ms)


def to_ms(time: datetime, field: str) -> int:
    """Milliseconds since the Unix epoch of a time with an offset; UserError 400 before 1970."""
    time_ms = (time - _EPOCH) // timedelta(milliseconds=1)
    if not 0 <= time_ms <= _LATEST_MS:
        raise UserError(400, "invalid_field", f"{field} lies before 1970", field=field)
    return time_ms
