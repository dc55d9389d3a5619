"""The files of a recording: whole, in ranges, under a good name, while they are there, and for whom."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.support import recording_rows as rec
from tests.support.api_server import Account, ApiServer
from tests.support.meeting_rows import add_join


def test_every_file_is_answered(api: ApiServer) -> None:
    ann = api.user("fil_ann")
    recording = rec.ready(api, ann, rec.running_meeting(ann, title='Weekly: "A/B" é'))
    path = f"/recordings/{recording}"
    shown = ann.get(path).data
    assert (shown["status"], shown["duration_s"], shown["size_bytes"]) == ("ready", 2.5, len(rec.VIDEO + rec.SOUND))
    assert (shown["has_video_file"], shown["has_thumbnail"], shown["has_captions"]) == (True, True, True)
    assert shown["chapters"] == [{"start_s": 0.0, "title": "Ann"}, {"start_s": 1.25, "title": "Screen"}]
    assert shown["tracks"] == [
        {
            "id": "trk_mic",
            "participant_id": "par_a",
            "name": "Ann/é",
            "source": "microphone",
            "codec": "opus",
            "size_bytes": len(rec.SOUND),
            "start_s": 0.5,
            "duration_s": 1.5,
        }
    ]
    day = shown["started_at"][:10]
    title = f"Weekly- -A-B- é {day}"
    for tail, body, media_type, name in (
        ("file", rec.VIDEO, "video/mp4", f"{title}.mp4"),
        ("tracks/trk_mic", rec.SOUND, "audio/webm", "é microphone.webm"),
        ("thumbnail", rec.PICTURE, "image/jpeg", f"{title}.jpg"),
        ("captions.vtt", rec.VTT.encode(), "text/vtt; charset=utf-8", f"{title}.vtt"),
    ):
        answer = ann.get(f"{path}/{tail}")
        assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, body, media_type)
        assert answer.headers["Content-Disposition"].startswith("inline; "), tail
        assert answer.headers["Content-Disposition"].endswith(f"filename*=UTF-8''{quote(name)}"), tail
        assert answer.headers["ETag"] == f'"{recording}-1"'
        assert answer.headers["Cache-Control"] == "private, no-cache"
        head = ann.call("HEAD", f"{path}/{tail}")
        assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(body)))
    for query in ("?download=1", "?download=true"):
        assert ann.get(f"{path}/file{query}").headers["Content-Disposition"].startswith("attachment; ")
    assert ann.get(f"{path}/file?download=maybe").error == "invalid_field: download"
    srt = ann.get(f"{path}/captions.srt")
    assert srt.body == b"1\n00:00:01,000 --> 00:00:02,500\nAnn: Hello & welcome\n"
    assert srt.headers["Content-Type"] == "application/x-subrip; charset=utf-8"
    assert srt.headers["Content-Disposition"].startswith("attachment; ")


def test_players_ask_for_ranges(api: ApiServer) -> None:
    ann = api.user("fil_bob")
    recording = rec.ready(api, ann, rec.running_meeting(ann))
    path, tag = f"/recordings/{recording}/file", f'"{recording}-1"'
    answer = ann.call("GET", path, headers={"Range": "bytes=5-9"})
    assert (answer.status, answer.body) == (206, b"film ")
    assert answer.headers["Content-Range"] == f"bytes 5-9/{len(rec.VIDEO)}"
    same = ann.call("GET", path, headers={"Range": "bytes=5-9", "If-Range": tag})
    assert (same.status, same.body) == (206, b"film ")
    other = ann.call("GET", path, headers={"Range": "bytes=5-9", "If-Range": '"other"'})
    assert (other.status, other.body) == (200, rec.VIDEO)
    assert ann.call("GET", path, headers={"If-None-Match": tag}).status == 304
    assert ann.call("GET", path, headers={"Range": "bytes=999999-"}).status == 416


@pytest.mark.parametrize("tail", ["file", "tracks/trk_mic", "thumbnail", "captions.vtt", "captions.srt"])
def test_what_is_not_there_is_404(api: ApiServer, tail: str) -> None:
    ann = api.user("fil_" + tail.replace("/", "").replace(".", ""))
    meeting = rec.running_meeting(ann)
    assert ann.get(f"/recordings/{rec.processing(ann, meeting)}/{tail}").code == "not_found"
    bare = rec.ready(api, ann, meeting, captions=False)
    assert ann.get(f"/recordings/{bare}/{tail}").status == (404 if "captions" in tail else 200)
    assert ann.get(f"/recordings/{bare}/tracks/trk_other").error == "not_found: track_id"
    # the storage has lost it
    lost = rec.ready(api, ann, meeting)
    for key in rec.row(api, lost).keys:
        rec.run_in(api, api.services.files.delete, key)
    assert ann.get(f"/recordings/{lost}/{tail}").code == "not_found"


@pytest.fixture(scope="module")
def admin(api: ApiServer) -> Account:
    return api.admin()


WATCHED = {"file": rec.VIDEO, "thumbnail": rec.PICTURE, "captions.vtt": rec.VTT.encode()}
SAVED = {
    "file?download=1": rec.VIDEO,
    "captions.vtt?download=true": rec.VTT.encode(),
    "captions.srt": b"Ann: Hello",
    "tracks/trk_mic": rec.SOUND,
    "tracks/trk_mic?download=1": rec.SOUND,
}
# Who: may watch where recordings are for participants or for hosts, may download where the rule is everyone or hosts.
WHO = {
    "host": ({"participants", "hosts"}, {"everyone", "hosts"}),
    "cohost": ({"participants", "hosts"}, {"everyone", "hosts"}),
    "starter": ({"participants", "hosts"}, {"everyone", "hosts"}),  # and is a participant again
    "admin": ({"participants", "hosts"}, {"everyone", "hosts"}),
    "participant": ({"participants"}, {"everyone"}),
    "removed": (set(), set()),
    "stranger": (set(), set()),
}


@pytest.mark.parametrize("rule", ["everyone", "hosts"])
@pytest.mark.parametrize("access", ["participants", "hosts"])
def test_who_watches_and_who_downloads(api: ApiServer, admin: Account, access: str, rule: str) -> None:
    tag = f"{access}_{rule}"
    who = {name: api.user(f"{name}_{tag}") for name in WHO if name != "admin"} | {"admin": admin}
    host = who["host"]
    meeting = rec.running_meeting(host, recording_access=access, recording_download=rule)
    rec.give_role(api, meeting, who["starter"], "cohost")
    recording = rec.ready(api, who["starter"], meeting)
    rec.give_role(api, meeting, who["starter"], "participant")
    rec.give_role(api, meeting, who["cohost"], "cohost")
    for name in ("participant", "removed"):
        add_join(api, f"{name}_{tag}", meeting, user_id=who[name].id, joined_at_ms=1000)
    rec.remove(api, meeting, who["removed"])
    path = f"/recordings/{recording}"
    for name, account in who.items():
        watches, downloads = (one in kinds for one, kinds in zip((access, rule), WHO[name], strict=True))
        view = account.get(path)
        if watches:
            assert view.data["permissions"]["download"] is downloads, name
            assert view.data["recording_download"] == rule
            listed = account.get(f"/recordings?meeting_id={meeting}").data["items"]
            assert [one["permissions"]["download"] for one in listed] == [downloads], name
        else:
            assert view.code == "forbidden", name
        for tail, body in WATCHED.items():
            answer = account.get(f"{path}/{tail}")
            assert (answer.body == body) is watches, (name, tail)
            if watches:
                assert answer.headers["Content-Disposition"].startswith("inline; "), (name, tail)
        for tail, body in SAVED.items():
            may = watches and downloads
            for method in ("GET", "HEAD"):
                answer = account.call(method, f"{path}/{tail}")
                assert answer.status == (200 if may else 403), (name, method, tail)
            answer = account.call("GET", f"{path}/{tail}", headers={"Range": "bytes=0-"})
            assert (body in answer.body) is may, (name, tail)
            if not may:
                assert answer.code == "forbidden", (name, tail)
    code = host.get(f"/meetings/{meeting}").data["code"]
    guest = api.request("POST", f"/meetings/{code}/join", {"name": "Guest"}).data["token"]
    for token in (guest, None):
        for tail in (*WATCHED, *SAVED):
            assert api.request("GET", f"{path}/{tail}", token=token).status == 401, tail


def test_the_rule_counts_from_the_moment_it_is_changed(api: ApiServer) -> None:
    ann, bob = api.user("fil_rule"), api.user("fil_rules_bob")
    meeting = rec.running_meeting(ann, recording_access="participants")
    recording = rec.ready(api, ann, meeting)
    add_join(api, "fil_rules", meeting, user_id=bob.id, joined_at_ms=1000)
    path = f"/recordings/{recording}/file?download=1"
    assert bob.get(path).status == 200
    ann.put(f"/meetings/{meeting}", {"recording_download": "hosts"})
    refused = bob.get(path)
    assert (refused.status, refused.code) == (403, "forbidden") and "hosts" in refused.json["message"]
    assert ann.get(path).status == 200
    ann.delete(f"/meetings/{meeting}")  # a meeting off the lists still says who may
    assert bob.get(path).status == 403
    assert bob.get(path.removesuffix("?download=1")).status == 200
