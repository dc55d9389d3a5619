"""Chat history over HTTP."""

from __future__ import annotations

from tests.support.api_server import ApiServer
from tests.support.meeting_rows import say


def test_history_is_read_on_from_a_number(api: ApiServer) -> None:
    ann, bob = api.user("ann"), api.user("bob")
    meeting = ann.post("/meetings").data["id"]
    for text in ("one", "<b>two</b>", "三"):
        say(api, meeting, text)
    path = f"/meetings/{meeting}/messages"
    page = ann.get(f"{path}?limit=2").data
    assert [(line["chat_seq"], line["text"]) for line in page["items"]] == [(1, "one"), (2, "<b>two</b>")]
    assert page["items"][0]["sent_at_ms"] == 1_000 and page["items"][0]["name"] == "Ann"
    assert page["next_cursor"] == "2"
    rest = ann.get(f"{path}?after_seq={page['next_cursor']}").data
    assert [line["text"] for line in rest["items"]] == ["三"] and rest["next_cursor"] is None
    assert ann.get(f"{path}?after_seq=-1").error == "invalid_field: after_seq"
    assert ann.get(f"{path}?after_seq=99999999999999999999").error == "invalid_field: after_seq"
    assert bob.get(path).code == "forbidden"
