"""Files from upload to deletion, by HTTP: whole or not at all, what their bytes say, seen by whom it may concern."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import trio
from PIL import Image

from appliance.file_chores import FORGET_MEDIA, forget_media
from appliance.settings import MediaFilesSettings
from appliance.store import jobs
from appliance.store.jobs import Job
from tests.support.api_server import PASSWORD, Account, ApiServer, Reply, serving, settings_for
from tests.support.raw_http import connection, read_answer
from tests.support.uploaded import film, immense_picture, picture, sound
from tests.support.waiting import wait_for

slow = pytest.mark.slow
MAX = 3_000_000
QUOTA = 4_000_000


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A server with little room."""
    settings = settings_for(
        tmp_path_factory.mktemp("small"), media_files=MediaFilesSettings(max_bytes=MAX, quota_bytes=QUOTA)
    )
    with serving(settings) as server:
        yield server


def send(account: Account, data: bytes, name: str = "a.png", media_type: str = "image/png", **query: str) -> Reply:
    """The file as the body."""
    more = "".join(f"&{key}={quote(value)}" for key, value in query.items())
    return account.call(
        "POST", f"/media/upload?name={quote(name)}{more}", raw=data, headers={"Content-Type": media_type}
    )


def form(*parts: tuple[str, str | None, bytes]) -> tuple[bytes, dict[str, str]]:
    """Parts with their field and, for files, their name."""
    out = b""
    for field, filename, data in parts:
        named = f'; filename="{filename}"' if filename is not None else ""
        out += f'--B\r\nContent-Disposition: form-data; name="{field}"{named}\r\n'.encode()
        out += b"Content-Type: text/html\r\n" if filename else b""
        out += b"\r\n" + data + b"\r\n"
    return out + b"--B--\r\n", {"Content-Type": "multipart/form-data; boundary=B"}


def send_form(account: Account, *parts: tuple[str, str | None, bytes]) -> Reply:
    body, headers = form(*parts)
    return account.call("POST", "/media/upload", raw=body, headers=headers)


def left(server: ApiServer) -> list[str]:
    """Of all files of the storage and of uploads, the names."""
    data = Path(server.services.settings.data.folder)
    return sorted(path.name for part in ("files", "uploads") for path in (data / part).rglob("*") if path.is_file())


def nothing_is_left(account: Account) -> None:
    found = account.get("/media/stats").data
    assert (found["count"], found["uploads"]) == (0, 0)


@slow
def test_a_file_is_sent_shown_listed_and_deleted(api: ApiServer) -> None:
    ann = api.user("ann")
    sent = send(ann, picture(), "Übung.png").data
    assert (sent["name"], sent["media_type"], sent["kind"]) == ("Übung.png", "image/png", "image")
    assert (sent["size_bytes"], sent["width"], sent["height"]) == (len(picture()), 640, 480)
    assert (sent["duration_s"], sent["user_id"], sent["meeting_id"]) == (None, ann.id, None)
    shown = ann.call("GET", f"!{sent['url']}")
    assert (shown.status, shown.headers["Content-Type"], shown.body) == (200, "image/png", picture())
    assert shown.headers["Content-Disposition"].startswith("inline; ")
    assert "%C3%9Cbung.png" in shown.headers["Content-Disposition"]
    part = ann.call("GET", f"!{sent['url']}", headers={"Range": "bytes=1-3"})
    assert (part.status, part.body) == (206, b"PNG")
    assert ann.call("HEAD", f"!{sent['url']}").headers["Content-Length"] == str(len(picture()))
    saved = ann.get(f"/media/{sent['id']}?download=1")
    assert saved.headers["Content-Disposition"].startswith("attachment; ")
    small = ann.call("GET", f"!{sent['thumbnail_url']}")
    with Image.open(io.BytesIO(small.body)) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("WEBP", (320, 240))
    assert [item["id"] for item in ann.get("/media").data["items"]] == [sent["id"]]
    stats = ann.get("/media/stats").data
    assert (stats["count"], stats["size_bytes"]) == (1, len(picture()))
    assert stats["by_kind"] == {"image": {"count": 1, "size_bytes": len(picture())}}
    assert {sent["id"], f"{sent['id']}.webp"} <= set(left(api))
    assert ann.delete(f"/media/{sent['id']}", {}).status == 200
    assert not [name for name in left(api) if sent["id"] in name]
    for gone in (ann.get(f"/media/{sent['id']}"), ann.get(f"/media/{sent['id']}/thumbnail")):
        assert gone.code == "not_found"
    nothing_is_left(ann)


@slow
def test_a_form_names_its_file_and_the_type_is_what_the_bytes_say(plain: ApiServer) -> None:
    bob = plain.user("bob")
    sent = send_form(bob, ("name", None, b"Tour"), ("file", "../../etc/x.html", film("mp4"))).data
    assert (sent["name"], sent["media_type"], sent["kind"]) == ("Tour", "video/mp4", "video")
    assert sent["duration_s"] == pytest.approx(2.0, abs=0.1)
    for filename, kept in (
        ("../../etc/passwd", "passwd"),
        ("%2e%2e%2fx", "%2e%2e%2fx"),
        ("a\0b.txt", "ab.txt"),
        ("", "file"),
    ):
        sent = send_form(bob, ("file", filename, b"notes")).data
        assert (sent["name"], sent["media_type"]) == (kept, "text/plain; charset=utf-8")
    sent = send(bob, sound("mp3"), "x.exe", "text/html").data
    assert (sent["media_type"], sent["kind"], sent["thumbnail_url"]) == ("audio/mpeg", "audio", None)
    page = bob.get("/media?limit=2").data
    assert len(page["items"]) == 2
    rest = bob.get(f"/media?limit=9&cursor={page['next_cursor']}").data["items"]
    assert len({item["id"] for item in page["items"] + rest}) == 6
    assert [item["kind"] for item in bob.get("/media?kind=video").data["items"]] == ["video"]


@slow
@pytest.mark.parametrize(
    "content",
    [
        b"<!doctype html><script>alert(1)</script>",
        b"<svg onload='alert(1)'/>",
        b"<?xml version='1.0'?><a/>",
        b"%PDF-1.7",
    ],
)
def test_what_could_run_scripts_is_only_saved(plain: ApiServer, content: bytes) -> None:
    eve = plain.user(f"eve{len(content)}")
    sent = send(eve, content, "x.png", "image/png").data
    shown = eve.get(f"/media/{sent['id']}")
    assert shown.body == content
    assert shown.headers["Content-Disposition"].startswith("attachment; ")
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in shown.headers["Content-Security-Policy"]


@slow
def test_who_may_see_a_file(api: ApiServer) -> None:
    cem, dan, fay = (api.user(name) for name in ("cem", "dan", "fay"))
    root = api.admin()
    meeting = cem.post("/meetings", {"title": "Weekly"}).data
    cem.post(f"/meetings/{meeting['id']}/invite", {"user_ids": [dan.id]})
    own = send(cem, picture()).data
    shared = send(cem, picture(), meeting_id=meeting["code"]).data
    assert shared["meeting_id"] == meeting["id"]
    by_form = send_form(dan, ("file", "a.txt", b"notes"), ("meeting_id", None, meeting["id"].encode())).data
    for account, seen in (
        (cem, {own["id"], shared["id"], by_form["id"]}),
        (dan, {shared["id"], by_form["id"]}),
        (fay, set()),
    ):
        for media in (own, shared, by_form):
            answer = account.get(f"/media/{media['id']}")
            assert (answer.status == 200) == (media["id"] in seen)
            assert answer.status == 200 or answer.error == "not_found: media_id"
    assert root.get(f"/media/{own['id']}").status == 200
    assert api.request("GET", f"/media/{own['id']}").code == "sign_in_required"
    listed = dan.get(f"/media?meeting_id={meeting['id']}").data["items"]
    assert [item["id"] for item in listed] == [by_form["id"], shared["id"]]
    assert fay.get(f"/media?meeting_id={meeting['id']}").code == "forbidden"
    assert send(fay, picture(), meeting_id=meeting["id"]).code == "forbidden"
    assert send(fay, picture(), meeting_id="mtg_none").error == "not_found: meeting_id"
    nothing_is_left(fay)
    assert dan.delete(f"/media/{shared['id']}", {}).code == "forbidden"
    assert fay.delete(f"/media/{shared['id']}", {}).code == "not_found"
    assert root.delete(f"/media/{shared['id']}", {}).status == 200
    cem.call("DELETE", f"/meetings/{meeting['id']}", {})
    assert dan.get(f"/media/{by_form['id']}").status == 200  # its owner keeps it
    assert cem.get(f"/media/{by_form['id']}").code == "not_found"


@slow
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (picture("JPEG")[:-500], "cut short"),
        (picture("PNG")[:100], "cut short"),
        (film("mp4")[:-50], "cut short"),
        (b"RIFF\xff\xff\xff\xffWAVE", ""),
        (immense_picture(), "60000×60000"),
    ],
    ids=range(5),
)
def test_what_is_broken_is_refused_by_name_and_not_kept(plain: ApiServer, content: bytes, sentence: str) -> None:
    gil = plain.user(f"gil{len(content)}")
    before = left(plain)
    for refused in (send(gil, content), send_form(gil, ("file", "x.png", content))):
        assert (refused.status, refused.error) == (400, "invalid_media: file")
        assert sentence in refused.json["message"]
    assert left(plain) == before
    nothing_is_left(gil)


def test_forms_that_are_none_are_refused(plain: ApiServer) -> None:
    hal = plain.user("hal")
    before = left(plain)
    whole, headers = form(("file", "a.txt", b"notes"))
    for raw, error in (
        (b"", "invalid_form"),
        (b"--B\r\n", "invalid_form"),
        (whole[:-10], "invalid_form"),
        (whole[:40], "invalid_form"),
        (form(("avatar", "a.txt", b"x"))[0], "invalid_field: file"),
        (form(("name", None, b"x"))[0], "invalid_field: file"),
        (form(("file", "a", b"x"), ("file", "b", b"y"))[0], "invalid_field: file"),
        (form(("file", "a", b"x"), ("colour", None, b"red"))[0], "invalid_field: colour"),
        (form(("name", None, b"x" * 5000), ("file", "a", b"x"))[0], "invalid_field: name"),
        (form(("file", "a", b""))[0], "invalid_field: file"),
        (form(*[(f"n{number}", None, b"x") for number in range(30)])[0], "invalid_form"),
        (form(("file", "a", b"x"), ("meeting_id", None, b"mtg_none"))[0], "not_found: meeting_id"),
    ):
        assert hal.call("POST", "/media/upload", raw=raw, headers=headers).error == error
    no_boundary = {"Content-Type": "multipart/form-data"}
    assert hal.call("POST", "/media/upload", raw=whole, headers=no_boundary).error == "invalid_form: Content-Type"
    assert send(hal, b"").error == "invalid_field: file"
    assert left(plain) == before
    nothing_is_left(hal)


@slow
def test_a_file_that_is_too_large_and_a_quota_that_is_used_up(small: ApiServer) -> None:
    ida = small.user("ida")
    before = left(small)
    refused = send(ida, bytes(MAX + 1))
    assert (refused.status, refused.error) == (413, "payload_too_large: file")
    assert send_form(ida, ("file", "a", bytes(MAX + 1))).error == "payload_too_large: file"
    assert chunked(small, ida, MAX + 1)[0] == 413
    assert left(small) == before
    nothing_is_left(ida)
    assert send(ida, bytes(MAX)).status == 200
    refused = send(ida, bytes(QUOTA - MAX + 1))
    assert refused.error == "quota_exceeded: file"
    assert f"{QUOTA - MAX} of them are left" in refused.json["message"]
    assert send_form(ida, ("file", "a", bytes(QUOTA - MAX + 1))).error == "quota_exceeded: file"
    assert chunked(small, ida, QUOTA - MAX + 1)[0] == 413
    stats = ida.get("/media/stats").data
    assert (stats["count"], stats["size_bytes"], stats["quota_bytes"], stats["uploads"]) == (1, MAX, QUOTA, 0)
    assert chunked(small, ida, QUOTA - MAX)[0] == 200
    assert len(left(small)) == len(before) + 2


def chunked(server: ApiServer, account: Account, size: int) -> tuple[int, dict[str, str], bytes]:
    """A body whose length is not said beforehand."""
    with connection(server) as sock:
        sock.sendall(
            b"POST /api/v1/media/upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: application/octet-stream\r\nAuthorization: Bearer " + account.token.encode() + b"\r\n\r\n"
        )
        try:
            while size > 0:
                part = min(size, 65_536)
                sock.sendall(f"{part:x}\r\n".encode() + bytes(part) + b"\r\n")
                size -= part
            sock.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        return read_answer(sock)


@slow
def test_a_client_that_goes_away_leaves_nothing(plain: ApiServer) -> None:
    jan = plain.user("jan")
    before = left(plain)
    for content_type in ("application/octet-stream", "multipart/form-data; boundary=B"):
        with connection(plain) as sock:
            begin_upload(sock, jan, content_type, 10_000_000)
            wait_for(lambda: len(left(plain)) > len(before))
            assert jan.get("/media/stats").data["uploads"] == 1
        wait_for(lambda: left(plain) == before)
        wait_for(lambda: jan.get("/media/stats").data["uploads"] == 0)


def begin_upload(sock: socket.socket, account: Account, content_type: str, size: int) -> None:
    """Some of the body of a request."""
    sock.sendall(
        f"POST /api/v1/media/upload HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n"
        f"Content-Type: {content_type}\r\nAuthorization: Bearer {account.token}\r\n\r\n".encode()
    )
    sock.sendall(form(("file", "a", bytes(200_000)))[0][:150_000])


def test_ids_that_are_none(plain: ApiServer) -> None:
    kim = plain.user("kim")
    for name in ("x", "med_x", "med_" + "a" * 20, "..%2f..%2fsecret", "%00", "med_" + "a" * 20 + "%2f", "%2e%2e"):
        for path in (f"/media/{name}", f"/media/{name}/thumbnail"):
            assert kim.get(path).status == 404, path
        assert kim.delete(f"/media/{name}", {}).status == 404


@slow
def test_an_account_takes_its_files_along(api: ApiServer) -> None:
    forget(api)
    before = left(api)
    lea = api.user("lea")
    send(lea, picture())
    lea.call("POST", "/media/uploads", {}, headers={"Tus-Resumable": "1.0.0", "Upload-Length": "100"})
    assert len(left(api)) == len(before) + 3
    assert lea.delete("/account", {"password": PASSWORD}).status == 200
    ordered = trio.from_thread.run(_ordered, api, trio_token=api.token)
    assert [job.type for job in ordered] == [FORGET_MEDIA.name]
    forget(api)
    assert left(api) == before


async def _ordered(server: ApiServer) -> list[Job]:
    return await server.services.database.read(jobs.page, state="waiting", type=FORGET_MEDIA.name, after=None, limit=9)


def forget(server: ApiServer) -> int:
    """What the job does that a deletion orders."""
    services = server.services
    return trio.from_thread.run(
        forget_media,
        services.database,
        services.files,
        services.staging,
        services.now_ms(),
        trio_token=server.token,
    )
