"""Which packets of a microphone are sent, in which requests; time is an argument."""

from __future__ import annotations

from appliance.live.speech_feed import DRY_S, HANG_S, MAX_BEHIND_S, SpeechFeed, Step
from tests.support.spoken import PACKET_MS, muted, packets

SECOND = 1_000_000
MINUTE_RTP = 60 * 48_000


def words(*steps: Step | None) -> list[list[str]]:
    return [[packet.decode() for packet in step.packets] for step in steps if step is not None]


def numbered(count: int) -> list[str]:
    return [f"w{number}" for number in range(count)]


def test_what_is_said_is_sent_as_it_comes_and_silence_ends_the_stream() -> None:
    feed, now = SpeechFeed(gated=True), SECOND
    feed.take(packets("so", "it", at_us=now))
    first = feed.step(now, speaking=True, ending=False)
    assert first is not None
    assert (first.packets, first.at_ms, first.base_ms, first.last) == ((b"so", b"it"), 0, 1000, False)
    assert first.payload == b"soit"
    assert feed.step(now, speaking=True, ending=False) is None
    feed.take(packets("goes", at_us=now + 40_000, rtp=2 * PACKET_MS * 48))
    second = feed.step(now + 200_000, speaking=True, ending=False)
    assert second is not None
    assert (second.stream, second.at_ms, second.base_ms) == (first.stream, 40, 1000)
    assert feed.step(now + SECOND, speaking=False, ending=False) is None  # a pause
    end = feed.step(now + 200_000 + round(HANG_S * SECOND), speaking=False, ending=False)
    assert end is not None
    assert (end.stream, end.packets, end.last) == (first.stream, (), True)
    assert feed.stream is None


def test_who_is_silent_is_not_sent_but_for_the_moment_before_the_first_word() -> None:
    feed = SpeechFeed(gated=True)
    for number in range(100):  # two seconds of breath
        feed.take(packets(f"b{number}", at_us=SECOND + number * 20_000, rtp=number * 960))
        assert feed.step(SECOND + number * 20_000, speaking=False, ending=False) is None
    feed.take(packets("now", at_us=3 * SECOND, rtp=100 * 960))
    step = feed.step(3 * SECOND, speaking=True, ending=False)
    assert words(step) == [[*(f"b{number}" for number in range(50, 100)), "now"]]
    assert step is not None and step.base_ms == 2000


def test_who_tells_no_levels_is_sent_all_the_time() -> None:
    feed = SpeechFeed(gated=False)
    feed.take(packets("quiet", at_us=SECOND))
    assert words(feed.step(SECOND, speaking=False, ending=False)) == [["quiet"]]
    assert feed.step(60 * SECOND, speaking=False, ending=False) is None
    feed.take(packets("still", at_us=60 * SECOND, rtp=MINUTE_RTP))
    later = feed.step(60 * SECOND, speaking=False, ending=False)
    assert later is not None and later.at_ms == 60_000 and not later.last


def test_a_phrase_ends_when_nothing_comes_any_more() -> None:
    """DTX: Opus sends nothing in a pause, so no silence says that the phrase has ended."""
    feed = SpeechFeed(gated=True)
    feed.take(packets("so", at_us=SECOND))
    assert feed.step(SECOND, speaking=True, ending=False) is not None
    feed.mid_phrase = True
    assert feed.step(SECOND + round(0.9 * DRY_S * SECOND), speaking=True, ending=False) is None
    end = feed.step(SECOND + round(1.1 * DRY_S * SECOND), speaking=True, ending=False)
    assert end is not None and end.last


def test_packets_are_sorted_and_what_came_twice_or_too_late_is_left_out() -> None:
    feed = SpeechFeed(gated=True)
    feed.take(packets("c", at_us=SECOND, rtp=1920) + packets("a", "b", "c", at_us=SECOND))
    assert words(feed.step(SECOND, speaking=True, ending=False)) == [["a", "b", "c"]]
    feed.take(packets("b", "c", "d", at_us=SECOND, rtp=960))
    assert words(feed.step(SECOND, speaking=True, ending=False)) == [["d"]]


def test_a_gap_begins_another_request_with_its_place_in_time() -> None:
    feed = SpeechFeed(gated=True)
    feed.take(packets("a", "b", at_us=SECOND) + packets("z", at_us=2 * SECOND, rtp=48_000))
    steps = [feed.step(2 * SECOND, speaking=True, ending=False) for _ in range(3)]
    assert words(*steps) == [["a", "b"], ["z"]]
    assert [step.at_ms for step in steps if step is not None] == [0, 1000]


def test_muted_and_unmuted_is_another_stream() -> None:
    feed = SpeechFeed(gated=True)
    feed.take(packets("a", at_us=SECOND))
    first = feed.step(SECOND, speaking=True, ending=False)
    feed.take(muted(SECOND))
    end = feed.step(SECOND, speaking=True, ending=False)
    feed.take(packets("b", at_us=9 * SECOND, rtp=8 * 48_000))
    second = feed.step(9 * SECOND, speaking=True, ending=False)
    assert first is not None and end is not None and second is not None
    assert (end.stream, end.last, end.packets) == (first.stream, True, ())
    assert second.stream != first.stream
    assert (second.at_ms, second.base_ms) == (0, 9000)


def test_another_clock_is_another_stream() -> None:
    feed = SpeechFeed(gated=True)
    feed.take(packets("a", at_us=SECOND, rtp=900_000, generation=1))
    first = feed.step(SECOND, speaking=True, ending=False)
    feed.take(packets("b", at_us=SECOND, rtp=900_960, generation=1) + packets("c", at_us=2 * SECOND, generation=2))
    end = feed.step(2 * SECOND, speaking=True, ending=False)
    second = feed.step(2 * SECOND, speaking=True, ending=False)
    assert first is not None and end is not None and second is not None
    assert words(end, second) == [["b"], ["c"]]
    assert (end.stream, end.last, second.at_ms, second.base_ms) == (first.stream, True, 0, 2000)


def test_what_was_said_before_the_end_is_sent() -> None:
    feed = SpeechFeed(gated=True)
    feed.take(packets("a", at_us=SECOND))
    assert feed.step(SECOND, speaking=True, ending=False) is not None
    feed.take(packets("b", at_us=SECOND, rtp=960))
    end = feed.step(SECOND, speaking=True, ending=True)
    assert words(end) == [["b"]] and end is not None and end.last
    assert feed.step(SECOND, speaking=True, ending=True) is None
    short = SpeechFeed(gated=True)
    short.take(packets("hi", at_us=SECOND))
    only = short.step(SECOND, speaking=True, ending=True)
    assert words(only) == [["hi"]] and only is not None and only.last


def test_what_cannot_be_kept_up_with_is_left_out_and_counted() -> None:
    feed = SpeechFeed(gated=True)
    seconds = 2 * MAX_BEHIND_S
    feed.take(packets(*numbered(round(seconds * 50)), at_us=SECOND))
    step = feed.step(SECOND, speaking=True, ending=False)
    assert step is not None and step.packets[-1] == b"w799" and len(step.packets) == 101
    assert feed.shed_s == (799 - 100) * 0.02


def test_a_stall_is_caught_up_in_large_requests() -> None:
    feed = SpeechFeed(gated=True)
    feed.take(packets(*numbered(350), at_us=SECOND))
    steps = [feed.step(SECOND, speaking=True, ending=False) for _ in range(3)]
    assert [len(step.packets) for step in steps if step is not None] == [251, 99]
    assert feed.shed_s == 0


def test_what_is_no_opus_frame_is_passed_over() -> None:
    feed = SpeechFeed(gated=False)
    feed.take(b"")
    feed.take(b"not a record at all" + packets("a", at_us=SECOND)[:-1] + packets("b", at_us=SECOND))
    assert words(feed.step(SECOND, speaking=False, ending=False)) == [["b"]]
