"""Notes are read as they were written; pauses are cut out of the time that is shown."""

from __future__ import annotations

from appliance.recorder.journal import Kind, Record, encode_note, scan
from appliance.recorder.notes import Note, ShownTime, read_notes

S = 1_000_000


def test_what_cannot_be_read_is_passed_over() -> None:
    import io

    data = b"".join(
        [
            encode_note(3, b'{"type":"joined","participant_id":"p","name":"Ann","later":1}'),
            encode_note(1, b'{"type":"speaker","participant_id":null}'),
            encode_note(2, b'{"type":"of a later version"}'),
            encode_note(4, b"\xff"),
            encode_note(5, b"[]"),
        ]
    )
    notes = read_notes([*scan(io.BytesIO(data)), Record(kind=Kind.FRAME, at_us=9)])
    assert notes == [
        Note(type="speaker", at_us=1),
        Note(type="joined", participant_id="p", name="Ann", at_us=3),
    ]


def test_time_begins_with_the_recording() -> None:
    time = ShownTime(100 * S, 110 * S)
    assert [time.shown_us(at * S) for at in (99, 100, 105, 110, 111)] == [0, 0, 5 * S, 10 * S, 10 * S]
    assert time.duration_us == 10 * S
    assert not time.is_cut(105 * S)
    assert time.is_cut(90 * S)
    assert time.is_cut(120 * S)


def test_pauses_are_cut_out() -> None:
    notes = [
        Note(type="paused", at_us=102 * S),
        Note(type="paused", at_us=103 * S),  # said twice
        Note(type="resumed", at_us=104 * S),
        Note(type="resumed", at_us=105 * S),
        Note(type="paused", at_us=107 * S),
        Note(type="resumed", at_us=108 * S),
    ]
    time = ShownTime(100 * S, 110 * S, notes)
    assert time.duration_us == 7 * S
    assert [time.shown_us(at * S) / S for at in (101, 102, 103, 104, 106, 107.5, 108, 110)] == [1, 2, 2, 2, 4, 5, 5, 7]
    assert [time.is_cut(at) for at in (101 * S, 103 * S, 105 * S)] == [False, True, False]


def test_a_pause_that_never_ended_lasts_until_the_stop() -> None:
    time = ShownTime(100 * S, 110 * S, [Note(type="paused", at_us=104 * S)])
    assert time.duration_us == 4 * S
    assert time.shown_us(109 * S) == 4 * S


def test_nonsense_has_no_length() -> None:
    assert ShownTime(100 * S, 90 * S).duration_us == 0
