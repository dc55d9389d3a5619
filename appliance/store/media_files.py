"""Files that people uploaded: queries on the table ``media_files``.

Owns the rows; refuses to know who may see a file, and where its bytes are.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from appliance.store.database import Conn, Row
from appliance.store.filters import Filters

MediaKind = Literal["image", "audio", "video", "document", "other"]


class MediaFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file. ``created_at_ms``: milliseconds since the Unix epoch."""

    id: str
    user_id: str | None
    """None: its owner is gone."""
    meeting_id: str | None
    name: str
    """For people only."""
    media_type: str
    kind: MediaKind
    bytes: int
    width: int | None
    height: int | None
    duration_ms: int | None
    has_thumbnail: bool
    created_at_ms: int


class Usage(msgspec.Struct, frozen=True):
    """Of one kind."""

    count: int
    bytes: int


_COLUMNS = ", ".join(MediaFile.__struct_fields__)


async def insert(conn: Conn, file: MediaFile) -> None:
    """Write a file down."""
    values = [getattr(file, name) for name in MediaFile.__struct_fields__]
    places = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    await conn.execute(f"INSERT INTO media_files ({_COLUMNS}) VALUES ({places})", *values)


async def by_id(conn: Conn, file_id: str) -> MediaFile | None:
    """The file, or None."""
    row = await conn.fetchrow(f"SELECT {_COLUMNS} FROM media_files WHERE id = $1", file_id)
    return None if row is None else _filled(row)


async def page(
    conn: Conn,
    *,
    user_id: str | None = None,
    meeting_id: str | None = None,
    kind: MediaKind | None = None,
    after: tuple[int, str] | None,
    limit: int,
) -> list[MediaFile]:
    """At most ``limit`` files, newest first, after the one with (created_at_ms, id) ``after``."""
    filters = Filters("user_id IS NOT NULL")
    filters.equal(user_id=user_id, meeting_id=meeting_id, kind=kind)
    filters.beyond("created_at_ms", after)
    sql = f"SELECT {_COLUMNS} FROM media_files{filters.where} ORDER BY created_at_ms DESC, id DESC"
    rows = await conn.fetch(f"{sql} LIMIT {filters.place(limit)}", *filters.args)
    return [_filled(row) for row in rows]


async def usage(conn: Conn, user_id: str) -> dict[MediaKind, Usage]:
    """What somebody's files take, by kind; kinds without any are missing."""
    rows = await conn.fetch(
        "SELECT kind, COUNT(*) AS count, CAST(SUM(bytes) AS BIGINT) AS bytes FROM media_files"
        " WHERE user_id = $1 GROUP BY kind",
        user_id,
    )
    return {row["kind"]: Usage(int(row["count"]), int(row["bytes"])) for row in rows}


async def of_nobody(conn: Conn, limit: int) -> list[MediaFile]:
    """Files whose owner is gone."""
    rows = await conn.fetch(f"SELECT {_COLUMNS} FROM media_files WHERE user_id IS NULL ORDER BY id LIMIT $1", limit)
    return [_filled(row) for row in rows]


async def delete(conn: Conn, file_id: str) -> bool:
    """Whether there was one."""
    return await conn.execute("DELETE FROM media_files WHERE id = $1", file_id) == 1


def _filled(row: Row) -> MediaFile:
    values = {name: row[name] for name in MediaFile.__struct_fields__}
    return MediaFile(**{**values, "has_thumbnail": bool(values["has_thumbnail"])})
