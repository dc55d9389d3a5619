"""Meetings from plan to end, over HTTP."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from appliance.settings import MeetingsSettings
from tests.support.api_server import ApiServer, serving, settings_for

SOON, LATER = "2030-05-01T09:00:00+02:00", "2030-05-01T08:30:00Z"
SETTINGS = {
    "guests_allowed": True,
    "has_passcode": False,
    "locked": False,
    "auto_record": False,
    "recording_consent": False,
    "emotion_detection": False,
    "deepfake_detection": False,
    "recording_access": "hosts",
    "recording_download": "everyone",
}


def test_a_meeting_to_start_now(api: ApiServer) -> None:
    ann = api.user("ann", nickname="Ann")
    meeting = ann.post("/meetings").data
    assert re.fullmatch(r"[a-z]{3}-[a-z]{4}-[a-z]{3}", meeting["code"])
    assert meeting["title"] == "Ann's meeting"
    assert meeting["url"] == f"{api.url}/{meeting['code']}"
    assert meeting["creator"] == {"id": ann.id, "nickname": "Ann", "avatar_url": None}
    assert meeting["settings"] == SETTINGS
    expected = {
        "description": "",
        "status": "scheduled",
        "start_time": None,
        "end_time": None,
        "started_at": None,
        "ended_at": None,
        "max_participants": 100,
        "participant_count": 0,
        "my_role": "host",
    }
    assert {key: meeting[key] for key in expected} == expected
    for name in (meeting["id"], meeting["code"], meeting["code"].upper()):
        assert ann.get(f"/meetings/{name}").data == meeting


def test_a_planned_meeting_keeps_its_times_in_utc(api: ApiServer) -> None:
    bob = api.user("bob")
    times = {"start_time": SOON, "end_time": LATER}
    texts = {"title": " Plan  <b>1</b> ", "description": "line 1\r\nline 2", "passcode": "1234"}
    meeting = bob.post("/meetings", {**times, **texts, "max_participants": 5, "guests_allowed": False}).data
    assert meeting["title"] == "Plan <b>1</b>"
    assert (meeting["start_time"], meeting["end_time"]) == ("2030-05-01T07:00:00.000Z", "2030-05-01T08:30:00.000Z")
    assert meeting["settings"] == {**SETTINGS, "guests_allowed": False, "has_passcode": True}
    assert meeting["description"] == "line 1\nline 2"
    assert meeting["max_participants"] == 5


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "a\nb"}, "title"),
        ({"start_time": "tomorrow"}, "start_time"),
        ({"start_time": "2030-05-01T09:00:00"}, "start_time"),
        ({"start_time": "1969-01-01T00:00:00Z"}, "start_time"),
        ({"end_time": LATER}, "end_time"),
        ({"start_time": LATER, "end_time": LATER}, "end_time"),
        ({"max_participants": 1}, "max_participants"),
        ({"max_participants": 101}, "max_participants"),
        ({"max_participants": "5"}, "max_participants"),
        ({"passcode": "123"}, "passcode"),
        ({"guests_allowed": "yes"}, "guests_allowed"),
        ({"auto_record": 1}, "auto_record"),
        ({"recording_access": "everybody"}, "recording_access"),
        ({"recording_download": "participants"}, "recording_download"),
        ({"recording_download": None}, "recording_download"),
        ({"description": "x" * 4001}, "description"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_with_a_plan_is_named(api: ApiServer, body: dict[str, object], field: str) -> None:
    token = api.request("POST", "/auth/login", {"login": "bob", "password": "correct horse battery staple"})
    answer = api.request("POST", "/meetings", body, token=token.data["access_token"])
    assert answer.error == f"invalid_field: {field}"


def test_signed_out_callers_see_what_they_need_to_join(api: ApiServer) -> None:
    carl = api.user("carl")
    meeting = carl.post("/meetings", {"title": "T", "description": "secret"}).data
    preview = api.request("GET", f"/meetings/{meeting['code']}").data
    names = ("id", "code", "title", "status", "start_time", "recording", "captions", "settings")
    assert preview == {key: meeting[key] for key in names} and preview["recording"] is False
    assert api.request("GET", "/meetings/mtg_nothing").status == 404
    assert api.request("GET", "/meetings/zzz-zzzz-zzz").error == "not_found: meeting_id"
    assert api.request("GET", "/meetings").code == "sign_in_required"
    assert api.request("POST", "/meetings", {}).code == "sign_in_required"


def test_the_host_changes_it_and_nobody_else(api: ApiServer) -> None:
    dora, eve = api.user("dora"), api.user("eve")
    meeting = dora.post("/meetings", {"title": "Old", "start_time": SOON, "passcode": "1234"}).data
    path = f"/meetings/{meeting['id']}"
    assert eve.put(path, {"title": "Mine"}).code == "forbidden"
    changed = dora.put(path, {"title": "New", "locked": True, "passcode": None}).data
    assert changed["title"] == "New" and changed["start_time"] == meeting["start_time"]
    assert changed["settings"] == {**SETTINGS, "locked": True}
    assert api.ledger.titles[meeting["id"]] == ("New", True)
    assert dora.put(path, {"end_time": "2020-01-01T00:00:00Z"}).error == "invalid_field: end_time"
    assert dora.put(path, {"start_time": None}).data["start_time"] is None
    assert dora.put(path, {"end_time": LATER}).error == "invalid_field: end_time"
    assert dora.get(path).data["title"] == "New"


def test_what_is_said_of_recording_is_kept_and_changed(api: ApiServer) -> None:
    rita = api.user("rita")
    wanted = {
        "auto_record": True,
        "recording_consent": True,
        "recording_access": "participants",
        "recording_download": "hosts",
    }
    meeting = rita.post("/meetings", wanted).data
    assert meeting["settings"] == {**SETTINGS, **wanted}
    path = f"/meetings/{meeting['id']}"
    assert rita.put(path, {"auto_record": False}).data["settings"] == {**SETTINGS, **wanted, "auto_record": False}
    assert rita.put(path, {"recording_access": "hosts"}).data["settings"]["recording_access"] == "hosts"
    assert rita.put(path, {"recording_access": "all"}).error == "invalid_field: recording_access"
    assert rita.put(path, {"title": "T"}).data["settings"]["recording_download"] == "hosts"
    changed = rita.put(path, {"recording_download": "everyone"}).data["settings"]
    assert changed["recording_download"] == rita.get(path).data["settings"]["recording_download"] == "everyone"
    for wrong in ("all", True, None):
        assert rita.put(path, {"recording_download": wrong}).error == "invalid_field: recording_download"


def test_a_cancelled_meeting_is_off_the_lists(api: ApiServer) -> None:
    frank, gus = api.user("frank"), api.user("gus")
    kept, gone = frank.post("/meetings").data, frank.post("/meetings").data
    assert gus.delete(f"/meetings/{gone['id']}").code == "forbidden"
    assert frank.delete(f"/meetings/{gone['id']}").status == 200
    assert frank.delete(f"/meetings/{gone['id']}").status == 404
    assert frank.get(f"/meetings/{gone['code']}").status == 404
    assert api.request("POST", f"/meetings/{gone['code']}/join", {"name": "G"}).status == 404
    assert [item["id"] for item in frank.get("/meetings").data["items"]] == [kept["id"]]


def test_ending_a_running_one_closes_the_room(api: ApiServer) -> None:
    hans = api.user("hans")
    meeting = hans.post("/meetings").data
    path = f"/meetings/{meeting['id']}"
    assert hans.post(f"{path}/join").data["meeting"]["status"] == "active"
    api.ledger.enter(meeting["id"], "par_1", user_id=hans.id)
    assert hans.get(path).data["participant_count"] == 1
    ended = hans.post(f"{path}/end").data
    assert (ended["status"], ended["participant_count"]) == ("ended", 0)
    assert ended["ended_at"] >= ended["started_at"]
    for method, tail, body in (("POST", "/end", {}), ("POST", "/join", {}), ("PUT", "", {"title": "x"})):
        answer = hans.call(method, path + tail, body)
        assert (answer.status, answer.code) == (410, "meeting_ended")
    assert hans.post(f"{path}/invite", {"emails": ["a@b.org"]}).code == "meeting_ended"
    for body in ({}, {"recording_download": "hosts", "title": "x"}, {"auto_record": True}):
        assert hans.put(path, body).code == "meeting_ended", body
    # of what it left behind its host still decides
    for body in ({"recording_access": "participants"}, {"recording_download": "hosts"}):
        assert body.items() <= hans.put(path, body).data["settings"].items()
    assert hans.get(path).data["settings"]["recording_access"] == "participants"
    assert api.user("hans_guest").put(path, {"recording_download": "everyone"}).code == "forbidden"
    assert hans.delete(path).status == 200


def test_lists_are_mine_filtered_and_paged(api: ApiServer) -> None:
    ida, jan = api.user("ida"), api.user("jan")
    own = [ida.post("/meetings", {"title": f"M{n}"}).data["id"] for n in range(5)]
    invited = jan.post("/meetings").data
    jan.post(f"/meetings/{invited['id']}/invite", {"user_ids": [ida.id]})
    jan.post("/meetings")
    ida.post(f"/meetings/{own[2]}/join")
    seen: list[str] = []
    cursor = ""
    while True:
        page = ida.get(f"/meetings?mine=true&limit=2{cursor}").data
        assert len(page["items"]) <= 2
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert sorted(seen) == sorted(own) and len(seen) == 5
    everything = ida.get("/meetings").data["items"]
    assert {item["id"] for item in everything} == {*own, invited["id"]}
    assert next(item for item in everything if item["id"] == invited["id"])["my_role"] == "participant"
    assert [item["id"] for item in ida.get("/meetings?status=active").data["items"]] == [own[2]]
    assert ida.get("/meetings?status=paused").error == "invalid_field: status"
    assert ida.get("/meetings?mine=maybe").error == "invalid_field: mine"


def test_invitations_are_stored_once(api: ApiServer) -> None:
    kim, leo, mia = api.user("kim", nickname="Kim"), api.user("leo"), api.user("mia")
    meeting = kim.post("/meetings", {"title": "Party", "start_time": SOON}).data
    path = f"/meetings/{meeting['id']}/invite"
    body = {"emails": ["new@example.org", "LEO@example.org"], "user_ids": [mia.id]}
    data = kim.post(path, body).data
    assert data["invited"] == 3 and data["code"] == meeting["code"] and data["url"] == meeting["url"]
    assert "Party" in data["message"] and meeting["url"] in data["message"] and "Kim" in data["message"]
    assert kim.post(path, body).data["invited"] == 0
    assert leo.get(f"/meetings/{meeting['id']}").data["my_role"] == "participant"  # found by the address
    assert kim.post(path, {"emails": ["fine@example.org", "broken"]}).error == "invalid_field: emails[1]"
    assert kim.post(path, {"user_ids": ["usr_nobody"]}).error == "not_found: user_ids[0]"
    assert kim.post(path, {"emails": ["a@b.org"] * 101}).error == "invalid_field: emails"
    stranger = api.user("stranger")
    assert stranger.post(path, {"emails": ["a@b.org"]}).code == "forbidden"


def test_the_calendar_file_hides_the_description_from_strangers(api: ApiServer) -> None:
    nora = api.user("nora")
    meeting = nora.post("/meetings", {"title": "Cal, endar", "description": "agenda", "start_time": SOON}).data
    answer = nora.get(f"/meetings/{meeting['code']}/calendar.ics")
    assert answer.headers["Content-Type"].startswith("text/calendar")
    assert f'filename="{meeting["code"]}.ics"' in answer.headers["Content-Disposition"]
    assert b"SUMMARY:Cal\\, endar\r\n" in answer.body and b"agenda" in answer.body
    assert b"DTSTART:20300501T070000Z\r\n" in answer.body
    outside = api.request("GET", f"/meetings/{meeting['code']}/calendar.ics")
    assert outside.status == 200 and b"agenda" not in outside.body


def test_a_meeting_invites_so_many_and_no_more(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, meetings=MeetingsSettings(max_invitations=3))
    with serving(settings) as server:
        ann = server.user("ann")
        path = f"/meetings/{ann.post('/meetings').data['id']}/invite"
        assert ann.post(path, {"emails": ["a@b.org", "c@d.org"]}).data["invited"] == 2
        answer = ann.post(path, {"emails": ["e@f.org", "g@h.org"]})
        assert (answer.status, answer.code) == (409, "too_many_invitations")
        assert ann.post(path, {"emails": ["a@b.org", "e@f.org"]}).data["invited"] == 1  # nothing of the last was kept
        assert ann.post(path, {"emails": ["a@b.org", "c@d.org", "e@f.org"]}).data["invited"] == 0
        assert ann.post(path, {"emails": ["g@h.org"]}).code == "too_many_invitations"
