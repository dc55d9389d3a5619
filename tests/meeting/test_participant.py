"""The shape of a participant."""

from __future__ import annotations

from appliance.meeting.participant import KIND_OF, SOUND_OF, Participant, Track

TRACKS = (Track("t1", "camera"), Track("t2", "microphone"))
ANN = Participant("prt_1", "usr_1", "usr_1", "Ann", None, "host", 5, tracks=TRACKS)


def test_a_track_is_found_and_muted_by_its_source() -> None:
    muted = ANN.with_muted("camera", True)
    assert [(t.source, t.muted) for t in muted.tracks] == [("camera", True), ("microphone", False)]
    assert ANN.track("camera") == Track("t1", "camera")
    assert ANN.track("screen") is None


def test_a_participant_answers_to_its_own_id_and_its_subject() -> None:
    guest = Participant("prt_2", "gst_9", None, "Gus", None, "participant", 6)
    assert [guest.answers_to(uid) for uid in ("prt_2", "gst_9", "usr_1", "")] == [True, True, False, False]


def test_each_picture_has_the_sound_that_belongs_to_it() -> None:
    assert {KIND_OF[picture] for picture in SOUND_OF} == {"video"}
    assert {KIND_OF[sound] for sound in SOUND_OF.values()} == {"audio"}
    assert Track("t", "screen_audio").kind == "audio"
