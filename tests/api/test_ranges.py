"""Objects as HTTP answers: ranges, tags and names by their RFCs, and downloads that hold one piece in memory."""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.api import application
from appliance.api.call import Call, Stream
from appliance.api.ranges import ranged
from appliance.api.routes import ROUTES, _route
from tests.support.api_server import ApiServer, Reply, serving, settings_for
from tests.support.raw_http import connection

TEXT = b"0123456789"
LARGE = 48 * 1024 * 1024
PATH = "/test-objects"


async def show(call: Call, name: str) -> Stream:
    """An object of the test."""
    media_type = "video/mp4" if name.endswith("mp4") else "text/html" if name.endswith("html") else "text/plain"
    download = "download" in call.headers.get("x-test", "")
    return await ranged(
        call,
        call.services.files,
        f"test/{name}",
        media_type=media_type,
        filename="Übung „1“.mp4",
        download=download,
        etag="v1",
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    folder = tmp_path_factory.mktemp("ranges")
    objects = folder / "files" / "test"
    objects.mkdir(parents=True)
    (objects / "text").write_bytes(TEXT)
    (objects / "empty").write_bytes(b"")
    (objects / "page.html").write_bytes(b"<script>")
    with (objects / "large.mp4").open("wb") as file:
        for _ in range(LARGE // 2**20):
            file.write(os.urandom(2**20))
    with pytest.MonkeyPatch.context() as patch:
        route = _route(f"GET {PATH}/{{name}}", show, "public", "none", None)
        patch.setattr(application, "ROUTES", (*ROUTES, route))
        with serving(settings_for(folder)) as server:
            yield server


def get(server: ApiServer, name: str = "text", method: str = "GET", **headers: str) -> Reply:
    named = {header.replace("_", "-"): value for header, value in headers.items()}
    return server.request(method, f"{PATH}/{name}", headers=named)


def test_the_whole_object(served: ApiServer) -> None:
    answer = get(served)
    assert (answer.status, answer.body) == (200, TEXT)
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["Content-Length"] == "10"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["ETag"] == '"v1"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert get(served, "empty").body == b""
    assert get(served, "nothing").code == "not_found"


@pytest.mark.parametrize(
    ("asked", "status", "body", "content_range"),
    [
        ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, TEXT, "bytes 0-9/10"),
        ("bytes=5-9999999999999999999", 206, b"56789", "bytes 5-9/10"),
        ("Bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=99-100", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        *[
            (wrong, 200, TEXT, None)
            for wrong in (
                *("bytes=4-2", "bytes=-", "bytes=a-b", "lines=0-1"),
                *("bytes=0-1,3-4", "0-1", "bytes=٣-٤", "bytes=0x1-"),
            )
        ],
    ],
)
def test_one_range(served: ApiServer, asked: str, status: int, body: bytes, content_range: str | None) -> None:
    with connection(served) as sock:
        head = f"GET /api/v1{PATH}/text HTTP/1.1\r\nHost: x\r\nRange: {asked}\r\nConnection: close\r\n\r\n"
        sock.sendall(head.encode())
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        assert (answer.status, answer.read(), answer.headers["Content-Range"]) == (status, body, content_range)


def test_nothing_of_an_empty_object_can_be_asked_for(served: ApiServer) -> None:
    for asked in ("bytes=0-", "bytes=-1"):
        answer = get(served, "empty", Range=asked)
        assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */0")


def test_head_says_what_get_would_and_knows_no_ranges(served: ApiServer) -> None:
    for headers in ({}, {"Range": "bytes=0-1"}):
        answer = get(served, "large.mp4", "HEAD", **headers)
        assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, str(LARGE), b"")
    assert get(served, "nothing", "HEAD").status == 404


def test_a_range_of_another_version_is_the_whole(served: ApiServer) -> None:
    assert get(served, Range="bytes=0-1", If_Range='"v1"').status == 206
    for other in ('"v0"', 'W/"v1"', "Wed, 21 Oct 2015 07:28:00 GMT"):
        answer = get(served, Range="bytes=0-1", If_Range=other)
        assert (answer.status, answer.body) == (200, TEXT)


def test_who_has_this_version_is_sent_nothing(served: ApiServer) -> None:
    for known in ('"v1"', 'W/"v1"', '"v0", "v1"', "*"):
        answer = get(served, If_None_Match=known)
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", '"v1"')
    assert get(served, If_None_Match='"v0"').status == 200


def test_what_may_run_scripts_is_only_saved(served: ApiServer) -> None:
    assert get(served, "large.mp4", "HEAD").headers["Content-Disposition"].startswith("inline; ")
    assert get(served, "large.mp4", "HEAD", X_Test="download").headers["Content-Disposition"].startswith("attachment; ")
    assert get(served, "page.html").headers["Content-Disposition"].startswith("attachment; ")


@pytest.mark.slow
def test_a_large_object_arrives_whole_and_in_parts(served: ApiServer) -> None:
    stored = (Path(served.services.settings.data.folder) / "files" / "test" / "large.mp4").read_bytes()
    assert hashlib.sha256(get(served, "large.mp4").body).digest() == hashlib.sha256(stored).digest()
    start, end = 2**20 - 5, 7 * 2**20 + 3
    assert get(served, "large.mp4", Range=f"bytes={start}-{end - 1}").body == stored[start:end]


def reads(server: ApiServer) -> int:
    return server.services.files.statistics()["reads"]


def begin_slowly(server: ApiServer, sock: socket.socket) -> None:
    """Ask for the large object, and take a little of it."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    sock.sendall(f"GET /api/v1{PATH}/large.mp4 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert b"200" in sock.recv(1000)


@pytest.mark.slow
def test_no_more_is_read_than_the_client_takes_and_nothing_when_it_is_gone(served: ApiServer) -> None:
    before = reads(served)
    with connection(served) as sock:
        begin_slowly(served, sock)
        time.sleep(0.5)
        # What the kernels' buffers take, a few MiB, and one piece; not the object's 48.
        waiting = reads(served) - before
        assert waiting < 16
    time.sleep(0.3)
    gone = reads(served) - before
    assert gone <= waiting + 2  # what was under way
    time.sleep(0.3)
    assert reads(served) - before == gone


@pytest.mark.slow
def test_an_object_that_goes_away_breaks_the_connection_off(served: ApiServer) -> None:
    stored = Path(served.services.settings.data.folder) / "files" / "test"
    (stored / "other.mp4").write_bytes(bytes(LARGE))
    with connection(served) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        sock.sendall(f"GET /api/v1{PATH}/other.mp4 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        total = 0
        while total < 10_000:
            total += len(sock.recv(1000))
        (stored / "other.mp4").unlink()
        while part := sock.recv(1_000_000):
            total += len(part)
        assert total < LARGE
    assert get(served).status == 200
