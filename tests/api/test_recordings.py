"""Recordings over HTTP: their life, who may do what, and what is refused how."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.jobs.recording_orders import RECORDING_AHEAD, RECORDING_PROCESS, RECORDING_REMOVE, process_key
from appliance.store import jobs, recording_runs, recordings
from appliance.store.jobs import Job
from appliance.store.recordings import Progress
from tests.support import recording_rows as rec
from tests.support.api_server import Account, ApiServer
from tests.support.meeting_rows import add_join, in_server


def job_of(api: ApiServer, type: str, key: str) -> Job | None:
    job: Job | None = in_server(api, jobs.by_key, type, key)
    return job


def audited(api: ApiServer, recording_id: str) -> set[str]:
    async def read(conn: Any) -> set[str]:
        return {row["action"] for row in await conn.fetch("SELECT action FROM audit WHERE target = $1", recording_id)}

    found: set[str] = in_server(api, read)
    return found


def test_it_is_started_paused_and_stopped(api: ApiServer) -> None:
    ann = api.user("rec_ann", nickname="Ann")
    meeting = rec.running_meeting(ann, title="Weekly")
    begun = ann.post("/recordings", {"meeting_id": meeting, "layout": "grid"}).data
    assert begun.pop("started_at").endswith("Z")
    recording = begun.pop("id")
    assert begun == {
        "meeting_id": meeting,
        "title": "Weekly",
        "status": "recording",
        "stopped_at": None,
        "duration_s": None,
        "size_bytes": None,
        "recovered": False,
        "stop_reason": None,
        "started_by": "Ann",
        "layout": "grid",
        "progress": None,
        "error": None,
        "has_video_file": False,
        "has_thumbnail": False,
        "has_captions": False,
        "tracks": [],
        "chapters": [],
        "recording_download": "everyone",
        "permissions": {"download": True, "share": True, "delete": True, "process": False},
    }
    for view in (ann.get(f"/meetings/{meeting}"), api.request("GET", f"/meetings/{meeting}")):
        assert view.data["recording"] is True  # who is about to join is told
    path = f"/recordings/{recording}"
    assert ann.post("/recordings/start", {"meeting_id": meeting}).code == "already_recording"
    assert ann.post(f"{path}/pause").data["status"] == "paused"
    assert ann.post(f"{path}/resume").data["status"] == "recording"
    assert ann.delete(path).error == "still_recording: recording_id"
    assert ann.get(f"{path}/file").code == "not_found"
    stopped = ann.post(f"{path}/stop").data
    assert (stopped["status"], stopped["stop_reason"]) == ("processing", "asked")
    assert stopped["stopped_at"] >= stopped["started_at"]
    for verb in ("stop", "pause", "resume"):
        answer = ann.post(f"{path}/{verb}")
        assert (answer.status, answer.code) == (409, "not_recording")
    assert ann.get(f"/meetings/{meeting}").data["recording"] is False
    assert audited(api, recording) == {"recording.start", "recording.stop"}


def test_its_film_is_made_meanwhile_when_asked(api: ApiServer) -> None:
    ann = api.user("rec_live")
    asked = ann.post("/recordings", {"meeting_id": rec.running_meeting(ann), "live": True}).data["id"]
    order = job_of(api, RECORDING_AHEAD.name, asked)
    assert order is not None and order.state == "waiting"
    for live in (False, None):
        other = ann.post("/recordings", {"meeting_id": rec.running_meeting(ann), "live": live}).data["id"]
        assert job_of(api, RECORDING_AHEAD.name, other) is None
    assert ann.post("/recordings", {"meeting_id": "mtg_x", "live": "yes"}).error == "invalid_field: live"
    in_server(api, recordings.set_made, asked, Progress(share=0.75, stage="live", time_left_s=None))
    shown = ann.get(f"/recordings/{asked}").data
    assert (shown["status"], shown["progress"]) == ("recording", {"share": 0.75, "stage": "live", "time_left_s": None})
    stopped = ann.post(f"/recordings/{asked}/stop").data
    assert (stopped["status"], stopped["progress"]) == ("processing", None)
    assert not in_server(api, recordings.set_made, asked, Progress(share=0.8, stage="live", time_left_s=None))


def test_the_older_names_work(api: ApiServer) -> None:
    ann = api.user("rec_old")
    meeting = rec.running_meeting(ann)
    recording = ann.post("/recordings/start", {"meeting_id": meeting}).data["id"]
    assert ann.post("/recordings/stop", {"recording_id": recording}).data["status"] == "processing"
    assert ann.post("/recordings/stop", {"recording_id": "rec_none"}).status == 404


def test_what_cannot_be_recorded_is_said(api: ApiServer) -> None:
    ann = api.user("rec_no")
    planned = ann.post("/meetings").data
    assert ann.post("/recordings", {"meeting_id": planned["id"]}).code == "not_running"
    assert ann.post("/recordings", {"meeting_id": "mtg_none"}).error == "not_found: meeting_id"
    assert ann.post("/recordings", {"meeting_id": planned["code"], "layout": "round"}).error == "invalid_field: layout"
    assert ann.post("/recordings", {}).error == "invalid_field: meeting_id"
    meeting = rec.running_meeting(ann)
    api.recorder.disk_full = True
    try:
        answer = ann.post("/recordings", {"meeting_id": meeting})
    finally:
        api.recorder.disk_full = False
    assert (answer.status, answer.code) == (507, "disk_full")
    ann.post(f"/meetings/{meeting}/end")
    assert ann.post("/recordings", {"meeting_id": meeting}).code == "not_running"


@pytest.fixture(scope="module")
def admin(api: ApiServer) -> Account:
    return api.admin()


# What each may do: see; start, stop, pause; share, delete, process. Who downloads, `test_recording_files` shows.
MAY = {
    "planner": {"see", "control", "manage"},
    "cohost": {"see", "control"},
    "starter": {"see", "manage"},
    "present": {"see"},
    "late": set(),
    "invited": set(),
    "removed": set(),
    "stranger": set(),
    "admin": {"see", "control", "manage"},
}


@pytest.mark.parametrize("access", ["hosts", "participants"])
def test_who_may_do_what(api: ApiServer, admin: Account, access: str) -> None:
    who = {name: api.user(f"{name}_{access}") for name in MAY if name != "admin"} | {"admin": admin}
    planner = who["planner"]
    meeting = rec.running_meeting(planner, recording_access=access)
    rec.give_role(api, meeting, who["starter"], "cohost")
    recording = rec.processing(who["starter"], meeting)
    rec.give_role(api, meeting, who["starter"], "participant")
    rec.give_role(api, meeting, who["cohost"], "cohost")
    planner.post(f"/meetings/{meeting}/invite", {"user_ids": [who["invited"].id]})
    ended = rec.row(api, recording).stopped_at_ms
    assert ended is not None
    add_join(api, f"p_{access}", meeting, user_id=who["present"].id, joined_at_ms=1000)
    add_join(api, f"l_{access}", meeting, user_id=who["late"].id, joined_at_ms=ended + 1)
    add_join(api, f"r_{access}", meeting, user_id=who["removed"].id, joined_at_ms=1000)
    rec.remove(api, meeting, who["removed"])
    in_server(api, recordings.fail, recording, error="broken", now_ms=1)
    path = f"/recordings/{recording}"
    for name, account in who.items():
        may = MAY[name] if access == "participants" or name != "present" else set()
        shown = account.get(path)
        assert shown.status == (200 if "see" in may else 403), name
        listed = [item["id"] for item in account.get(f"/recordings?meeting_id={meeting}").data["items"]]
        assert listed == ([recording] if "see" in may else []), name
        for file in ("file", "thumbnail", "captions.vtt", "captions.srt", "tracks/trk_mic"):
            assert account.get(f"{path}/{file}").status == (404 if "see" in may else 403), (name, file)  # none yet
        if "see" in may:
            manages = "manage" in may
            assert shown.data["permissions"] == {
                "download": True,
                "share": manages,
                "delete": manages,
                "process": manages,
            }
        started = account.post("/recordings", {"meeting_id": meeting})
        assert started.status == (200 if "control" in may else 403), name
        mine = started.data["id"] if started.status == 200 else recording
        for verb in ("pause", "resume", "stop"):
            assert account.post(f"/recordings/{mine}/{verb}").status == (200 if "control" in may else 403), name
        assert account.post(f"{path}/share", {"expires_in_s": 60}).status == (200 if "manage" in may else 403), name
        assert account.delete(f"{path}/share").status == (200 if "manage" in may else 403), name
        assert account.post(f"{path}/process").status == (200 if "manage" in may else 403), name
        assert account.post(f"{path}/cancel").status == (200 if "manage" in may else 403), name
        if started.status == 200:
            assert account.delete(f"/recordings/{mine}").status == 200, name
        if "manage" not in may:
            assert account.delete(path).status == 403, name
    assert who["starter"].delete(path).status == 200
    for account in who.values():
        assert account.get(path).status == 404
    for method, url, body in (
        ("GET", path, None),
        ("GET", f"{path}/file", None),
        ("POST", "/recordings", {"meeting_id": meeting}),
        ("DELETE", path, {}),
    ):
        assert api.request(method, url, body).code == "sign_in_required"


def test_lists_are_paged_newest_first(api: ApiServer, admin: Account) -> None:
    ann = api.user("rec_pages")
    meetings = [rec.running_meeting(ann) for _ in range(3)]
    made = [rec.processing(ann, meeting) for meeting in (*meetings, meetings[0])]
    code = ann.get(f"/meetings/{meetings[0]}").data["code"]
    seen: list[str] = []
    cursor = ""
    while True:
        page = ann.get(f"/recordings?limit=3{cursor}").data
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert sorted(seen) == sorted(made)
    started = [ann.get(f"/recordings/{ident}").data["started_at"] for ident in seen]
    assert started == sorted(started, reverse=True)
    for name in (meetings[0], code, code.upper()):
        items = ann.get(f"/recordings?meeting_id={name}").data["items"]
        assert {item["id"] for item in items} == {made[0], made[3]}
    assert ann.get("/recordings?meeting_id=abc-defg-hjk").data["items"] == []
    assert ann.get("/recordings?meeting_id=mtg_none").data["items"] == []
    assert ann.get("/recordings?limit=0").error == "invalid_field: limit"
    assert ann.get("/recordings?cursor=x").error == "invalid_field: cursor"
    assert {item["id"] for item in admin.get("/recordings?limit=200").data["items"]} >= set(made)
    # those of a meeting that was taken off the lists stay its host's
    ann.delete(f"/meetings/{meetings[1]}")
    assert ann.get(f"/recordings/{made[1]}").status == 200


def test_processing_is_cancelled_and_begun_anew(api: ApiServer) -> None:
    ann = api.user("rec_anew")
    recording = rec.processing(ann, rec.running_meeting(ann))
    path = f"/recordings/{recording}"
    assert ann.post(f"{path}/process").error == "wrong_state: recording_id"
    cancelled = ann.post(f"{path}/cancel").data
    assert (cancelled["status"], cancelled["permissions"]["process"]) == ("cancelled", True)
    first = job_of(api, RECORDING_PROCESS.name, process_key(recording, 1))
    assert first is not None and first.state == "cancelled"
    assert ann.post(f"{path}/cancel").error == "wrong_state: recording_id"
    assert ann.post(f"{path}/process", {"height": 100}).error == "invalid_field: height"
    again = ann.post(f"{path}/process", {"layout": "grid", "height": 480, "format": "webm"}).data
    assert (again["status"], again["layout"]) == ("processing", "grid")
    second = job_of(api, RECORDING_PROCESS.name, process_key(recording, 2))
    assert second is not None and second.state == "waiting"
    assert second.payload == f'{{"recording_id":"{recording}","run":2,"height":480,"format":"webm"}}'
    in_server(api, recordings.fail, recording, error="disk full", now_ms=1)
    failed = ann.get(path).data
    assert (failed["status"], failed["error"], failed["permissions"]["process"]) == ("failed", "disk full", True)
    in_server(api, recording_runs.set_journals_gone, recording)
    assert ann.get(path).data["permissions"]["process"] is False
    assert ann.post(f"{path}/process").error == "wrong_state: recording_id"
    assert audited(api, recording) >= {"recording.cancel", "recording.process"}


def test_a_deleted_one_is_gone_at_once_and_its_files_are_ordered_to_go(api: ApiServer) -> None:
    ann = api.user("rec_gone")
    meeting = rec.running_meeting(ann)
    recording, done = rec.processing(ann, meeting), rec.ready(api, ann, meeting)
    in_server(api, recording_runs.set_journals_gone, done)
    link = ann.post(f"/recordings/{done}/share", {"expires_in_s": 600}).data["token"]
    for ident in (recording, done):
        assert ann.delete(f"/recordings/{ident}").status == 200
        assert ann.delete(f"/recordings/{ident}").error == "not_found: recording_id"
        for tail in ("", "/file", "/tracks/trk_mic"):
            assert ann.get(f"/recordings/{ident}{tail}").status == 404
        assert ann.post(f"/recordings/{ident}/process").status == 404
        order = job_of(api, RECORDING_REMOVE.name, ident)
        assert order is not None and order.state == "waiting"
        assert "recording.delete" in audited(api, ident)
    job = job_of(api, RECORDING_PROCESS.name, process_key(recording, 1))
    assert job is not None and job.state == "cancelled"
    assert api.request("GET", f"/shared/{link}").status == 404
    assert ann.get(f"/recordings?meeting_id={meeting}").data["items"] == []


@pytest.mark.parametrize(
    "name",
    [
        *("rec_none", "..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "rec%00x", "rec_a%0d%0aX", "%ff%fe", "a" * 3000),
        *("rec_'--", "*", "%ed%a0%80"),
    ],
)
def test_hostile_ids_lead_nowhere(api: ApiServer, name: str) -> None:
    login = {"login": "rec_ann", "password": "correct horse battery staple"}
    token = api.request("POST", "/auth/login", login).data["access_token"]
    for path in (
        f"/recordings/{name}",
        f"/recordings/{name}/file",
        f"/recordings/{name}/tracks/{name}",
        f"/recordings/{name}/captions.srt",
        f"/shared/{name}",
        f"/shared/{name}/file",
    ):
        answer = api.request("GET", path, token=token)
        assert answer.status in (400, 404) and answer.json["message"], path
    assert api.request("DELETE", f"/recordings/{name}", token=token).status in (400, 404)
