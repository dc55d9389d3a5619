"""The catalogue is whole: every event of the specification, each with a name and a topic of its own."""

from __future__ import annotations

from typing import get_args

import pytest

from appliance.events.catalogue import (
    TOPICS,
    AnyEvent,
    Event,
    MeetingStarted,
    MeetingUserJoined,
    Topic,
    UserRegistered,
)

# The topics and events that users and plugins were promised.
PROMISED = {
    "meeting_events": {"created", "started", "ended", "user_joined", "user_left"},
    "user_events": {"registered", "logged_in", "status_changed"},
    "media_events": {"recording.started", "recording.stopped", "recording.processed"},
    "ai_events": {
        "speech_recognition.completed", "emotion_detection.completed", "deepfake_detection.completed",
    },
    "signaling_events": {"webrtc.connection_established", "webrtc.connection_closed"},
}  # fmt: skip
PREFIX = {"meeting_events": "meeting.", "user_events": "user."}

EVENTS: tuple[type[Event], ...] = get_args(AnyEvent)


def names(topic: str) -> set[str]:
    return {str(event.__struct_config__.tag) for event in EVENTS if event.topic == topic}


@pytest.mark.parametrize("topic", PROMISED)
def test_every_promised_event_exists(topic: str) -> None:
    assert {PREFIX.get(topic, "") + name for name in PROMISED[topic]} <= names(topic)


def test_names_are_unique_and_topics_known() -> None:
    tags = [event.__struct_config__.tag for event in EVENTS]
    assert all(isinstance(tag, str) for tag in tags) and len(set(tags)) == len(tags)
    assert {event.topic for event in EVENTS} == set(TOPICS) == set(get_args(Topic))
    assert all(event.__doc__ for event in EVENTS)


def test_order_is_the_meetings_then_the_accounts() -> None:
    joined = MeetingUserJoined(meeting_id="mtg_a", participant_id="prt_a", name="Ana", user_id="usr_a")
    assert joined.order == MeetingStarted(meeting_id="mtg_a", title="x").order == "mtg_a"
    assert UserRegistered(user_id="usr_a", username="ana").order == "usr_a"
    assert joined.event_type == "meeting.user_joined"
