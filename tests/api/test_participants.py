"""Who was and is in a meeting, for those who belong to it."""

from __future__ import annotations

from tests.support.api_server import ApiServer
from tests.support.meeting_rows import add_join


def test_joins_are_listed_in_order_and_pages(api: ApiServer) -> None:
    ann, bob = api.user("ann"), api.user("bob")
    meeting = ann.post("/meetings").data["id"]
    add_join(api, "par_1", meeting, user_id=ann.id, role="host", joined_at_ms=1_000, left_at_ms=2_000, name="Ann")
    add_join(api, "par_2", meeting, guest_id="gst_x", joined_at_ms=1_500, name="Gast")
    add_join(api, "par_3", meeting, user_id=ann.id, role="host", joined_at_ms=3_000, name="Ann")
    path = f"/meetings/{meeting}/participants"
    first = ann.get(f"{path}?limit=2").data
    assert first["items"] == [
        {
            "participant_id": "par_1",
            "user_id": ann.id,
            "guest": False,
            "name": "Ann",
            "role": "host",
            "joined_at": "1970-01-01T00:00:01.000Z",
            "left_at": "1970-01-01T00:00:02.000Z",
        },
        {
            "participant_id": "par_2",
            "user_id": None,
            "guest": True,
            "name": "Gast",
            "role": "participant",
            "joined_at": "1970-01-01T00:00:01.500Z",
            "left_at": None,
        },
    ]
    rest = ann.get(f"{path}?limit=2&cursor={first['next_cursor']}").data
    assert [item["participant_id"] for item in rest["items"]] == ["par_3"] and rest["next_cursor"] is None
    assert [item["participant_id"] for item in ann.get(f"{path}?active=true").data["items"]] == ["par_2", "par_3"]
    assert [item["participant_id"] for item in ann.get(f"{path}?active=false").data["items"]] == ["par_1"]
    assert bob.get(path).code == "forbidden"
    add_join(api, "par_4", meeting, user_id=bob.id, joined_at_ms=4_000)
    assert len(bob.get(path).data["items"]) == 4
    assert api.request("GET", path).code == "sign_in_required"
    assert ann.get("/meetings/mtg_none/participants").status == 404
    assert len(api.admin().get(path).data["items"]) == 4
