"""tus 1.0.0 by HTTP: an upload goes on where it stopped, over broken lines, restarts and outages of the storage."""

from __future__ import annotations

import base64
import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from appliance.file_chores import forget_media
from appliance.settings import MediaFilesSettings
from tests.support.api_server import Account, ApiServer, Reply, serving, settings_for
from tests.support.raw_http import connection
from tests.support.uploaded import film, picture
from tests.support.waiting import wait_for

slow = pytest.mark.slow
MAX = 1_000_000
KEEP_S = 3600
OFFSET_TYPE = "application/offset+octet-stream"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    settings = settings_for(
        tmp_path_factory.mktemp("small"),
        media_files=MediaFilesSettings(max_bytes=MAX, quota_bytes=2 * MAX, unfinished_keep_s=KEEP_S),
    )
    with serving(settings) as server:
        yield server


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def create(account: Account, length: int | str, *, name: str = "a.png", **headers: str) -> Reply:
    sent = {"Tus-Resumable": "1.0.0", "Upload-Length": str(length), "Upload-Metadata": f"filename {b64(name)}"}
    sent |= {header.replace("_", "-"): value for header, value in headers.items()}
    return account.call("POST", "/media/uploads", headers=sent)


def begun(account: Account, length: int, **headers: str) -> str:
    """The URL of a new upload."""
    answer = create(account, length, **headers)
    assert answer.status == 201, answer.body
    return "!" + answer.headers["Location"]


def patch(account: Account, url: str, offset: int | str, data: bytes, **headers: str) -> Reply:
    sent = {"Tus-Resumable": "1.0.0", "Upload-Offset": str(offset), "Content-Type": OFFSET_TYPE}
    sent |= {header.replace("_", "-"): value for header, value in headers.items()}
    return account.call("PATCH", url, raw=data, headers=sent)


def head(account: Account, url: str) -> Reply:
    return account.call("HEAD", url, headers={"Tus-Resumable": "1.0.0"})


def give_up(account: Account, url: str) -> Reply:
    return account.call("DELETE", url, headers={"Tus-Resumable": "1.0.0"})


def offset(account: Account, url: str) -> int:
    answer = head(account, url)
    assert answer.status == 200
    return int(answer.headers["Upload-Offset"])


def media_path(url: str) -> str:
    return url.replace("/uploads", "")


def staged(server: ApiServer) -> list[str]:
    return [path.name for path in (Path(server.services.settings.data.folder) / "uploads").iterdir()]


def test_what_the_server_knows_is_said_to_everybody(plain: ApiServer) -> None:
    for path in ("/media/uploads", "/media/uploads/med_x"):
        answer = plain.request("OPTIONS", path)
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["Tus-Version"] == answer.headers["Tus-Resumable"] == "1.0.0"
        assert answer.headers["Tus-Extension"] == "creation,expiration,checksum,termination"
        assert answer.headers["Tus-Max-Size"] == str(plain.services.settings.media_files.max_bytes)
        assert "sha1" in answer.headers["Tus-Checksum-Algorithm"].split(",")


@slow
def test_a_file_in_three_parts(api: ApiServer) -> None:
    ann = api.user("ann")
    content = picture()
    answer = create(ann, len(content), name="../Übung.png")
    assert (answer.status, answer.headers["Tus-Resumable"]) == (201, "1.0.0")
    assert answer.headers["Upload-Expires"].endswith(" GMT")
    url = "!" + answer.headers["Location"]
    assert url.startswith("!/api/v1/media/uploads/med_")
    assert ann.get("/media/stats").data["uploads_bytes"] == len(content)
    at = 0
    for end in (100, 100, 1000, len(content)):  # an empty part is fine
        assert offset(ann, url) == at
        answer = patch(ann, url, at, content[at:end])
        assert (answer.status, answer.headers["Upload-Offset"], answer.body) == (204, str(end), b"")
        assert "Upload-Expires" in answer.headers
        at = end
    sent = ann.get("/media").data["items"][0]
    assert f"!{sent['url']}" == media_path(url)
    assert (sent["name"], sent["media_type"], sent["size_bytes"]) == ("Übung.png", "image/png", len(content))
    assert ann.call("GET", media_path(url)).body == content
    # Whoever lost the last answer learns that all is there.
    again = head(ann, url)
    assert (again.headers["Upload-Offset"], again.headers["Upload-Length"]) == (str(len(content)), str(len(content)))
    assert again.headers["Cache-Control"] == "no-store"
    assert patch(ann, url, len(content), b"").status == 404
    assert staged(api) == []
    assert ann.get("/media/stats").data["uploads"] == 0


def test_requests_that_are_wrong(plain: ApiServer) -> None:
    bob = plain.user("bob")
    most = plain.services.settings.media_files.max_bytes
    for answer, status, error in (
        (create(bob, 10, Tus_Resumable="0.2.2"), 412, "tus_version: Tus-Resumable"),
        (create(bob, "ten"), 400, "invalid_field: Upload-Length"),
        (create(bob, -1), 400, "invalid_field: Upload-Length"),
        (create(bob, 0), 400, "invalid_field: Upload-Length"),
        (create(bob, 10, Upload_Defer_Length="1"), 400, "invalid_field: Upload-Defer-Length"),
        (create(bob, most + 1), 413, "payload_too_large: file"),
        (create(bob, 10, Upload_Metadata="filename !"), 400, "invalid_field: Upload-Metadata"),
        (create(bob, 10, Upload_Metadata=f"meeting_id {b64('mtg_none')}"), 404, "not_found: meeting_id"),
    ):
        assert (answer.status, answer.error) == (status, error)
        assert answer.headers["Tus-Version"] == "1.0.0"
    assert staged(plain) == []
    url = begun(bob, 10)
    for answer, status, error in (
        (patch(bob, url, 0, b"x", Tus_Resumable=""), 412, "tus_version: Tus-Resumable"),
        (patch(bob, url, 0, b"x", Content_Type="image/png"), 415, "unsupported_media_type: Content-Type"),
        (patch(bob, url, "x", b"x"), 400, "invalid_field: Upload-Offset"),
        (patch(bob, url, 1, b"x"), 409, "offset_conflict: Upload-Offset"),
        (patch(bob, url, 0, b"x" * 11), 413, "payload_too_large: file"),
        (patch(bob, url, 0, b"x", Upload_Checksum="crc32 AAAAAA=="), 400, "invalid_field: Upload-Checksum"),
    ):
        assert (answer.status, answer.error) == (status, error)
        assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert offset(bob, url) == 0
    assert give_up(bob, url).status == 204
    assert head(bob, url).status == patch(bob, url, 0, b"x").status == give_up(bob, url).status == 404
    for name in ("x", "med_x", "med_" + "a" * 20, "..", "%00"):
        assert head(bob, f"/media/uploads/{name}").status == 404
        assert patch(bob, f"/media/uploads/{name}", 0, b"x").status == 404
    assert staged(plain) == []


@slow
def test_an_upload_is_its_owners_alone(plain: ApiServer) -> None:
    cem, dan = plain.user("cem"), plain.user("dan")
    url = begun(cem, len(picture()))
    assert head(dan, url).status == patch(dan, url, 0, b"x").status == give_up(dan, url).status == 404
    assert patch(cem, url, 0, picture()).status == 204
    assert head(dan, url).status == 404
    assert dan.call("GET", media_path(url)).status == 404


@slow
def test_checksums(plain: ApiServer) -> None:
    eva = plain.user("eva")
    content = picture()
    url = begun(eva, len(content))
    first, rest = content[:1000], content[1000:]
    for algorithm, wrong in (("sha1", "sha1"), ("sha256", "sha256"), ("md5", "md5")):
        digest = base64.b64encode(hashlib.new(wrong, b"other").digest()).decode()
        answer = patch(eva, url, 0, first, Upload_Checksum=f"{algorithm} {digest}")
        assert (answer.status, answer.error) == (460, "checksum_mismatch: Upload-Checksum")
        assert offset(eva, url) == 0
    right = base64.b64encode(hashlib.sha1(first).digest()).decode()
    assert patch(eva, url, 0, first, Upload_Checksum=f"sha1 {right}").status == 204
    right = base64.b64encode(hashlib.sha256(rest).digest()).decode()
    assert patch(eva, url, 1000, rest, Upload_Checksum=f"sha256 {right}").status == 204
    assert eva.call("GET", media_path(url)).body == content


def begin_patch(account: Account, url: str, size: int, sent: bytes, sock: socket.socket, **headers: str) -> None:
    """A PATCH of which only the beginning arrives."""
    lines = {
        "Host": "x",
        "Content-Length": str(size),
        "Content-Type": OFFSET_TYPE,
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": "0",
        "Authorization": f"Bearer {account.token}",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = f"PATCH {url[1:]} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    sock.sendall(head.encode() + b"\r\n" + sent)


@slow
def test_a_line_that_breaks_keeps_what_came(plain: ApiServer) -> None:
    fay = plain.user("fay")
    content = bytes(range(256)) * 4000
    url = begun(fay, len(content))
    with connection(plain) as sock:
        begin_patch(fay, url, len(content), content[:500_000], sock)
        wait_for(lambda: offset(fay, url) > 0)
        locked = patch(fay, url, 0, b"x")
        assert (locked.status, locked.code) == (423, "locked")
        assert give_up(fay, url).status == 423
    at = wait_for(lambda: offset(fay, url))
    assert 0 < at <= 500_000
    wait_for(lambda: patch(fay, url, at, content[at:]).status == 204)
    assert fay.call("GET", media_path(url)).body == content


@slow
def test_a_line_that_breaks_before_the_checksum_keeps_nothing(plain: ApiServer) -> None:
    gil = plain.user("gil")
    content = bytes(range(256)) * 4000
    url = begun(gil, len(content))
    digest = base64.b64encode(hashlib.sha1(content).digest()).decode()
    folder = Path(plain.services.settings.data.folder) / "uploads"
    with connection(plain) as sock:
        begin_patch(gil, url, len(content), content[:500_000], sock, Upload_Checksum=f"sha1 {digest}")
        wait_for(lambda: (folder / url.rpartition("/")[2]).stat().st_size > 0)
        assert offset(gil, url) == 0
    wait_for(lambda: patch(gil, url, 0, content, Upload_Checksum=f"sha1 {digest}").status == 204)
    assert gil.call("GET", media_path(url)).body == content


@slow
def test_a_restart_keeps_the_offset(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    content = film("mp4")
    with serving(settings) as server:
        hal = server.user("hal")
        url = begun(hal, len(content))
        assert patch(hal, url, 0, content[:1000]).status == 204
    with serving(settings) as server:
        hal = Account(server, hal.id, hal.token, hal.refresh_token)
        assert offset(hal, url) == 1000
        assert patch(hal, url, 1000, content[1000:]).status == 204
        assert hal.call("GET", media_path(url)).body == content


@slow
def test_a_crash_before_the_end_is_made_good_by_the_next_look(plain: ApiServer) -> None:
    """All bytes are there, and the server died before it said so."""
    ida = plain.user("ida")
    url = begun(ida, len(picture()))
    (Path(plain.services.settings.data.folder) / "uploads" / url.rpartition("/")[2]).write_bytes(picture())
    assert offset(ida, url) == len(picture())
    assert ida.call("GET", media_path(url)).body == picture()
    assert staged(plain) == []


@slow
def test_what_turns_out_to_be_broken_is_refused_with_the_last_part(plain: ApiServer) -> None:
    jan = plain.user("jan")
    content = picture("JPEG")[:-500]
    url = begun(jan, len(content))
    answer = patch(jan, url, 0, content)
    assert (answer.status, answer.error) == (400, "invalid_media: file")
    assert head(jan, url).status == 404
    assert staged(plain) == []
    assert jan.get("/media/stats").data["uploads"] == 0


@slow
def test_the_quota_counts_what_is_announced(small: ApiServer) -> None:
    kim = small.user("kim")
    urls = [begun(kim, MAX) for _ in range(2)]
    assert create(kim, 1).error == "quota_exceeded: file"
    assert kim.call("POST", "/media/upload", raw=b"x").error == "quota_exceeded: file"
    assert give_up(kim, urls[0]).status == 204
    assert create(kim, MAX + 1).error == "payload_too_large: file"
    assert kim.call("POST", "/media/upload", raw=b"notes").status == 200
    assert create(kim, MAX).error == "quota_exceeded: file"
    for _ in range(99):
        begun(kim, 1)
    many = create(kim, 1)
    assert (many.status, many.code) == (429, "too_many_uploads")


@slow
def test_uploads_expire(small: ApiServer) -> None:
    lea = small.user("lea")
    url, other = begun(lea, 10), begun(lea, 10)
    patch(lea, url, 0, b"x")
    small.clock.ahead_ms = (KEEP_S - 10) * 1000
    patch(lea, other, 0, b"x")  # goes on, and is kept for longer
    small.clock.ahead_ms = (KEEP_S + 10) * 1000
    try:
        gone = head(lea, url)
        assert gone.status == 410
        assert patch(lea, url, 1, b"x").error == "upload_expired: upload_id"
        wait_for(lambda: forget(small))  # the refused part has its answer and still holds the upload for a moment
        assert head(lea, url).status == 404
        assert offset(lea, other) == 1
        assert url.rpartition("/")[2] not in staged(small)
    finally:
        small.clock.ahead_ms = 0


def forget(small: ApiServer) -> int:
    """How many were removed."""
    services = small.services
    return trio.from_thread.run(
        forget_media,
        services.database,
        services.files,
        services.staging,
        services.now_ms(),
        trio_token=small.token,
    )


@slow
def test_methods_that_something_between_drops(plain: ApiServer) -> None:
    mia = plain.user("mia")
    url = begun(mia, len(picture()))
    sent = {"Tus-Resumable": "1.0.0", "X-HTTP-Method-Override": "PATCH"}
    answer = mia.call("POST", url, raw=picture(), headers={**sent, "Upload-Offset": "0", "Content-Type": OFFSET_TYPE})
    assert answer.status == 204
    sent["X-HTTP-Method-Override"] = "HEAD"
    assert mia.call("POST", url, headers=sent).headers["Upload-Offset"] == str(len(picture()))
    other = begun(mia, 10)
    sent["X-HTTP-Method-Override"] = "DELETE"
    assert mia.call("POST", other, headers=sent).status == 204
    sent["X-HTTP-Method-Override"] = "PUT"
    assert mia.call("POST", other, headers=sent).error == "invalid_field: X-HTTP-Method-Override"


@slow
def test_a_large_upload_takes_little_memory(tmp_path: Path) -> None:
    """256 MiB arrive while the server's memory stays where it was: a body waits for its reader."""
    size = 256 * 1024 * 1024
    with serving(settings_for(tmp_path)) as server:
        ned = server.user("ned")
        url = begun(ned, size)
        with connection(server, within_s=60) as sock:
            piece = bytes(1024 * 1024)
            begin_patch(ned, url, size, b"", sock)
            before = resident_bytes()
            most = before
            for _ in range(size // len(piece)):
                sock.sendall(piece)
                most = max(most, resident_bytes())
            assert b"204" in sock.recv(1000)
        assert most - before < 40 * 1024 * 1024
        before = read_bytes()
        assert len(ned.call("GET", media_path(url), headers={"Range": f"bytes={size - 10}-"}).body) == 10
        assert read_bytes() - before < size / 10  # not the whole file for its end


def resident_bytes() -> int:
    """Of this process, in which the server runs too."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def read_bytes() -> int:
    """What this process has read so far, from files and sockets: proc(5), rchar."""
    return int(Path("/proc/self/io").read_text().split()[1])
