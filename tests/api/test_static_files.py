"""The web page: found, cached, compressed, and nothing besides it."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from werkzeug.datastructures import Headers

from appliance.api.static_files import StaticFiles
from tests.support.api_server import serving, settings_for


@pytest.fixture
def web(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Parley</title>")
    (folder / "assets" / "index-abc123.js").write_text("console.log('parley');" * 100)
    (folder / "favicon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "face.bin").write_bytes(b"\0" * 2000)
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    return folder


def test_the_pages_own_urls_show_the_page(web: Path) -> None:
    files = StaticFiles(web)
    for path in ("/", "/login", "/abc-defg-hjk", "/home", "/profile", "/index.html", "/deep/er"):
        answer = files.answer(path, Headers())
        assert (answer.status, answer.content[:15]) == (200, b"<!doctype html>"), path
        assert dict(answer.headers)["Cache-Control"] == "no-cache"


def test_hashed_files_are_kept_for_ever_and_compressed(web: Path) -> None:
    files = StaticFiles(web)
    plain = files.answer("/assets/index-abc123.js", Headers())
    headers = dict(plain.headers)
    assert "immutable" in headers["Cache-Control"] and headers["Content-Type"] == "text/javascript; charset=utf-8"
    zipped = files.answer("/assets/index-abc123.js", Headers({"Accept-Encoding": "br;q=1.0, gzip;q=0.8"}))
    assert dict(zipped.headers)["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.content) == plain.content
    assert dict(zipped.headers)["ETag"] != headers["ETag"]
    binary = files.answer("/face.bin", Headers({"Accept-Encoding": "gzip"}))
    assert "Content-Encoding" not in dict(binary.headers)


def test_what_has_not_changed_is_not_sent_again(web: Path) -> None:
    files = StaticFiles(web)
    etag = dict(files.answer("/", Headers()).headers)["ETag"]
    for presented in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = files.answer("/", Headers({"If-None-Match": presented}))
        assert (answer.status, answer.content) == (304, b"")
    assert files.answer("/", Headers({"If-None-Match": '"other"'})).status == 200


@pytest.mark.parametrize(
    "path", ["/no.js", "/assets/../../secret.txt", "/../secret.txt", "/link.txt", "//secret.txt", "/a\0.b"]
)
def test_no_path_leads_out(web: Path, path: str) -> None:
    assert StaticFiles(web).answer(path, Headers()).status == 404


def test_a_new_build_is_seen(web: Path) -> None:
    files = StaticFiles(web)
    assert b"Parley" in files.answer("/", Headers()).content
    (web / "index.html").write_text("<!doctype html>new")
    os.utime(web / "index.html", ns=(1, 1))
    assert files.answer("/", Headers()).content == b"<!doctype html>new"
    (web / "index.html").unlink()
    assert files.answer("/", Headers()).status == 503


def test_a_page_that_was_not_built_says_how(tmp_path: Path) -> None:
    answer = StaticFiles(tmp_path).answer("/", Headers())
    assert answer.status == 503 and b"make web" in answer.content


def test_over_http(tmp_path: Path, web: Path) -> None:
    with serving(settings_for(tmp_path), web=web) as server:
        page = server.request("GET", "!/abc-defg-hjk")
        assert page.status == 200 and b"Parley" in page.body
        assert "script-src" not in page.headers["Content-Security-Policy"]  # falls back to default-src 'self'
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        assert server.request("GET", "!/", headers={"If-None-Match": page.headers["ETag"]}).status == 304
        assert server.request("HEAD", "!/home").body == b""
        for path in ("!/%2e%2e/secret.txt", "!/..%2fsecret.txt", "!/assets/%2e%2e/%2e%2e/secret.txt"):
            assert server.request("GET", path).status == 404
        assert server.request("GET", "!/api/v1/nothing").code == "not_found"
        assert server.request("GET", "!/api/nothing").headers["Content-Type"] == "application/json"
