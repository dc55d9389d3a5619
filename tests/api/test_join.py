"""Into a meeting: members, guests, passcodes, locks, limits; and out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import UserError
from appliance.settings import MeetingsSettings
from tests.support.api_server import ApiServer, serving, settings_for
from tests.support.cookies import Browser


def test_a_member_joins_with_its_nickname_or_another_name(api: ApiServer) -> None:
    ann, bob = api.user("ann", nickname="Ann"), api.user("bob", nickname="Bob")
    meeting = ann.post("/meetings").data
    path = f"/meetings/{meeting['code']}/join"
    host = ann.post(path).data
    assert (host["name"], host["role"], host["guest"]) == ("Ann", "host", False)
    assert host["signaling_path"] == "/api/v1/ws/signaling" and host["token_expires_in_s"] == 43_200
    assert host["meeting"]["status"] == "active" and host["meeting"]["my_role"] == "host"
    member = bob.post(path, {"name": " Bobby "}).data
    assert (member["name"], member["role"]) == ("Bobby", "participant")
    now_s = api.services.now_s()
    claims = api.services.tokens.read_join(member["token"], now_s=now_s, meeting_id=meeting["id"])
    assert (claims.user_id, claims.name, claims.role) == (bob.id, "Bobby", "participant")
    with pytest.raises(UserError) as caught:
        api.services.tokens.read_join(member["token"], now_s=now_s, meeting_id="mtg_other")
    assert caught.value.status == 404


def test_a_join_token_is_no_access_token(api: ApiServer) -> None:
    carl = api.user("carl")
    meeting = carl.post("/meetings").data
    token = carl.post(f"/meetings/{meeting['id']}/join").data["token"]
    assert api.request("GET", "/profile", token=token).code == "token_invalid"


def test_a_guest_needs_a_name_and_is_known_again(api: ApiServer) -> None:
    dora = api.user("dora")
    meeting = dora.post("/meetings").data
    path = f"/meetings/{meeting['code']}/join"
    for body in ({}, {"name": ""}, {"name": "  "}):
        assert api.request("POST", path, body).error == "name_required: name"
    assert api.request("POST", path, {"name": "a\r\nb"}).error == "invalid_field: name"
    browser = Browser(api)
    first = browser.post(path, {"name": "<i>Gast</i> 客"}).data
    assert (first["guest"], first["role"], first["name"]) == (True, "participant", "<i>Gast</i> 客")
    claims = api.services.tokens.read_join(first["token"], now_s=api.services.now_s(), meeting_id=meeting["id"])
    assert claims.user_id is None and claims.sub == browser.jar["parley_guest"]
    again = browser.post(path, {"name": "Gast"}).data
    same = api.services.tokens.read_join(again["token"], now_s=api.services.now_s(), meeting_id=meeting["id"])
    assert same.sub == claims.sub
    liar = Browser(api, jar={"parley_guest": "usr_somebody"})
    other = liar.post(path, {"name": "L"}).data
    taken = api.services.tokens.read_join(other["token"], now_s=api.services.now_s(), meeting_id=meeting["id"])
    assert taken.sub.startswith("gst_") and taken.sub != claims.sub


def test_guests_are_turned_away_where_they_are_not_allowed(api: ApiServer) -> None:
    eve = api.user("eve")
    meeting = eve.post("/meetings", {"guests_allowed": False}).data
    answer = api.request("POST", f"/meetings/{meeting['code']}/join", {"name": "G"})
    assert (answer.status, answer.code) == (403, "guests_not_allowed")
    assert api.user("member").post(f"/meetings/{meeting['code']}/join").status == 200


def test_a_passcode_is_asked_of_everybody_but_hosts(api: ApiServer) -> None:
    frank, gus = api.user("frank"), api.user("gus")
    meeting = frank.post("/meetings", {"passcode": "s3cret"}).data
    path = f"/meetings/{meeting['code']}/join"
    assert frank.post(path).status == 200
    assert gus.post(path).error == "passcode_required: passcode"
    assert gus.post(path, {"passcode": "wrong"}).error == "passcode_wrong: passcode"
    assert gus.post(path, {"passcode": "s3cret"}).status == 200
    assert api.request("POST", path, {"name": "G", "passcode": "s3cret"}).status == 200


def test_guessing_a_passcode_is_slow(api: ApiServer) -> None:
    hans, ida = api.user("hans"), api.user("ida")
    meeting = hans.post("/meetings", {"passcode": "0000"}).data
    path = f"/meetings/{meeting['code']}/join"
    codes = [ida.post(path, {"passcode": f"{n:04}"}).code for n in range(1, 12)]
    assert codes == ["passcode_wrong"] * 10 + ["rate_limited"]
    assert int(ida.post(path, {"passcode": "0000"}).headers["Retry-After"]) <= 6


def test_locked_and_full_meetings_let_hosts_in(api: ApiServer) -> None:
    jan, kim = api.user("jan"), api.user("kim")
    meeting = jan.post("/meetings", {"max_participants": 2}).data
    path = f"/meetings/{meeting['id']}"
    for n in range(2):
        api.ledger.enter(meeting["id"], f"par_{meeting['id']}{n}", user_id=None)
    assert kim.post(f"{path}/join").code == "meeting_full"
    assert jan.post(f"{path}/join").status == 200
    jan.put(path, {"max_participants": 50, "locked": True})
    assert (kim.post(f"{path}/join").status, kim.post(f"{path}/join").code) == (403, "meeting_locked")
    assert jan.post(f"{path}/join").status == 200
    jan.put(path, {"locked": False})
    assert kim.post(f"{path}/join").status == 200


def test_leaving_ends_all_tabs_of_one_person(api: ApiServer) -> None:
    leo, mia = api.user("leo"), api.user("mia")
    meeting = leo.post("/meetings").data
    path = f"/meetings/{meeting['id']}"
    browser = Browser(api)
    browser.post(f"{path}/join", {"name": "G"})
    for n in range(2):
        api.ledger.enter(meeting["id"], f"par_leo{n}", user_id=leo.id)
    api.ledger.enter(meeting["id"], "par_mia", user_id=mia.id)
    api.ledger.enter(meeting["id"], "par_gst", user_id=None, guest_id=browser.jar["parley_guest"])
    assert leo.post(f"{path}/leave").data == {"changed": 2}
    assert browser.post(f"{path}/leave", {}).data == {"changed": 1}
    assert leo.post(f"{path}/leave").data == {"changed": 0}
    assert [person.participant_id for person in api.ledger.participants(meeting["id"])] == ["par_mia"]
    assert api.request("POST", f"{path}/leave", {}).code == "sign_in_required"


def test_only_the_host_ends(api: ApiServer) -> None:
    nora, olaf = api.user("nora"), api.user("olaf")
    meeting = nora.post("/meetings").data
    olaf.post(f"/meetings/{meeting['id']}/join")
    assert olaf.post(f"/meetings/{meeting['id']}/end").code == "forbidden"
    assert nora.post(f"/meetings/{meeting['id']}/end").status == 200


def test_a_server_without_guests(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, meetings=MeetingsSettings(guests_allowed=False))
    with serving(settings) as server:
        meeting = server.user("ann").post("/meetings", {"guests_allowed": True}).data
        answer = server.request("POST", f"/meetings/{meeting['code']}/join", {"name": "G"})
        assert answer.code == "guests_not_allowed"
        assert server.request("GET", "/info").data["guests_allowed"] is False
