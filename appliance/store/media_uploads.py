"""Files on their way in: queries on the table ``media_uploads``.

Owns the rows; refuses to know how much of an upload is there, which its file in the folder of uploads says.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from appliance.store.database import Conn, Row


class MediaUpload(msgspec.Struct, frozen=True, kw_only=True):
    """One upload. Times are milliseconds since the Unix epoch."""

    id: str
    """Of the file that it becomes."""
    user_id: str | None
    """None: its owner is gone."""
    meeting_id: str | None
    name: str
    metadata: str
    """As its sender wrote it."""
    length: int
    """Bytes that are announced; 0 where nobody said."""
    checking_from: int | None
    """What is beyond it has a checksum that was not compared yet; None: all that is there counts."""
    created_at_ms: int
    expires_at_ms: int


_COLUMNS = ", ".join(MediaUpload.__struct_fields__)


async def insert(conn: Conn, upload: MediaUpload) -> None:
    """Write an upload down."""
    values = [getattr(upload, name) for name in MediaUpload.__struct_fields__]
    places = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    await conn.execute(f"INSERT INTO media_uploads ({_COLUMNS}) VALUES ({places})", *values)


async def by_id(conn: Conn, upload_id: str) -> MediaUpload | None:
    """The upload, or None."""
    row = await conn.fetchrow(f"SELECT {_COLUMNS} FROM media_uploads WHERE id = $1", upload_id)
    return None if row is None else _filled(row)


async def known(conn: Conn, ids: Sequence[str]) -> set[str]:
    """Which of these are uploads."""
    found = set()
    for upload_id in ids:
        if await conn.fetchval("SELECT id FROM media_uploads WHERE id = $1", upload_id) is not None:
            found.add(upload_id)
    return found


async def announced(conn: Conn, user_id: str, *, besides: str = "") -> tuple[int, int]:
    """How many uploads somebody has, and their announced bytes; without the one ``besides``."""
    row = await conn.fetchrow(
        "SELECT COUNT(*) AS count, CAST(COALESCE(SUM(length), 0) AS BIGINT) AS bytes FROM media_uploads"
        " WHERE user_id = $1 AND id <> $2",
        user_id,
        besides,
    )
    return (0, 0) if row is None else (int(row["count"]), int(row["bytes"]))


async def touch(conn: Conn, upload_id: str, expires_at_ms: int, *, checking_from: int | None = None) -> None:
    """It goes on: kept until then; what is there counts, up to ``checking_from``."""
    sql = "UPDATE media_uploads SET expires_at_ms = $2, checking_from = $3 WHERE id = $1"
    await conn.execute(sql, upload_id, expires_at_ms, checking_from)


async def over(conn: Conn, now_ms: int, limit: int) -> list[MediaUpload]:
    """Uploads that expired, or whose owner is gone."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM media_uploads WHERE expires_at_ms <= $1 OR user_id IS NULL ORDER BY id LIMIT $2",
        now_ms,
        limit,
    )
    return [_filled(row) for row in rows]


async def delete(conn: Conn, upload_id: str) -> bool:
    """Whether there was one."""
    return await conn.execute("DELETE FROM media_uploads WHERE id = $1", upload_id) == 1


def _filled(row: Row) -> MediaUpload:
    return MediaUpload(**{name: row[name] for name in MediaUpload.__struct_fields__})
