"""Transcripts over HTTP: who sees what, files, search, deletion."""

from __future__ import annotations

import time
from urllib.parse import quote

from tests.support.api_server import ApiServer
from tests.support.meeting_rows import add_join, transcribe

T0 = 1_764_000_000_000  # 2025-11-24T16:00:00Z


def test_hosts_read_it_and_save_it(api: ApiServer) -> None:
    ann, bob = api.user("tr_ann"), api.user("tr_bob")
    meeting = ann.post("/meetings", {"title": 'Weekly: "A/B" é'}).data["id"]
    path = f"/meetings/{meeting}/transcript"
    assert ann.get(path).data == {"items": [], "next_cursor": None}
    assert ann.get(f"/meetings/{meeting}").data["has_transcript"] is False
    assert ann.get(f"{path}?format=vtt").body == b"WEBVTT\n"
    ident = transcribe(api, meeting, "Ann", "Good *morning*, <b>you</b>.", start_ms=T0)
    transcribe(api, meeting, "Ann", "Shall we?", start_ms=T0 + 3000)
    transcribe(api, meeting, "Bob", "1. Yes --> no", start_ms=T0 + 61_500)
    page = ann.get(f"{path}?limit=2").data
    assert page["items"][0] == {
        "id": ident, "participant_id": "prt_Ann", "name": "Ann", "start_time": "2025-11-24T16:00:00.000Z",
        "end_time": "2025-11-24T16:00:02.000Z", "text": "Good *morning*, <b>you</b>.", "language": "en",
    }  # fmt: skip
    rest = ann.get(f"{path}?cursor={page['next_cursor']}").data
    assert [line["name"] for line in rest["items"]] == ["Bob"] and rest["next_cursor"] is None
    assert ann.get(f"/meetings/{meeting}").data["has_transcript"] is True

    vtt = ann.get(f"{path}?format=vtt")
    assert vtt.body.decode() == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n<v Ann>Good *morning*, &lt;b&gt;you&lt;/b&gt;.\n\n"
        "00:00:03.000 --> 00:00:05.000\n<v Ann>Shall we?\n\n"
        "00:01:01.500 --> 00:01:03.500\n<v Bob>1. Yes --&gt; no\n"
    )
    assert vtt.headers["Content-Type"] == "text/vtt; charset=utf-8"
    today = time.strftime("%Y-%m-%d", time.gmtime(api.clock.now_ms() / 1000))
    assert vtt.headers["Content-Disposition"].endswith(f"filename*=UTF-8''{quote(f'Weekly- -A-B- é {today}.vtt')}")
    srt = ann.get(f"{path}?format=srt").body.decode()
    assert srt.startswith("1\n00:00:00,000 --> 00:00:02,000\nAnn: Good *morning*, <b>you</b>.\n")
    md = ann.get(f"{path}?format=md")
    assert md.body.decode() == (
        '# Weekly: "A/B" é\n\n## 2025-11-24\n\n'
        "**Ann** (16:00:00 UTC): Good \\*morning\\*, \\<b\\>you\\</b\\>. Shall we?\n\n"
        "**Bob** (16:01:01 UTC): 1. Yes \\-\\-\\> no\n"
    )
    assert ann.get(f"{path}?format=pdf").error == "invalid_field: format"
    assert ann.get(f"{path}?cursor=x").error == "invalid_field: cursor"
    assert bob.get(path).code == "forbidden"
    assert ann.get("/meetings/mtg_none/transcript").code == "not_found"
    assert api.request("GET", path).code == "sign_in_required"


def test_participants_see_what_was_said_while_they_were_there(api: ApiServer) -> None:
    ann, bob = api.user("tp_ann"), api.user("tp_bob")
    meeting = ann.post("/meetings", {"recording_access": "hosts"}).data["id"]
    path = f"/meetings/{meeting}/transcript"
    for number, text in enumerate(("before", "during", "after")):
        transcribe(api, meeting, "Ann", text, start_ms=T0 + number * 10_000)
    add_join(api, f"tp{meeting}", meeting, user_id=bob.id, joined_at_ms=T0 + 9000, left_at_ms=T0 + 15_000)
    assert bob.get(path).code == "forbidden"
    assert bob.get(f"/meetings/{meeting}").data["has_transcript"] is False
    ann.put(f"/meetings/{meeting}", {"recording_access": "participants"})
    assert [line["text"] for line in bob.get(path).data["items"]] == ["during"]
    assert b"before" not in bob.get(f"{path}?format=md").body
    assert bob.get(f"/meetings/{meeting}").data["has_transcript"] is True
    assert [line["text"] for line in bob.get("/transcripts?query=DUR").data["items"]] == ["during"]
    assert bob.get("/transcripts?query=after").data["items"] == []
    assert bob.delete(path).code == "forbidden"


def test_a_search_goes_over_all_meetings(api: ApiServer) -> None:
    ann, bob = api.user("ts_ann"), api.user("ts_bob")
    both = [ann.post("/meetings", {"title": title}).data for title in ("One", "Two")]
    for number, meeting in enumerate(both):
        transcribe(api, meeting["id"], "Ann", f"the zebra number {number}", start_ms=T0 + number)
    found = ann.get("/transcripts?query=Zebra&limit=1").data
    assert [(f["meeting_id"], f["meeting_code"], f["meeting_title"]) for f in found["items"]] == [
        (both[1]["id"], both[1]["code"], "Two")
    ]
    rest = ann.get(f"/transcripts?query=zebra&cursor={found['next_cursor']}").data
    assert [f["meeting_title"] for f in rest["items"]] == ["One"]
    for only, titles in (
        (f"meeting_id={both[0]['id']}", ["One"]),
        (f"meeting_id={both[1]['code']}", ["Two"]),
        ("speaker=Ann", ["Two", "One"]),
        ("speaker=Bob", []),
    ):
        assert [f["meeting_title"] for f in ann.get(f"/transcripts?query=zebra&{only}").data["items"]] == titles, only
    assert bob.get("/transcripts?query=zebra").data["items"] == []
    for query in ("", "?query=", "?query=%20", f"?query={'x' * 201}"):
        assert ann.get(f"/transcripts{query}").code in ("invalid_field", "missing_field"), query


def test_it_is_deleted_by_itself_and_with_its_meeting(api: ApiServer) -> None:
    ann = api.user("td_ann")
    meeting, other = (ann.post("/meetings").data["id"] for _ in range(2))
    for one in (meeting, other):
        transcribe(api, one, "Ann", "the okapi", start_ms=T0)
    ann.delete(f"/meetings/{meeting}/transcript")
    assert ann.get(f"/meetings/{meeting}/transcript").data["items"] == []
    assert [f["meeting_id"] for f in ann.get("/transcripts?query=okapi").data["items"]] == [other]
    ann.delete(f"/meetings/{other}")
    assert ann.get("/transcripts?query=okapi").data["items"] == []


def test_a_meeting_says_whether_captions_are_on(api: ApiServer) -> None:
    ann = api.user("tc_ann")
    meeting = ann.post("/meetings").data
    assert meeting["captions"] is False
    api.ledger.captioned.add(meeting["id"])
    assert ann.get(f"/meetings/{meeting['id']}").data["captions"] is True
