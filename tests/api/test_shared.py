"""Links to a recording: whoever has one sees the film and nothing else, until it ends."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.api.limits import SHARE_MISS_LIMIT
from appliance.api.shared import LINKS_MOST
from tests.support import recording_rows as rec
from tests.support.api_server import ApiServer, serving, settings_for
from tests.support.meeting_rows import in_server


def audit_details(api: ApiServer, recording_id: str) -> list[str]:
    """Of the links that were made to a recording."""

    async def read(conn: Any) -> list[str]:
        sql = "SELECT detail FROM audit WHERE target = $1 AND action = 'recording.share'"
        return [row["detail"] for row in await conn.fetch(sql, recording_id)]

    found: list[str] = in_server(api, read)
    return found


def test_a_stranger_sees_the_film_and_nothing_of_the_meeting(api: ApiServer) -> None:
    ann = api.user("sha_ann", nickname="Ann")
    meeting = rec.running_meeting(ann)
    recording = rec.ready(api, ann, meeting)
    made = ann.post(f"/recordings/{recording}/share", {"expires_in_s": 3600}).data
    token = made["token"]
    assert made["download"] is True
    assert len(token) >= 43 and made["url"] == f"{api.url}/shared/{token}"
    assert made["expires_at"].endswith("Z")
    view = api.request("GET", f"/shared/{token}").data
    assert view["id"] == recording and view["status"] == "ready" and view["chapters"]
    hidden = ("meeting_id", "started_by", "error", "stop_reason", "recording_download")
    assert [view[name] for name in hidden] == [None] * 5 and view["tracks"] == []
    assert view["permissions"] == {"download": True, "share": False, "delete": False, "process": False}
    assert meeting not in str(view)
    for tail, body in (("file", rec.VIDEO), ("thumbnail", rec.PICTURE), ("captions.vtt", rec.VTT.encode())):
        assert api.request("GET", f"/shared/{token}/{tail}").body == body
    ranged = api.request("GET", f"/shared/{token}/file", headers={"Range": "bytes=0-3"})
    assert (ranged.status, ranged.body) == (206, b"film")
    saved = api.request("GET", f"/shared/{token}/file?download=1")
    assert saved.headers["Content-Disposition"].startswith("attachment; ")
    for tail in ("/captions.srt", "/tracks/trk_mic", "/share"):
        assert api.request("GET", f"/shared/{token}{tail}").status == 404
    assert api.request("GET", f"/recordings/{recording}").code == "sign_in_required"


# What the meeting says, what the maker of the link asks for, and whether a visitor may then save the film.
LINKS = [
    ("everyone", None, True),
    ("everyone", True, True),
    ("everyone", False, False),
    ("hosts", None, False),
    ("hosts", False, False),
    ("hosts", True, True),
]


@pytest.mark.parametrize(("rule", "asked", "may"), LINKS)
def test_whoever_makes_a_link_says_whether_it_is_for_downloads(
    api: ApiServer, rule: str, asked: bool | None, may: bool
) -> None:
    ann = api.user(f"sha_{rule}_{asked}".lower())
    meeting = rec.running_meeting(ann, recording_download=rule)
    recording = rec.ready(api, ann, meeting)
    made = ann.post(f"/recordings/{recording}/share", {"expires_in_s": 3600, "download": asked}).data
    path = f"/shared/{made['token']}"
    # what the meeting says later is for its people; a link stays as it was made
    ann.put(f"/meetings/{meeting}", {"recording_download": "everyone" if rule == "hosts" else "hosts"})
    assert made["download"] is api.request("GET", path).data["permissions"]["download"] is may
    for method in ("GET", "HEAD"):
        watched = api.request(method, f"{path}/file")
        assert watched.status == 200 and watched.headers["Content-Disposition"].startswith("inline; ")
        for query in ("1", "true"):
            saved = api.request(method, f"{path}/file?download={query}", headers={"Range": "bytes=0-3"})
            assert saved.status == (403 if not may else 206 if method == "GET" else 200)
    if not may:
        refused = api.request("GET", f"{path}/file?download=1")
        assert refused.code == "forbidden" and rec.VIDEO[:4] not in refused.body
    assert api.request("GET", f"{path}/captions.vtt").body == rec.VTT.encode()
    assert (f"to {'download' if may else 'watch'}") in audit_details(api, recording)[0]


@pytest.mark.parametrize("download", [1, "yes", []])
def test_what_a_link_is_for_is_yes_or_no(api: ApiServer, download: object) -> None:
    ann = api.user(f"sha_dl_{len(str(download))}")
    recording = rec.processing(ann, rec.running_meeting(ann))
    answer = ann.post(f"/recordings/{recording}/share", {"expires_in_s": 60, "download": download})
    assert answer.error == "invalid_field: download"


def test_a_link_ends_by_time_and_by_hand(api: ApiServer) -> None:
    ann = api.user("sha_bob")
    recording = rec.ready(api, ann, rec.running_meeting(ann))
    path = f"/recordings/{recording}/share"
    short, long = (ann.post(path, {"expires_in_s": seconds}).data["token"] for seconds in (60, 3600))
    assert short != long
    api.clock.ahead_ms += 61_000
    assert api.request("GET", f"/shared/{short}").error == "not_found: token"
    assert api.request("GET", f"/shared/{short}/file").status == 404
    assert api.request("GET", f"/shared/{long}").status == 200
    assert ann.delete(path).data == {"changed": 1}
    assert api.request("GET", f"/shared/{long}").status == 404
    assert ann.delete(path).data == {"changed": 0}


def test_of_one_that_is_not_ready_a_link_says_so(api: ApiServer) -> None:
    ann = api.user("sha_dan")
    recording = rec.processing(ann, rec.running_meeting(ann))
    token = ann.post(f"/recordings/{recording}/share", {"expires_in_s": 60}).data["token"]
    assert api.request("GET", f"/shared/{token}").data["status"] == "processing"
    assert api.request("GET", f"/shared/{token}/file").status == 404


@pytest.mark.parametrize("seconds", [0, 59, 31_536_001, -1, 1.5, "60", None])
def test_a_link_lasts_a_minute_to_a_year(api: ApiServer, seconds: object) -> None:
    ann = api.user(f"sha_{seconds}".replace("-", "m").replace(".", "_"))
    recording = rec.processing(ann, rec.running_meeting(ann))
    answer = ann.post(f"/recordings/{recording}/share", {"expires_in_s": seconds})
    assert answer.error == "invalid_field: expires_in_s"


def test_links_are_bounded_and_guesses_are_slowed(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(settings_for(tmp_path_factory.mktemp("api"))) as api:
        ann = api.user("sha_many")
        recording = rec.processing(ann, rec.running_meeting(ann))
        answers = [ann.post(f"/recordings/{recording}/share", {"expires_in_s": 60}) for _ in range(LINKS_MOST + 1)]
        assert [answer.status for answer in answers[-2:]] == [200, 409] and answers[-1].code == "too_many_links"
        token = answers[0].data["token"]
        tries = range(int(SHARE_MISS_LIMIT.burst) + 1)
        guesses = [api.request("GET", f"/shared/{token[:-2]}{n:02}").status for n in tries]
        assert guesses[0] == 404 and guesses[-1] == 429
        assert api.request("GET", f"/shared/{token}").status == 200  # a good link goes on
