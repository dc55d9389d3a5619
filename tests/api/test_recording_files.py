"""The files of a recording: whole, in ranges, under a good name, and only while they are there."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.support import recording_rows as rec
from tests.support.api_server import ApiServer


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
