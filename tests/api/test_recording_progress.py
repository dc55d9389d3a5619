"""Recordings as they change: each caller hears of what that one may see, in a stream that ends."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance.api import recording_progress
from appliance.store import recording_runs, recordings
from appliance.store.recordings import Progress
from tests.support import recording_rows as rec
from tests.support.api_server import Account, ApiServer, serving, settings_for
from tests.support.meeting_rows import in_server


class Followed:
    """An open stream."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self._answer = answer
        assert self.block() == {"retry": "3000"}

    def block(self) -> dict[str, str] | None:
        """Fields of the next block; a comment has the empty name. None at the end."""
        fields: dict[str, str] = {}
        while line := self._answer.readline():
            if line == b"\n":
                return fields
            name, _, value = line.decode().rstrip("\n").partition(":")
            fields[name] = value.strip()
        return None

    def event(self) -> tuple[str, Any]:
        """Type and data of the next event."""
        while (block := self.block()) is not None:
            if "data" in block:
                return block["event"], json.loads(block["data"])
        raise AssertionError("the stream ended")


@contextmanager
def following(account: Account) -> Iterator[Followed]:
    server = account.server
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    try:
        connection.request("GET", "/api/v1/recordings/progress", headers={"Authorization": f"Bearer {account.token}"})
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
        assert answer.headers["Cache-Control"] == "no-store"
        yield Followed(answer)
    finally:
        connection.close()


def watching(server: ApiServer, count: int) -> None:
    """Wait until so many follow."""
    deadline = time.monotonic() + 20
    while server.services.recording_changes.watching() != count:
        assert time.monotonic() < deadline, server.services.recording_changes.statistics()
        time.sleep(0.01)


def test_a_recording_is_followed_from_its_start_to_its_end(api: ApiServer) -> None:
    ann, eve = api.user("pro_ann"), api.user("pro_eve")
    meeting, other = rec.running_meeting(ann), rec.running_meeting(eve)
    with following(ann) as stream, following(eve) as strange:
        recording = ann.post("/recordings", {"meeting_id": meeting}).data["id"]
        kind, view = stream.event()
        assert (kind, view["id"], view["status"]) == ("recording", recording, "recording")
        assert view["permissions"] == ann.get(f"/recordings/{recording}").data["permissions"]
        for verb, status in (("pause", "paused"), ("resume", "recording"), ("stop", "processing")):
            ann.post(f"/recordings/{recording}/{verb}")
            assert stream.event()[1]["status"] == status
        progress = Progress(share=0.5, stage="video", time_left_s=3.0)
        in_server(api, recording_runs.set_progress, recording, 1, progress)
        rec.run_in(api, _tell, api, recording)
        assert stream.event()[1]["progress"] == {"share": 0.5, "stage": "video", "time_left_s": 3.0}
        ann.post(f"/recordings/{recording}/cancel")
        assert stream.event()[1]["status"] == "cancelled"
        ann.post(f"/recordings/{recording}/process")
        assert stream.event()[1]["status"] == "processing"
        assert api.ledger.recordings[-2:] == [(recording, "cancelled"), (recording, "processing")]  # the room, too
        ann.delete(f"/recordings/{recording}")
        assert stream.event() == ("removed", {"id": recording})
        # who may not see it heard nothing of all that
        theirs = eve.post("/recordings", {"meeting_id": other}).data["id"]
        assert strange.event()[1]["id"] == theirs
    watching(api, 0)


def test_one_whose_row_went_before_anybody_looked_is_removed_too(api: ApiServer) -> None:
    ann = api.user("pro_quick")
    recording = ann.post("/recordings", {"meeting_id": rec.running_meeting(ann)}).data["id"]
    ann.post(f"/recordings/{recording}/stop")
    ann.delete(f"/recordings/{recording}")
    assert in_server(api, recordings.purge, recording)
    with following(ann) as stream:
        rec.run_in(api, _tell, api, recording)
        assert stream.event() == ("removed", {"id": recording})


async def _tell(api: ApiServer, recording: str) -> None:
    api.services.recording_changes.tell(recording)


def test_it_is_for_people_with_an_account_and_bounded(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert api.request("GET", "/recordings/progress").code == "sign_in_required"
    bob = api.user("pro_bob")
    head = bob.call("HEAD", "/recordings/progress")
    assert (head.status, head.body) == (200, b"")
    monkeypatch.setattr(recording_progress, "STREAMS_OF_ONE", 2)
    with following(bob), following(bob):
        watching(api, 2)
        refused = bob.get("/recordings/progress")
        assert (refused.status, refused.code) == (429, "too_many_streams")
        monkeypatch.setattr(recording_progress, "STREAMS_MOST", 2)
        refused = api.user("pro_cas").get("/recordings/progress")
        assert (refused.status, refused.headers["Retry-After"]) == (503, "60")
    watching(api, 0)


def test_a_stream_beats_and_ends_after_a_while(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_progress, "_BEAT_S", 0.05)
    monkeypatch.setattr(recording_progress, "_LIFE_S", 0.5)
    with following(api.user("pro_dan")) as stream:
        beats = 0
        while (block := stream.block()) is not None:
            assert block == {"": ""}
            beats += 1
        assert beats >= 3
    watching(api, 0)


def test_streams_end_when_the_server_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_progress, "_BEAT_S", 3600.0)
    monkeypatch.setattr(recording_progress, "_LIFE_S", 3600.0)  # nothing else ends them
    with serving(settings_for(tmp_path)) as server, following(server.user("ann")) as stream:
        watching(server, 1)
        rec.run_in(server, _close, server)
        assert list(iter(stream.block, None)) == [{"": ""}]  # a last beat
        with following(server.user("bob")) as late:
            assert late.block() is None


async def _close(server: ApiServer) -> None:
    server.services.recording_changes.close()
