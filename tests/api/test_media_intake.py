"""Storage and disks that fail: nothing half there, nothing lost that could go on."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.api.media_intake import disk_errors
from appliance.errors import UserError
from appliance.files import s3 as s3_module
from appliance.files import s3_upload
from tests.api.test_media_uploads import begun, head, media_path, offset, patch, staged
from tests.support.api_server import ApiServer, serving, settings_for
from tests.support.relay import Relay, relay_to
from tests.support.s3_server import S3Server, running_s3
from tests.support.uploaded import film, picture

slow = pytest.mark.slow


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with running_s3() as server:
        yield server


@pytest.fixture(scope="module")
def relay(s3: S3Server) -> Iterator[Relay]:
    with relay_to(s3.port) as relay:
        yield relay


@pytest.fixture(scope="module")
def stored_away(tmp_path_factory: pytest.TempPathFactory, s3: S3Server, relay: Relay) -> Iterator[ApiServer]:
    """A server whose files lie at a service that can be cut off."""
    storage = s3.settings(endpoint_url=f"http://127.0.0.1:{relay.port}")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(s3_upload, "PAUSES_S", ())
        for name in ("_READ_WITHIN_S", "_CONNECT_WITHIN_S", "_ATTEMPTS"):
            monkeypatch.setattr(s3_module, name, 1)
        with serving(settings_for(tmp_path_factory.mktemp("away"), storage=storage)) as server:
            yield server


@slow
def test_files_lie_at_the_service(stored_away: ApiServer, s3: S3Server) -> None:
    ann = stored_away.user("ann")
    sent = ann.call("POST", "/media/upload?name=a.png", raw=picture(), headers={"Content-Type": "image/png"}).data
    assert {f"parley/media/{sent['id']}", f"parley/thumbnails/{sent['id']}.webp"} <= set(s3.names())
    assert ann.call("GET", f"!{sent['url']}").body == picture()
    part = ann.call("GET", f"!{sent['url']}", headers={"Range": "bytes=-4"})
    assert (part.status, part.body) == (206, picture()[-4:])
    assert ann.call("GET", f"!{sent['thumbnail_url']}").status == 200
    assert ann.delete(f"/media/{sent['id']}", {}).status == 200
    assert not [name for name in s3.names() if sent["id"] in name]


@slow
def test_a_large_file_goes_there_in_parts(stored_away: ApiServer, s3: S3Server) -> None:
    bob = stored_away.user("bob")
    content = film("mp4") + b"\x00\x00\x00\x00free"  # a box to the end of the file
    content += bytes(40 * 1024 * 1024)
    url = begun(bob, len(content))
    assert patch(bob, url, 0, content).status == 204
    assert stored_away.services.files.statistics()["parts_sent"] == 3
    assert hashlib.sha256(bob.call("GET", media_path(url)).body).digest() == hashlib.sha256(content).digest()
    assert s3.unfinished() == {}


@slow
def test_a_service_that_is_away_loses_no_upload(stored_away: ApiServer, relay: Relay) -> None:
    cem = stored_away.user("cem")
    url = begun(cem, len(picture()))
    assert patch(cem, url, 0, picture()[:1000]).status == 204
    relay.go_silent()
    try:
        answer = patch(cem, url, 1000, picture()[1000:])
        assert (answer.status, answer.code) == (503, "unavailable")
        assert answer.headers["Retry-After"] == "5"
        assert head(cem, url).status == 503
        plain = cem.call("POST", "/media/upload", raw=picture(), headers={"Content-Type": "image/png"})
        assert plain.status == 503
        assert staged(stored_away) == [url.rpartition("/")[2]]
        sign_in = stored_away.request("GET", "/info")
        assert sign_in.status == 200  # meetings go on
    finally:
        relay.come_back(reset=True)
    assert offset(cem, url) == len(picture())
    assert cem.call("GET", media_path(url)).body == picture()
    assert staged(stored_away) == []


def test_a_disk_that_is_full_is_said_to_be() -> None:
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        with pytest.raises(UserError) as caught, disk_errors():
            raise OSError(number, "no room")
        assert (caught.value.status, caught.value.code, caught.value.field) == (507, "disk_full", "file")
    with pytest.raises(PermissionError), disk_errors():
        raise PermissionError(errno.EACCES, "no")


def test_staging_is_beside_the_files(tmp_path: Path) -> None:
    with serving(settings_for(tmp_path)):
        assert (tmp_path / "uploads").is_dir()
