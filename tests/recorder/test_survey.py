"""One reading of a journal says when its track has something to show."""

from __future__ import annotations

from collections.abc import Iterable

from appliance.recorder.journal import AFTER_LOSS, KEY_FRAME, Codec, Kind, Record
from appliance.recorder.survey import HEADER_BYTES, Survey, survey

S = 1_000_000


def _video(times: Iterable[float], *, keys: set[float] = frozenset(), lost: set[float] = frozenset()) -> list[Record]:  # type: ignore[assignment]
    return [
        Record(
            kind=Kind.FRAME,
            codec=Codec.VP8,
            flags=(KEY_FRAME if at in keys else 0) | (AFTER_LOSS if at in lost else 0),
            at_us=round(at * S),
            rtp=round(at * 90_000),
            clock_rate=90_000,
            payload=b"x",
            end=round(at * 1000) + HEADER_BYTES + 1,
        )
        for at in times
    ]


def _said(kind: Kind, at: float) -> Record:
    return Record(kind=kind, at_us=round(at * S))


def _survey(records: list[Record], *, frozen_s: float | None = 10, stopped: float = 100) -> Survey:
    return survey(records, frozen_us=None if frozen_s is None else round(frozen_s * S), stopped_us=round(stopped * S))


def test_a_picture_begins_with_a_key_frame() -> None:
    found = _survey(_video([1, 2, 3, 4, 5], keys={3}), stopped=6)
    assert found.pictures == [(3 * S, 6 * S)]
    assert (found.first_us, found.last_us, found.codec) == (1 * S, 5 * S, Codec.VP8)
    assert found.open_ended


def test_a_mute_ends_it_and_what_was_under_way_does_not_begin_it_again() -> None:
    records = [
        *_video([1, 2], keys={1}),
        _said(Kind.MUTED, 3),
        *_video([3.2]),
        _said(Kind.UNMUTED, 6),
        *_video([7, 8], keys={7}),
    ]
    found = _survey(records, stopped=9)
    assert found.pictures == [(1 * S, 3 * S), (7 * S, 9 * S)]
    assert found.muted == [(3 * S, 6 * S)]


def test_frames_long_after_a_mute_end_it() -> None:
    found = _survey([*_video([1], keys={1}), _said(Kind.MUTED, 2), *_video([5])], stopped=9)
    assert found.muted == [(2 * S, 5 * S)]


def test_a_camera_that_froze_is_taken_away_and_a_screen_is_not() -> None:
    records = _video([1, 2, 30, 31], keys={1, 30})
    assert _survey(records, stopped=60).pictures == [(1 * S, 12 * S), (30 * S, 41 * S)]
    assert _survey(records, frozen_s=None, stopped=60).pictures == [(1 * S, 60 * S)]


def test_frames_after_a_loss_do_not_hold_a_picture() -> None:
    records = _video([1, *range(2, 30)], keys={1}, lost=set(range(2, 30)))
    assert _survey(records, stopped=30).pictures == [(1 * S, 11 * S)]


def test_key_frames_are_remembered_with_their_places_two_seconds_apart() -> None:
    found = _survey(_video([1, 2, 3.5, 6], keys={1, 2, 3.5, 6}))
    assert found.keys == [(1 * S, 1000), (round(3.5 * S), 3500), (6 * S, 6000)]


def test_one_without_a_stop_ends_with_its_last_frame() -> None:
    found = survey(_video([1, 4], keys={1}), frozen_us=None, stopped_us=None)
    assert found.pictures == [(1 * S, 4 * S)]


def test_nothing_is_nothing() -> None:
    found = _survey([])
    assert (found.first_us, found.pictures, found.codec) == (None, [], Codec.NONE)
    unknown = _survey([Record(kind=Kind.FRAME, codec=77, at_us=1)])
    assert unknown.codec is Codec.NONE
