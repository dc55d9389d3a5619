"""Rows as they are seen."""

from __future__ import annotations

from appliance.api.media_shapes import media_stats, media_view
from appliance.store.media_files import Usage
from tests.support import stored_rows as rows


def test_a_view_has_urls_and_seconds() -> None:
    film = rows.media_file("a", "usr_ann", kind="video", duration_ms=1500)
    view = media_view(film)
    assert (view.url, view.thumbnail_url) == ("/api/v1/media/med_a", "/api/v1/media/med_a/thumbnail")
    assert (view.duration_s, view.size_bytes, view.created_at) == (1.5, 1000, "1970-01-01T00:00:01.000Z")
    assert media_view(rows.media_file("a", None, has_thumbnail=False)).thumbnail_url is None


def test_sums() -> None:
    found = media_stats({"video": Usage(2, 10), "image": Usage(1, 5)}, (3, 7), quota_bytes=0, max_file_bytes=9)
    assert (found.count, found.size_bytes, found.uploads, found.uploads_bytes) == (3, 15, 3, 7)
    assert (list(found.by_kind), found.quota_bytes, found.max_file_bytes) == (["image", "video"], None, 9)
