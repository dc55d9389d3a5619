"""What of a camera's frames is sent to be looked at."""

from __future__ import annotations

from appliance.live import frame_feed
from appliance.live.frame_feed import FrameFeed, read
from appliance.recorder.journal import AFTER_LOSS, KEY_FRAME, TURNS_SHIFT, Codec, Kind, Record, encode


def frame(payload: bytes, flags: int = 0, codec: int = Codec.VP8, at_us: int = 0) -> Record:
    return Record(kind=Kind.FRAME, codec=codec, flags=flags, at_us=at_us, payload=payload)


def frames(feed: FrameFeed) -> tuple[bytes, ...]:
    batch = feed.next()
    return () if batch is None else batch.frames


def test_frames_are_sent_once_from_a_key_frame_on() -> None:
    feed = FrameFeed()
    feed.take([frame(b"before"), frame(b"K", KEY_FRAME), frame(b"1", at_us=7000)])
    batch = feed.next()
    assert batch is not None
    assert (batch.frames, batch.payload, batch.codec, batch.at_ms, batch.turns) == ((b"K", b"1"), b"K1", "vp8", 7, 0)
    assert feed.next() is None
    feed.take([frame(b"2"), frame(b"3", 2 << TURNS_SHIFT)])
    batch = feed.next()
    assert batch is not None and (batch.frames, batch.turns) == ((b"2", b"3"), 2)


def test_a_key_frame_makes_all_before_it_superfluous() -> None:
    feed = FrameFeed()
    feed.take([frame(b"K", KEY_FRAME), frame(b"1"), frame(b"L", KEY_FRAME), frame(b"2")])
    assert frames(feed) == (b"L", b"2")
    assert not feed.wants_key_frame


def test_after_what_is_missing_the_next_key_frame_is_waited_for_and_the_tap_asks() -> None:
    for broken in (Record(kind=Kind.GAP, at_us=0), Record(kind=Kind.MUTED, at_us=0), frame(b"x", AFTER_LOSS)):
        feed = FrameFeed()
        feed.take([frame(b"K", KEY_FRAME), frame(b"1"), broken, frame(b"2")])
        assert frames(feed) == () and not feed.wants_key_frame
        feed.take([frame(b"L", KEY_FRAME)])
        assert frames(feed) == (b"L",)


def test_a_decoder_that_was_lost_wants_a_key_frame() -> None:
    feed = FrameFeed()
    feed.take([frame(b"K", KEY_FRAME), frame(b"1")])
    feed.restart()
    assert feed.wants_key_frame and frames(feed) == ()
    feed.take([frame(b"2"), frame(b"L", KEY_FRAME)])
    assert frames(feed) == (b"L",) and not feed.wants_key_frame


def test_a_group_of_pictures_that_nobody_looks_at_goes_as_a_whole() -> None:
    feed = FrameFeed()
    half = bytes(frame_feed.MAX_BYTES // 2)
    feed.take([frame(half, KEY_FRAME), frame(half), frame(half), frame(b"after")])
    assert frames(feed) == () and feed.left_out == 1 and feed.wants_key_frame
    feed.take([frame(b"K", KEY_FRAME)])
    assert frames(feed) == (b"K",)


def test_records_are_read_and_sound_and_clocks_are_passed_over() -> None:
    assert read(b"") == []
    clock = Record(kind=Kind.CLOCK, at_us=0, payload=bytes(8))
    feed = FrameFeed()
    feed.take(read(b"".join(map(encode, [frame(b"K", KEY_FRAME), clock, frame(b"s", codec=Codec.OPUS)]))))
    assert frames(feed) == (b"K",)
