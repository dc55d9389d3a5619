"""What is encoded is read back the same; what is no envelope is refused with the field that is wrong."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from appliance.events.catalogue import MeetingUserJoined, RecordingProcessed, UserLoggedIn
from appliance.events.envelope import UnknownEventError, decode, encode, envelop

JOINED = MeetingUserJoined(meeting_id="mtg_a", participant_id="prt_a", name="安娜 <b>", user_id=None)


@pytest.mark.parametrize(
    "event",
    [
        JOINED,
        RecordingProcessed(meeting_id="mtg_a", recording_id="rec_a", duration_ms=1, bytes=2**40),
        UserLoggedIn(user_id="usr_a", session_id="ses_a", address="::1", user_agent="x", new_address=True),
    ],
)
def test_envelopes_survive_the_way(event: Any) -> None:
    sent = envelop(event, event_id="evt_1", at_ms=5)
    assert decode(encode(sent)) == sent
    assert (sent.topic, sent.order) == (event.topic, event.order)


def test_the_text_is_as_documented() -> None:
    text = msgspec.json.decode(encode(envelop(JOINED, event_id="evt_1", at_ms=5)))
    assert text == {
        "v": 1,
        "id": "evt_1",
        "topic": "meeting_events",
        "at_ms": 5,
        "event": {
            "type": "meeting.user_joined",
            "meeting_id": "mtg_a",
            "participant_id": "prt_a",
            "name": "安娜 <b>",
            "user_id": None,
        },
    }


def test_fields_of_a_later_version_are_skipped() -> None:
    text = msgspec.json.decode(encode(envelop(JOINED, event_id="evt_1", at_ms=5)))
    text["event"]["colour"] = "red"
    assert decode(msgspec.json.encode(text)).event == JOINED


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"v": 2}, "$.v"),
        ({"event": {"type": "meeting.exploded"}}, "meeting.exploded"),
        ({"event": {"type": "meeting.started", "meeting_id": "m"}}, "title"),
        ({"topic": "user_events"}, "topic"),
        ({"at_ms": "now"}, "$.at_ms"),
    ],
)
def test_what_is_no_envelope_is_refused(change: dict[str, Any], named: str) -> None:
    text = msgspec.json.decode(encode(envelop(JOINED, event_id="evt_1", at_ms=5)))
    with pytest.raises(UnknownEventError, match=named.replace("$", r"\$")):
        decode(msgspec.json.encode({**text, **change}))


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(UnknownEventError):
        decode(b"\xff\xfe{")
