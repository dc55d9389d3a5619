"""Administrators see which servers there are, and nobody else does."""

from __future__ import annotations

from appliance.store import meetings, nodes
from appliance.store.database import Conn
from tests.support import recording_rows as rec
from tests.support.api_server import ApiServer
from tests.support.meeting_rows import add_join, in_server


def test_servers_of_this_database(api: ApiServer) -> None:
    root = api.admin()
    assert root.get("/admin/nodes").data == {"items": [], "next_cursor": None}  # these tests enter none
    in_server(api, nodes.enter, "node_there", "attic", 2_000, "0.2.0")
    in_server(api, nodes.enter, "node_here", "cellar", 1_000, "0.1.0")
    in_server(api, nodes.beat, "node_there", 12_000)
    meeting = rec.running_meeting(root)

    async def hold(conn: Conn) -> None:
        assert await meetings.hold(conn, meeting, "node_there")

    in_server(api, hold)
    add_join(api, "nod_p", meeting, node="node_there")
    add_join(api, "nod_q", meeting, node="node_there", left_at_ms=9)
    here, there = root.get("/admin/nodes").data["items"]
    seen_at = here.pop("last_seen_at")
    assert here == {
        "id": "node_here",
        "name": "cellar",
        "version": "0.1.0",
        "this_server": True,
        "started_at": "1970-01-01T00:00:01.000Z",
        "meetings": 0,
        "participants": 0,
    }
    assert seen_at > "2020"  # it answers
    assert there == {
        "id": "node_there",
        "name": "attic",
        "version": "0.2.0",
        "this_server": False,
        "started_at": "1970-01-01T00:00:02.000Z",
        "last_seen_at": "1970-01-01T00:00:12.000Z",
        "meetings": 1,
        "participants": 1,
    }
    assert api.user("nod_ann").get("/admin/nodes").code == "forbidden"
    assert api.request("GET", "/admin/nodes").code == "sign_in_required"
