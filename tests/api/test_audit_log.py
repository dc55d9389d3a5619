"""Administrators look at the audit log, take it along, and see whether it was tampered with."""

from __future__ import annotations

import json
from typing import Any

from appliance.store.database import Conn
from tests.support.api_server import ApiServer
from tests.support.meeting_rows import in_server


def test_nobody_else_may(api: ApiServer) -> None:
    ann = api.user("audit_ann")
    for path in ("/admin/audit", "/admin/audit/export", "/admin/audit/verify"):
        assert (api.request("GET", path).status, ann.get(path).code) == (401, "forbidden")


def test_every_row_is_sealed_and_told_and_what_is_altered_shows(api: ApiServer) -> None:
    root, ben = api.admin(), api.user("audit_ben")
    root.post(f"/admin/users/{ben.id}/ban", {"reason": "spam"})
    intact = root.get("/admin/audit/verify").data
    assert intact["intact"] and intact["rows"] >= 3 and intact["broken_at"] is None

    lines = [json.loads(line) for line in root.get("/admin/audit/export").body.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, intact["rows"] + 1))
    assert lines[-1]["seal"] == intact["seal"]
    banned = next(line for line in lines if line["entry"]["action"] == "admin.user.ban")
    assert (banned["entry"]["target"], banned["entry"]["detail"]) == (ben.id, "spam")
    later = root.get(f"/admin/audit/export?after={banned['seq'] - 1}&limit=1").body
    assert [json.loads(line)["seq"] for line in later.splitlines()] == [banned["seq"]]

    async def told(conn: Conn) -> Any:
        sql = "SELECT envelope FROM events WHERE id = $1"
        return json.loads(await conn.fetchval(sql, f"evt_{banned['entry']['id']}"))

    event = in_server(api, told)
    assert (event["topic"], event["event"]["type"]) == ("audit_events", "audit.recorded")
    assert (event["event"]["action"], event["event"]["target"]) == ("admin.user.ban", ben.id)

    async def tamper(conn: Conn, detail: str) -> None:
        await conn.execute("UPDATE audit SET detail = $1 WHERE seq = $2", detail, banned["seq"])

    in_server(api, tamper, "nothing")
    broken = root.get("/admin/audit/verify").data
    assert (broken["intact"], broken["broken_at"]) == (False, banned["seq"])
    in_server(api, tamper, "spam")
    assert root.get("/admin/audit/verify").data["intact"]
