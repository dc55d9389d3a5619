"""Reports over HTTP: who sees what of one, how far it is, the file, and its end."""

from __future__ import annotations

from appliance.jobs.report_orders import MEETING_REPORT, report_key
from appliance.reports.extractive import extractive
from appliance.reports.records import encode
from appliance.store import jobs, participants, reports, transcripts
from appliance.store.database import Conn
from tests.support.api_server import ApiServer
from tests.support.meeting_rows import add_join, in_server, transcribe

T0 = 1_764_000_000_000  # 2025-11-24T16:00:00Z


async def _make(conn: Conn, meeting_id: str) -> None:
    """As the job does."""
    segments = await transcripts.page(conn, meeting_id, present_id=None, after=None, limit=99)
    joins = await participants.page(conn, meeting_id, active=None, after=None, limit=99)
    stored = await reports.find(conn, meeting_id)
    assert stored is not None
    await reports.keep(conn, meeting_id, stored.run, encode(extractive(segments, joins)), T0)


async def _end_job(conn: Conn, meeting_id: str, run: int, state: str) -> None:
    sql = "UPDATE jobs SET state = $3 WHERE type = $1 AND idempotency_key = $2"
    assert await conn.execute(sql, MEETING_REPORT.name, report_key(meeting_id, run), state) == 1


def spoken(api: ApiServer, meeting: str) -> list[str]:
    """A minute each; the ids."""
    lines = [
        ("Ann", "The library gets wide stairs and windows to the north."),
        ("Bob", "Then we decided to take the smaller windows of the library."),
        ("Ann", "I'll send the list of the windows to the library by Friday."),
    ]
    return [transcribe(api, meeting, name, text, start_ms=T0 + n * 60_000) for n, (name, text) in enumerate(lines)]


def test_a_host_has_one_made_and_reads_it(api: ApiServer) -> None:
    ann = api.user("rp_ann")
    created = ann.post("/meetings", {"title": "Stairs *and* windows"}).data
    meeting, path = created["id"], f"/meetings/{created['id']}/report"
    assert ann.post(path).code == "no_transcript"
    nothing = ann.get(path).data
    assert (nothing["status"], nothing["may_make"], nothing["report"]) == ("none", False, None)
    ids = spoken(api, meeting)
    assert ann.get(path).data["may_make"] is True
    assert ann.get(f"{path}?format=md").code == "not_ready"

    asked = ann.post(path).data
    assert asked["status"] == "making" and asked["report"] is None
    assert ann.post(path).data["status"] == "making"
    stored = in_server(api, reports.find, meeting)
    assert stored.run == 1  # asked for twice, made once
    in_server(api, _end_job, meeting, 1, "dead")
    assert ann.get(path).data["status"] == "failed"
    assert ann.post(path).data["status"] == "making"

    in_server(api, _make, meeting)
    found = ann.get(path).data
    assert {name: found[name] for name in found if name != "report"} == {
        "meeting_id": meeting, "meeting_code": created["code"], "meeting_title": "Stairs *and* windows",
        "status": "ready", "may_make": True, "is_partial": False, "made_at": "2025-11-24T16:00:00.000Z",
        "emotions": [], "alerts": [],
    }  # fmt: skip
    report = found["report"]
    assert report["method"] == "extractive" and report["phrases"] == 3
    assert report["decisions"] == [
        {
            "text": "",
            "sources": [
                {
                    "segment_id": ids[1], "participant_id": "prt_Bob", "name": "Bob",
                    "time": "2025-11-24T16:01:00.000Z", "language": "en",
                    "text": "Then we decided to take the smaller windows of the library.",
                }
            ],
        }
    ]  # fmt: skip
    (action,) = report["actions"]
    assert (action["owner"], action["due"], action["sources"][0]["segment_id"]) == ("Ann", "by Friday", ids[2])
    spoke = [(one["name"], one["talk_ms"], one["turns"]) for one in report["speakers"]]
    assert spoke == [("Ann", 4000, 2), ("Bob", 2000, 1)]

    file = ann.get(f"{path}?format=md")
    assert file.headers["Content-Type"] == "text/markdown; charset=utf-8"
    assert file.headers["Content-Disposition"].startswith("attachment;")
    assert file.body.decode().startswith("# Stairs \\*and\\* windows\n\n2025-11-24")
    again = ann.post(path).data
    assert again["status"] == "making" and again["report"] == report  # the one before, meanwhile
    assert ann.get(f"{path}?format=pdf").error == "invalid_field: format"


def test_who_may_not_see_the_transcript_sees_no_report(api: ApiServer) -> None:
    ann, bob = api.user("rq_ann"), api.user("rq_bob")
    meeting = ann.post("/meetings").data["id"]
    path = f"/meetings/{meeting}/report"
    spoken(api, meeting)
    for method in ("GET", "POST"):
        assert bob.call(method, path, {} if method == "POST" else None).code == "forbidden"
        assert api.request(method, path, {} if method == "POST" else None).code == "sign_in_required"
    assert ann.get("/meetings/mtg_none/report").code == "not_found"
    in_server(api, participants.set_member_role, meeting, bob.id, "cohost")
    assert bob.post(path).data["status"] == "making"
    in_server(api, participants.set_kicked, meeting, bob.id, 9)
    assert bob.get(path).code == "forbidden" and bob.post(path).code == "forbidden"


def test_participants_see_of_it_what_was_said_while_they_were_there(api: ApiServer) -> None:
    ann, bob = api.user("rr_ann"), api.user("rr_bob")
    meeting = ann.post("/meetings", {"recording_access": "participants"}).data["id"]
    path = f"/meetings/{meeting}/report"
    spoken(api, meeting)
    add_join(api, f"rr{meeting}", meeting, user_id=bob.id, joined_at_ms=T0 + 30_000, left_at_ms=T0 + 90_000)
    ann.post(path)
    in_server(api, _make, meeting)
    assert ann.get(path).data["is_partial"] is False
    view = bob.get(path).data
    assert view["is_partial"] is True and view["may_make"] is False
    report = view["report"]
    assert [point["sources"][0]["name"] for point in report["summary"]] == ["Bob"]
    assert len(report["decisions"]) == 1 and report["actions"] == []
    assert [(one["name"], one["share"]) for one in report["speakers"]] == [("Bob", 1.0)] and report["phrases"] == 1
    file = bob.get(f"{path}?format=md").body.decode()
    assert "while you were there" in file and "by Friday" not in file
    assert bob.post(path).code == "forbidden"


def test_it_goes_with_the_transcript_and_the_meeting(api: ApiServer) -> None:
    ann = api.user("rs_ann")
    for end in ("/transcript", ""):
        meeting = ann.post("/meetings").data["id"]
        spoken(api, meeting)
        ann.post(f"/meetings/{meeting}/report")
        in_server(api, _make, meeting)
        ann.delete(f"/meetings/{meeting}{end}")
        assert in_server(api, reports.find, meeting) is None
    assert in_server(api, jobs.by_key, MEETING_REPORT.name, report_key(meeting, 1)) is not None  # finds nothing to do
