"""Transitions of a running meeting: what happens, what is refused, what happens only once."""

from __future__ import annotations

import random

import pytest

from appliance.errors import UserError
from appliance.meeting.events import (
    HandLowered,
    HandRaised,
    MeetingChanged,
    MeetingEnded,
    ParticipantDisconnected,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantReturned,
    RoleChanged,
    SubjectBanned,
    TrackMuted,
    TracksChanged,
    TrackUnmuted,
)
from appliance.meeting.meeting import SERVER, Actor, Meeting
from appliance.meeting.participant import Participant, Role, Track


def somebody(name: str, role: Role = "participant", *, subject: str | None = None) -> Participant:
    return Participant(f"prt_{name}", subject or f"usr_{name}", f"usr_{name}", name.title(), None, role, 1)


def running(*people: Participant, locked: bool = False) -> Meeting:
    meeting = Meeting(meeting_id="mtg_1", code="abc-defg-hjk", title="Monday", locked=locked, started_at_ms=1)
    for person in people:
        meeting.join(person, max_participants=100)
    return meeting


def refusal(error: pytest.ExceptionInfo[UserError]) -> str:
    return error.value.code


def test_joining_and_leaving() -> None:
    meeting = running()
    ann = somebody("ann", "host")
    assert meeting.join(ann, max_participants=2) == [ParticipantJoined(ann)]
    assert list(meeting.participants) == ["prt_ann"]
    assert meeting.leave("prt_ann", "left") == [ParticipantLeft(ann, "left")]
    assert meeting.leave("prt_ann", "left") == []


def test_a_full_meeting_and_a_locked_one_refuse() -> None:
    meeting = running(somebody("ann", "host"), somebody("bob"))
    with pytest.raises(UserError) as error:
        meeting.join(somebody("cat"), max_participants=2)
    assert refusal(error) == "meeting_full"
    meeting.lock(SERVER, True)
    with pytest.raises(UserError) as error:
        meeting.join(somebody("cat"), max_participants=9)
    assert refusal(error) == "meeting_locked"
    meeting.leave("prt_bob", "lost")
    meeting.join(somebody("bob"), max_participants=9)
    meeting.join(somebody("dan", "cohost"), max_participants=9)


def test_a_lost_socket_is_told_once_and_a_return_too() -> None:
    meeting = running(somebody("ann"))
    assert [type(e) for e in meeting.disconnect("prt_ann")] == [ParticipantDisconnected]
    assert meeting.disconnect("prt_ann") == []
    assert [type(e) for e in meeting.resume("prt_ann")] == [ParticipantReturned]
    assert meeting.resume("prt_ann") == []


def test_hands() -> None:
    meeting = running(somebody("ann", "host"), somebody("bob"))
    (up,) = meeting.raise_hand("prt_bob", True, now_ms=7)
    assert isinstance(up, HandRaised)
    assert up.participant.hand_raised_at_ms == 7
    assert meeting.raise_hand("prt_bob", True, now_ms=8) == []
    (down,) = meeting.lower_hand(meeting.actor("prt_ann"), "prt_bob")
    assert isinstance(down, HandLowered)
    assert (down.by, down.participant.hand_raised_at_ms) == ("prt_ann", None)
    assert meeting.lower_hand(meeting.actor("prt_ann"), "prt_bob") == []


def test_a_negotiation_keeps_mutes_and_drops_what_is_no_longer_published() -> None:
    meeting = running(somebody("ann"))
    tracks = [Track("t1", "microphone"), Track("t2", "camera")]
    (event,) = meeting.publish("prt_ann", tracks)
    assert isinstance(event, TracksChanged)
    assert meeting.publish("prt_ann", tracks) == []
    (muted,) = meeting.mute("prt_ann", "microphone", True)
    assert isinstance(muted, TrackMuted)
    assert meeting.mute("prt_ann", "microphone", True) == []
    assert meeting.publish("prt_ann", tracks) == []
    meeting.publish("prt_ann", [Track("t3", "microphone")])
    assert meeting.get("prt_ann").tracks == (Track("t3", "microphone", muted=True),)
    (unmuted,) = meeting.mute("prt_ann", "microphone", False)
    assert isinstance(unmuted, TrackUnmuted)
    with pytest.raises(UserError) as error:
        meeting.mute("prt_ann", "camera", True)
    assert refusal(error) == "not_published"


def test_a_role_is_for_all_tabs_and_for_the_next_join() -> None:
    second = somebody("bob2", subject="usr_bob")
    meeting = running(somebody("ann", "host"), somebody("bob"), second)
    events = meeting.set_role(meeting.actor("prt_ann"), "prt_bob", "cohost")
    assert [(type(e), e.participant.participant_id) for e in events if isinstance(e, RoleChanged)] == [
        (RoleChanged, "prt_bob"), (RoleChanged, "prt_bob2"),
    ]  # fmt: skip
    meeting.leave("prt_bob", "left")
    meeting.join(somebody("bob"), max_participants=9)
    assert meeting.get("prt_bob").role == "cohost"
    with pytest.raises(UserError) as error:
        meeting.set_role(meeting.actor("prt_ann"), "prt_ann", "participant")
    assert refusal(error) == "last_host"
    assert meeting.set_role(SERVER, "prt_ann", "participant", even_last_host=True)


def test_a_kick_bans_the_person_and_not_oneself() -> None:
    meeting = running(somebody("ann", "host"), somebody("bob"), somebody("bob2", subject="usr_bob"))
    events = meeting.kick(meeting.actor("prt_ann"), "prt_bob2")
    assert events[0] == SubjectBanned("usr_bob")
    gone = [e.participant.participant_id for e in events[1:] if isinstance(e, ParticipantLeft)]
    assert gone == ["prt_bob", "prt_bob2"]
    with pytest.raises(UserError) as error:
        meeting.join(somebody("bob"), max_participants=9)
    assert refusal(error) == "kicked"
    with pytest.raises(UserError) as error:
        meeting.kick(meeting.actor("prt_ann"), "prt_ann")
    assert refusal(error) == "own_self"
    with pytest.raises(UserError) as error:
        meeting.kick(Actor("cohost"), "prt_ann")
    assert refusal(error) == "forbidden"


def test_the_end_happens_once_and_nobody_comes_after() -> None:
    meeting = running(somebody("ann", "host"), somebody("bob"))
    events = meeting.end(meeting.actor("prt_ann"))
    assert [type(e) for e in events] == [ParticipantLeft, ParticipantLeft, MeetingEnded]
    assert meeting.end(SERVER) == []
    with pytest.raises(UserError) as error:
        meeting.join(somebody("cat"), max_participants=9)
    assert refusal(error) == "meeting_ended"


def test_title_and_lock_change_once() -> None:
    meeting = running(somebody("ann", "host"))
    assert meeting.change(title="Tuesday", locked=True) == [MeetingChanged("Tuesday", True)]
    assert meeting.change(title="Tuesday", locked=True) == []


@pytest.mark.parametrize("seed", range(20))
def test_no_history_lets_a_participant_moderate_or_a_banned_one_return(seed: int) -> None:
    rng = random.Random(seed)
    meeting = running(somebody("host", "host"))
    banned: set[str] = set()
    roles: list[Role] = ["host", "cohost", "participant"]
    for step in range(200):
        present = list(meeting.participants)
        actor_id, target_id = rng.choice(present or ["-"]), rng.choice(present or ["-"])
        before = dict(meeting.participants)
        try:
            match rng.randrange(7):
                case 0:
                    subject = f"usr_{rng.randrange(8)}"
                    meeting.join(somebody(f"{step}", rng.choice(roles), subject=subject), max_participants=6)
                    assert subject not in banned
                    assert len(meeting.participants) <= 6
                case 1:
                    meeting.leave(target_id, "left")
                case 2:
                    meeting.kick(meeting.actor(actor_id), target_id)
                    assert before[actor_id].role != "participant"
                    banned.add(before[target_id].subject)
                    assert all(p.subject != before[target_id].subject for p in meeting.participants.values())
                case 3:
                    meeting.set_role(meeting.actor(actor_id), target_id, rng.choice(roles))
                    assert before[actor_id].role == "host"
                case 4:
                    meeting.lock(meeting.actor(actor_id), rng.random() < 0.3)
                    assert before[actor_id].role != "participant"
                case 5:
                    meeting.publish(target_id, [Track(f"t{step}", "microphone")])
                case _:
                    meeting.mute_participant(meeting.actor(actor_id), target_id, "microphone")
                    assert before[actor_id].role != "participant"
        except UserError:
            assert dict(meeting.participants) == before, "a refusal changes nothing"
