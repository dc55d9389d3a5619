"""Who sees a file follows who is in the meeting; the rest of the rules is test_media_files'."""

from __future__ import annotations

import pytest

from tests.support.api_server import ApiServer

HEADERS = {"Content-Type": "text/plain"}


@pytest.mark.slow
def test_who_is_removed_from_a_meeting_sees_its_files_no_longer(api: ApiServer) -> None:
    ann, bob = api.user("ann"), api.user("bob")
    meeting = ann.post("/meetings", {"title": "Weekly"}).data
    sent = ann.call("POST", f"/media/upload?meeting_id={meeting['id']}", raw=b"notes", headers=HEADERS).data
    assert bob.get(f"/media/{sent['id']}").status == 404
    assert bob.post(f"/meetings/{meeting['id']}/join", {}).status == 200
    ann.put(f"/meetings/{meeting['id']}", {"title": "Weekly"})
    invited = ann.post(f"/meetings/{meeting['id']}/invite", {"user_ids": [bob.id]})
    assert invited.status == 200
    assert bob.get(f"/media/{sent['id']}").body == b"notes"
    assert bob.get(f"/media?meeting_id={meeting['code']}").status == 200
    kicked = ann.post(f"/meetings/{meeting['id']}/participants/{bob.id}/kick")
    assert kicked.status == 200, kicked.body
    assert bob.get(f"/media/{sent['id']}").status == 404
    assert bob.get(f"/media?meeting_id={meeting['code']}").code == "forbidden"
    refused = bob.call("POST", f"/media/upload?meeting_id={meeting['id']}", raw=b"notes", headers=HEADERS)
    assert refused.code == "forbidden"
