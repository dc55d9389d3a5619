"""Who speaks and who spoke last."""

from __future__ import annotations

from appliance.live.speakers import Speakers


def test_the_newest_speakers_come_first_the_dominant_one_in_front() -> None:
    speakers = Speakers()
    speakers.heard([("a", 0.5), ("b", 0.25)], "b")
    assert speakers.speaking == ("a", "b")
    assert speakers.recent == ("b", "a")
    speakers.heard([("c", 0.5)], "b")
    assert speakers.recent == ("b", "c", "a")
    speakers.heard([], "c")
    assert speakers.speaking == ()
    assert speakers.recent == ("c", "b", "a")
    assert speakers.message().dominant == "c"
    assert speakers.message().speakers == []


def test_who_leaves_is_forgotten() -> None:
    speakers = Speakers()
    speakers.heard([("a", 0.51239), ("b", 0.25)], "a")
    speakers.forget("a")
    assert (speakers.speaking, speakers.recent) == (("b",), ("b",))
    message = speakers.message()
    assert message.dominant is None
    assert [(s.participant_id, s.level) for s in message.speakers] == [("b", 0.25)]
