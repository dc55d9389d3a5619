"""Shapes become messages with nothing lost and nothing told that is secret."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from appliance.live.wire import chat_message, history_message, participant_message, room_message
from appliance.meeting.meeting import Meeting
from appliance.meeting.participant import Participant, Track
from appliance.signaling.messages import CaptionsState
from appliance.store.messages import StoredMessage

CAPTIONS = CaptionsState(
    on=True, available=True, reason=None, language="en", languages=["en"], transcript=True, report_at=None,
    voices=False, since_ms=4, by_name="Ann",
)
GUEST = Participant("prt_1", "gst_secret", None, "Gus", None, "participant", 5, 7, True, (Track("t", "screen", True),))


def stored(number: int) -> StoredMessage:
    return StoredMessage(
        id=f"msg_{number}", meeting_id="mtg_1", chat_seq=number, participant_id="prt_1", user_id=None, name="Gus",
        text="hi", sent_at_ms=9,
    )  # fmt: skip


def test_a_participant_is_told_whole_but_for_a_guests_id() -> None:
    built = msgspec.to_builtins(participant_message(GUEST))
    assert built == {
        "participant_id": "prt_1", "user_id": None, "name": "Gus", "avatar_url": None, "role": "participant",
        "joined_at_ms": 5, "hand_raised_at_ms": 7, "reconnecting": True,
        "tracks": [{"track_id": "t", "source": "screen", "kind": "video", "muted": True}],
    }  # fmt: skip
    assert "gst_secret" not in str(built)


def test_a_room_lists_everybody_in_the_order_of_joining() -> None:
    meeting = Meeting(meeting_id="mtg_1", code="c", title="t", locked=False, started_at_ms=3)
    meeting.join(replace(GUEST, participant_id="prt_9"), max_participants=9)
    meeting.join(GUEST, max_participants=9)
    state = room_message(meeting, max_participants=9, recording=None, captions=CAPTIONS)
    assert [p.participant_id for p in state.participants] == ["prt_9", "prt_1"]
    assert state.captions == CAPTIONS
    assert (state.locked, state.max_participants, state.started_at_ms, state.recording) == (False, 9, 3, None)


def test_history_says_whether_there_is_more() -> None:
    page = history_message([stored(n) for n in range(1, 4)], limit=2, ref="r")
    assert ([m.chat_seq for m in page.messages], page.more, page.ref) == ([1, 2], True, "r")
    assert history_message([stored(1)], limit=2, ref=None).more is False
    assert chat_message(stored(4)).message_id == "msg_4"
