"""Alerts over HTTP, and what the report says of pictures: hosts alone."""

from __future__ import annotations

import msgspec

from appliance.store import vision
from tests.store.test_vision import ALERT, SPAN
from tests.support.api_server import ApiServer
from tests.support.meeting_rows import add_join, in_server


def test_hosts_see_alerts_look_at_them_and_dismiss_them(api: ApiServer) -> None:
    ann, bob, root = api.user("al_ann"), api.user("al_bob"), api.admin("al_root")
    meeting = ann.post("/meetings", {"deepfake_detection": True}).data
    assert meeting["settings"]["deepfake_detection"] is True and meeting["settings"]["emotion_detection"] is False
    path = f"/meetings/{meeting['id']}/alerts"
    assert ann.get(path).data == {"alerts": []}
    alert = msgspec.structs.replace(ALERT, id="alt_http", meeting_id=meeting["id"])
    span = msgspec.structs.replace(SPAN, id="emo_http", meeting_id=meeting["id"])
    in_server(api, vision.insert_alert, alert=alert, evidence=b"\xff\xd8\xff jpeg")
    in_server(api, vision.insert_span, span=span)
    (shown,) = ann.get(path).data["alerts"]
    assert shown == {
        "id": "alt_http", "participant_id": "prt_1", "name": "Ann", "kind": "face_spoof", "score": 0.91,
        "model": "face-spoof", "box": [1.5, 2.0, 30.0, 40.0], "at": "1970-01-01T00:00:01.000Z", "has_evidence": True,
    }  # fmt: skip
    assert root.get(path).data["alerts"] == [shown]

    picture = ann.get("/alerts/alt_http/evidence")
    assert picture.body == b"\xff\xd8\xff jpeg"
    assert (picture.headers["Content-Type"], picture.headers["Cache-Control"]) == ("image/jpeg", "no-store")

    add_join(api, "al", meeting["id"], user_id=bob.id, joined_at_ms=1000, left_at_ms=5000)
    ann.put(f"/meetings/{meeting['id']}", {"recording_access": "participants", "emotion_detection": True})
    assert ann.get(f"/meetings/{meeting['id']}").data["settings"]["emotion_detection"] is True
    assert bob.get(path).code == "forbidden"
    assert bob.get("/alerts/alt_http/evidence").code == bob.delete("/alerts/alt_http").code == "not_found"
    assert api.request("GET", "/alerts/alt_http/evidence").code == "sign_in_required"
    assert ann.get("/alerts/alt_none/evidence").code == "not_found"

    report = ann.get(f"/meetings/{meeting['id']}/report").data
    assert report["alerts"] == [shown]
    assert report["emotions"] == [
        {"participant_id": "prt_1", "name": "Ann", "spans": [[1000, 3000, "happy"]], "shares": {"happy": 1.0}}
    ]
    theirs = bob.get(f"/meetings/{meeting['id']}/report").data
    assert theirs["alerts"] == theirs["emotions"] == []

    assert ann.delete("/alerts/alt_http", {}).status == 200
    assert ann.get(path).data == {"alerts": []}
    assert ann.get("/alerts/alt_http/evidence").code == "not_found"
    ann.delete(f"/meetings/{meeting['id']}/transcript", {})
    assert ann.get(f"/meetings/{meeting['id']}/report").data["emotions"] == []
