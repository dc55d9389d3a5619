"""What answers about media files hold, and what requests for them say.

Owns the structs and how rows become them; refuses to know who may see what.
"""

from __future__ import annotations

from appliance.api.bodies import Body, Text, TokenText
from appliance.api.pages import DEFAULT_LIMIT, PageLimit
from appliance.api.shapes import Shape
from appliance.api.times import to_text
from appliance.store.media_files import MediaFile, MediaKind, Usage

MEDIA_PATH = "/api/v1/media"


class MediaView(Shape, frozen=True, kw_only=True):
    """One file."""

    id: str
    name: str
    """As its owner called it; for people, no path."""
    media_type: str
    """By its content, whatever its sender said."""
    kind: MediaKind
    size_bytes: int
    width: int | None
    """Pixels, of pictures and films."""
    height: int | None
    duration_s: float | None
    """Null: no recording, or one that does not say."""
    user_id: str | None
    """Whose it is."""
    meeting_id: str | None
    """Whose members may see it."""
    created_at: str
    url: str
    """With ``?download=1`` to be saved."""
    thumbnail_url: str | None


class KindUsage(Shape, frozen=True, kw_only=True):
    count: int
    size_bytes: int


class MediaStats(Shape, frozen=True, kw_only=True):
    """What my files take."""

    count: int
    size_bytes: int
    by_kind: dict[str, KindUsage]
    uploads: int
    """That are not finished."""
    uploads_bytes: int
    """What they announced; it counts for the quota."""
    quota_bytes: int | None
    """Null: no bound."""
    max_file_bytes: int


class UploadQuery(Body, frozen=True, kw_only=True):
    name: Text | None = None
    """What the file is called, where the body is the file itself."""
    meeting_id: Text | None = None
    """Id or code of a meeting whose members may see the file."""


class MediaQuery(Body, frozen=True, kw_only=True):
    download: bool = False
    """To be saved, not shown."""


class MediaListQuery(Body, frozen=True, kw_only=True):
    meeting_id: Text | None = None
    """Files of this meeting, by whomever; else mine."""
    kind: MediaKind | None = None
    limit: PageLimit = DEFAULT_LIMIT
    cursor: TokenText | None = None


def media_view(file: MediaFile) -> MediaView:
    """A file as whoever may see it sees it."""
    return MediaView(
        id=file.id,
        name=file.name,
        media_type=file.media_type,
        kind=file.kind,
        size_bytes=file.bytes,
        width=file.width,
        height=file.height,
        duration_s=None if file.duration_ms is None else file.duration_ms / 1000,
        user_id=file.user_id,
        meeting_id=file.meeting_id,
        created_at=to_text(file.created_at_ms),
        url=f"{MEDIA_PATH}/{file.id}",
        thumbnail_url=f"{MEDIA_PATH}/{file.id}/thumbnail" if file.has_thumbnail else None,
    )


def media_stats(
    usage: dict[MediaKind, Usage], announced: tuple[int, int], *, quota_bytes: int, max_file_bytes: int
) -> MediaStats:
    """The sums."""
    return MediaStats(
        count=sum(one.count for one in usage.values()),
        size_bytes=sum(one.bytes for one in usage.values()),
        by_kind={kind: KindUsage(count=one.count, size_bytes=one.bytes) for kind, one in sorted(usage.items())},
        uploads=announced[0],
        uploads_bytes=announced[1],
        quota_bytes=quota_bytes or None,
        max_file_bytes=max_file_bytes,
    )
