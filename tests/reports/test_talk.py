"""Who spoke how long, and who was there when."""

from __future__ import annotations

from typing import Any

import msgspec

from appliance.reports.records import Stay
from appliance.reports.talk import attendees, speakers
from appliance.store.participants import ParticipantRecord
from tests.support import stored_rows as rows
from tests.support.said import T0, phrase


def join(ident: str, name: str, joined_s: float, left_s: float | None, **changes: Any) -> ParticipantRecord:
    left_at_ms = None if left_s is None else T0 + round(left_s * 1000)
    times = {"joined_at_ms": T0 + round(joined_s * 1000), "left_at_ms": left_at_ms}
    return rows.participant("x", "mtg_one", **{"id": ident, "name": name, **times, **changes})


def test_turns_end_when_somebody_else_speaks_and_after_silence() -> None:
    said = [
        phrase(1, "Ann", "a", start_s=0),
        phrase(2, "Ann", "b", start_s=4),  # two seconds later: the same turn, of six seconds
        phrase(3, "Ben", "c", start_s=7, length_s=1),
        phrase(4, "Ann", "d", start_s=8, length_s=1),
        phrase(5, "Ann", "e", start_s=30, length_s=1),
    ]
    ann, ben = speakers(said, [])
    assert (ann.name, ann.talk_ms, ann.turns, ann.longest_turn_ms) == ("Ann", 6000, 3, 6000)
    assert (ben.name, ben.talk_ms, ben.turns, ben.longest_turn_ms) == ("Ben", 1000, 1, 1000)
    assert (ann.share, ben.share) == (0.8571, 0.1429)
    assert speakers([], []) == ()


def test_who_comes_back_is_one_person_and_counted_once() -> None:
    joins = [
        join("prt_Ann", "Ann", 0, 50, user_id="usr_ann"),
        join("prt_Ann2", "Ann (telephone)", 10, 90, user_id="usr_ann", role="host"),
        join("prt_Ben", "Ben", 5, 20, user_id=None, guest_id="gst_1"),
        join("prt_Ben2", "Ben", 30, None, user_id=None, guest_id="gst_1"),
    ]
    said = [phrase(1, "Ann", "a", start_s=0, length_s=4), phrase(2, "Ann2", "a", start_s=1, length_s=4)]
    (one,) = speakers(said, joins)
    assert (one.participant_id, one.talk_ms, one.turns) == ("prt_Ann", 5000, 1)
    ann, ben = attendees(joins)
    assert (ann.name, ann.role, ann.is_guest) == ("Ann (telephone)", "host", False)
    assert ann.stays == (Stay(joined_at_ms=T0, left_at_ms=T0 + 90_000),)
    assert ben.is_guest and ben.stays == (
        Stay(joined_at_ms=T0 + 5000, left_at_ms=T0 + 20_000),
        Stay(joined_at_ms=T0 + 30_000, left_at_ms=None),
    )


def test_voices_of_a_shared_microphone_are_people_of_their_own() -> None:
    joins = [join("prt_Room", "Room 4", 0, 90), join("prt_Ann", "Ann (2)", 0, 90, user_id="usr_ann")]
    names = ["Room 4 (1)", "Room 4 (2)", "Room 4 (1)", "Room 4", "Ann (2)", "Ann (2)"]
    said = [
        msgspec.structs.replace(phrase(number, name.split()[0], "a", start_s=number * 3, length_s=2), name=name)
        for number, name in enumerate(names)
    ]
    found = {one.name: (one.participant_id, one.turns, one.talk_ms) for one in speakers(said, joins)}
    assert found == {
        "Room 4 (1)": ("prt_Room", 2, 4000),
        "Room 4 (2)": ("prt_Room", 1, 2000),
        "Room 4": ("prt_Room", 1, 2000),  # too short to tell
        "Ann (2)": ("prt_Ann", 1, 4000),  # it is her name
    }


def test_a_stay_that_goes_on_has_no_end() -> None:
    joins = [join("prt_a", "Ann", 0, None, user_id="usr_ann"), join("prt_b", "Ann", 5, 9, user_id="usr_ann")]
    assert attendees(joins)[0].stays == (Stay(joined_at_ms=T0, left_at_ms=None),)
