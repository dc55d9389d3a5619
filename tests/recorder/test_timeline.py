"""Frames come out at the times at which they were made, through drift, jitter, silence and leaps of their clocks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec
import pytest

from appliance.recorder.journal import Codec, Kind, Record
from appliance.recorder.timeline import Readings, TrackClock, align

START_US = 1_700_000_000_000_000
DELAY_US = 25_000
NTP_UNIX_S = 2_208_988_800


@dataclass
class Sender:
    """A participant: true time in, records out. Times in seconds of the server's clock, from the start."""

    seed: int = 1
    rtp_ppm: float = 0.0
    """Of the media clock against the sender's NTP clock."""
    ntp_ppm: float = 0.0
    """Of the sender's NTP clock against the server's."""
    ntp_ahead_s: float = 3600.0
    rate: int = 90_000
    first_rtp: int = 2**32 - 900_000
    jitter_s: float = 0.03
    delay: Callable[[float], float] = lambda at_s: DELAY_US / 1e6
    reported: Callable[[float], bool] = lambda at_s: True
    stood_still: list[tuple[float, float]] = field(default_factory=list)
    """The RTP clock did not count from … to."""
    ntp_set: tuple[float, float] = (1e9, 0.0)
    """When, and by how many seconds."""
    generation: int = 0
    codec: Codec = Codec.VP8
    misreported: Callable[[float], float] = lambda at_s: 0.0
    """Seconds by which the RTP clock in a report is behind, that is by which its frames seem late."""

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def _ntp_s(self, at_s: float) -> float:
        when, by = self.ntp_set
        return START_US / 1e6 + self.ntp_ahead_s + at_s * (1 + self.ntp_ppm / 1e6) + (by if at_s >= when else 0)

    def _rtp(self, at_s: float) -> int:
        lost = sum(min(at_s, to) - start for start, to in self.stood_still if at_s > start)
        ran = (at_s - lost) * (1 + (self.rtp_ppm + self.ntp_ppm) / 1e6)
        return self.first_rtp + round(ran * self.rate)

    def frame(self, at_s: float) -> tuple[float, Record]:
        """When it arrives, and the record."""
        late = self._chance.expovariate(1 / self.jitter_s) if self.jitter_s else 0.0
        arrival = at_s + self.delay(at_s) + late
        return arrival, self._record(Kind.FRAME, arrival, self._rtp(at_s))

    def report(self, at_s: float) -> tuple[float, Record]:
        sloppy = at_s + self._chance.gauss(0, 0.002) - self.misreported(at_s)
        ntp = round(self._ntp_s(at_s) * 2**32) + (NTP_UNIX_S << 32)
        arrival = at_s + self.delay(at_s)
        return arrival, self._record(Kind.CLOCK, arrival, self._rtp(sloppy), ntp.to_bytes(8, "little"))

    def _record(self, kind: Kind, arrival_s: float, rtp: int, payload: bytes = b"") -> Record:
        return Record(
            kind=kind,
            codec=self.codec,
            generation=self.generation,
            at_us=START_US + round(arrival_s * 1e6),
            rtp=rtp,
            clock_rate=self.rate,
            payload=payload,
        )

    def send(self, times: Iterator[float], *, until_s: float) -> list[tuple[float, Record]]:
        """(true time, record) of frames at ``times`` and reports each 5 s, in order of arrival."""
        out = [(at_s, *self.frame(at_s)) for at_s in times]
        reports = (n * 5.0 + 1 for n in range(int(until_s / 5)))
        out += [(at_s, *self.report(at_s)) for at_s in reports if self.reported(at_s)]
        return [(at_s, record) for at_s, _, record in sorted(out, key=lambda item: item[1])]


def _each(step_s: float, until_s: float, start_s: float = 0.0) -> Iterator[float]:
    return (start_s + n * step_s for n in range(int((until_s - start_s) / step_s)))


def _clocks(**tracks: list[tuple[float, Record]]) -> dict[str, TrackClock]:
    readings = {name: Readings() for name in tracks}
    for name, sent in tracks.items():
        for _, record in sent:
            readings[name].add(record)
    return align(readings, dict.fromkeys(tracks, "prt_1"))


def _errors(clock: TrackClock, sent: list[tuple[float, Record]]) -> list[float]:
    """Milliseconds by which each frame is late, the fixed delay taken out, in the order of making."""
    return [
        (clock.at_us(record) - START_US - DELAY_US) / 1000 - at_s * 1000
        for at_s, record in sorted(sent, key=lambda item: item[0])
        if record.kind == Kind.FRAME
    ]


def _apart(audio: list[float], video: list[float]) -> float:
    """The most that voice and lips were apart: both lists at even steps over the same time."""
    count = min(len(audio), len(video))
    return max(abs(audio[n * len(audio) // count] - video[n * len(video) // count]) for n in range(count))


@pytest.mark.slow
@pytest.mark.parametrize(("rtp_ppm", "ntp_ppm"), [(100, -100), (-100, 100), (100, 0)])
def test_four_hours_with_drifting_clocks(rtp_ppm: float, ntp_ppm: float) -> None:
    """The microphone's quartz is off by one, the computer's by the other, and the network jitters."""
    hours = 4 * 3600
    audio_sender = Sender(rtp_ppm=rtp_ppm, ntp_ppm=ntp_ppm, rate=48_000, first_rtp=2**32 - 5_000)
    audio = audio_sender.send(_each(0.5, hours), until_s=hours)
    video = Sender(seed=2, ntp_ppm=ntp_ppm).send(_each(0.5, hours), until_s=hours)
    clocks = _clocks(audio=audio, video=video)
    heard, seen = _errors(clocks["audio"], audio), _errors(clocks["video"], video)
    assert _apart(heard, seen) < 10
    assert -5 < min(heard) <= max(heard) < 25
    assert max(abs(b - a) / 500 for a, b in pairwise(heard)) <= 5e-3


def test_reports_hold_for_the_frames_before_them_and_over_a_silence() -> None:
    def reported(at_s: float) -> bool:
        return not (at_s < 8 or 40 < at_s < 60)

    audio = Sender(rate=48_000, reported=reported, rtp_ppm=80).send(_each(0.02, 90), until_s=90)
    video = Sender(seed=2, reported=reported, jitter_s=0.06).send(_each(1 / 30, 90), until_s=90)
    clocks = _clocks(audio=audio, video=video)
    assert _apart(_errors(clocks["audio"], audio), _errors(clocks["video"], video)) < 10


def test_without_reports_the_quickest_packets_say_it() -> None:
    audio = Sender(rate=48_000, reported=lambda _: False).send(_each(0.02, 20), until_s=20)
    (clock,) = _clocks(audio=audio).values()
    errors = _errors(clock, audio)
    assert max(errors) - min(errors) < 1  # evenly spaced again: the jitter is gone
    assert -2 < errors[0] < 10


def test_a_network_that_holds_packets_back_moves_nothing() -> None:
    def delay(at_s: float) -> float:
        return 0.025 + max(0.0, (12.0 - at_s) if 10 <= at_s < 12 else 0)  # two seconds' worth at once

    for reported in (True, False):
        sender = Sender(rate=48_000, jitter_s=0.005, delay=delay, reported=lambda _, said=reported: said)
        audio = sender.send(_each(0.02, 30), until_s=30)
        (clock,) = _clocks(audio=audio).values()
        errors = _errors(clock, audio)
        assert max(errors) - min(errors) < 2


def test_a_path_that_became_longer_is_followed_slowly_and_lips_stay() -> None:
    def delay(at_s: float) -> float:
        return 0.025 if at_s < 120 else 0.125

    audio = Sender(rate=48_000, jitter_s=0.01, delay=delay).send(_each(0.1, 240), until_s=240)
    video = Sender(seed=2, delay=delay).send(_each(0.1, 240), until_s=240)
    clocks = _clocks(audio=audio, video=video)
    heard, seen = _errors(clocks["audio"], audio), _errors(clocks["video"], video)
    assert _apart(heard, seen) < 10
    assert max(abs(b - a) / 100 for a, b in pairwise(heard)) <= 5e-3
    assert max(heard) < 115


@pytest.mark.parametrize("reported", [True, False])
def test_an_rtp_clock_that_stood_still_while_nothing_was_sent(reported: bool) -> None:
    sender = Sender(rate=48_000, jitter_s=0.01, stood_still=[(20, 50)], reported=lambda at_s: reported)
    times = [*_each(0.02, 20), *_each(0.02, 80, start_s=50)]
    audio = sender.send(iter(times), until_s=80)
    (clock,) = _clocks(audio=audio).values()
    errors = _errors(clock, audio)
    assert max(map(abs, errors)) < 12


def test_an_rtp_clock_that_leapt() -> None:
    sender = Sender(rate=48_000, jitter_s=0.01, stood_still=[(20, -40)], reported=lambda _: False)  # 60 s ahead
    audio = sender.send(iter([*_each(0.02, 20), *_each(0.02, 40, start_s=20.02)]), until_s=40)
    (clock,) = _clocks(audio=audio).values()
    assert max(map(abs, _errors(clock, audio))) < 12


def test_a_senders_clock_that_was_set_moves_nothing() -> None:
    audio = Sender(rate=48_000, ntp_set=(61, 7.5)).send(_each(0.05, 120), until_s=120)
    video = Sender(seed=2, ntp_set=(61, 7.5)).send(_each(0.05, 120), until_s=120)
    clocks = _clocks(audio=audio, video=video)
    heard, seen = _errors(clocks["audio"], audio), _errors(clocks["video"], video)
    assert _apart(heard, seen) < 20
    assert max(map(abs, heard)) < 30


def test_tracks_on_clocks_of_their_own_are_placed_by_their_own_packets() -> None:
    audio = Sender(rate=48_000, ntp_ahead_s=5).send(_each(0.05, 60), until_s=60)
    video = Sender(seed=2, ntp_ahead_s=-90_000).send(_each(0.05, 60), until_s=60)
    clocks = _clocks(audio=audio, video=video)
    assert _apart(_errors(clocks["audio"], audio), _errors(clocks["video"], video)) < 20


def test_reports_that_cannot_be_true_are_not_believed() -> None:
    fast = Sender(rate=48_000, rtp_ppm=0, jitter_s=0.01).send(_each(0.05, 120), until_s=120)
    lying = [
        (at_s, record if record.kind == Kind.FRAME else _report_at_twice_the_speed(at_s, record))
        for at_s, record in fast
    ]
    (clock,) = _clocks(audio=lying).values()
    assert max(map(abs, _errors(clock, lying))) < 15


def _report_at_twice_the_speed(at_s: float, record: Record) -> Record:
    ntp = round(2 * at_s * 2**32) + (NTP_UNIX_S << 32)
    return Record(
        kind=Kind.CLOCK, at_us=record.at_us, rtp=record.rtp, clock_rate=48_000, payload=ntp.to_bytes(8, "little")
    )


def test_one_false_report_is_nothing() -> None:
    audio = Sender(rate=48_000, jitter_s=0.01).send(_each(0.05, 60), until_s=60)
    wrong = [n for n, (_, record) in enumerate(audio) if record.kind == Kind.CLOCK][5]
    audio[wrong] = (audio[wrong][0], _report_at_twice_the_speed(*audio[wrong]))
    (clock,) = _clocks(audio=audio).values()
    assert max(map(abs, _errors(clock, audio))) < 15


def test_a_new_generation_begins_anew() -> None:
    first = Sender(jitter_s=0.01).send(_each(0.04, 30), until_s=30)
    again = Sender(seed=3, first_rtp=77, generation=1, jitter_s=0.01).send(_each(0.04, 60, start_s=30), until_s=60)
    (clock,) = _clocks(video=first + again).values()
    errors = _errors(clock, first + again)
    assert max(map(abs, errors)) < 12


def test_nonsense_is_placed_where_it_arrived() -> None:
    chance = random.Random(5)
    records = [
        Record(kind=Kind.FRAME, at_us=START_US + n * 20_000, rtp=chance.randrange(-(2**40), 2**40), clock_rate=48_000)
        for n in range(3000)
    ]
    readings = Readings()
    for record in records:
        readings.add(record)
    clock = align({"a": readings}, {"a": "p"})["a"]
    assert all(-10_000_000 < clock.at_us(record) - record.at_us < 1_000_000 for record in records)
    assert clock.at_us(Record(kind=Kind.FRAME, layer=2, at_us=7, rtp=1, clock_rate=48_000)) == 7
    assert clock.at_us(Record(kind=Kind.FRAME, at_us=7, rtp=1, clock_rate=0)) == 7


def _busy(at_s: float) -> float:
    """What a busy machine's reports of sound are late by: one-sided, and different each time."""
    return 0.02 + 0.15 * ((at_s * 0.618) % 1)


@pytest.mark.parametrize("until_s", [10, 90])
def test_a_busy_machine_that_reports_its_voice_late_keeps_its_lips(until_s: int) -> None:
    """As libwebrtc does: the moment at which a packet leaves stands for that of its first sample."""
    voice = Sender(rate=48_000, codec=Codec.OPUS, misreported=_busy, delay=lambda _: 0.045, jitter_s=0.01)
    audio = voice.send(_each(0.02, until_s), until_s=until_s)
    camera = Sender(seed=2, jitter_s=0.03, delay=lambda _: 0.030)
    video = camera.send(_each(1 / 30, until_s), until_s=until_s)
    clocks = _clocks(audio=_reports_alone(audio), video=_reports_alone(video))
    heard, seen = _errors(clocks["audio"], audio), _errors(clocks["video"], video)
    assert _apart(heard, seen) < 15


def test_pictures_that_are_reported_too_early_all_along_are_put_back() -> None:
    """libwebrtc's TimestampAligner, after a first picture that was late by 170 ms."""
    audio = Sender(rate=48_000, codec=Codec.OPUS, delay=lambda _: 0.025, jitter_s=0.01)
    camera = Sender(seed=2, jitter_s=0.02, misreported=lambda _: -0.170)
    heard_sent, seen_sent = audio.send(_each(0.02, 30), until_s=30), camera.send(_each(1 / 30, 30), until_s=30)
    clocks = _clocks(audio=heard_sent, video=seen_sent)
    heard, seen = _errors(clocks["audio"], heard_sent), _errors(clocks["video"], seen_sent)
    assert _apart(heard, seen) < 45  # what a camera usually takes is not known better


def test_samples_that_a_busy_machine_loses_are_followed_within_seconds() -> None:
    """Each second the microphone's clock stands still for 4 ms; pictures go on."""
    lost = [(n + 0.5, n + 0.504) for n in range(60)]
    voice = Sender(rate=48_000, codec=Codec.OPUS, stood_still=lost, jitter_s=0.005, delay=lambda _: 0.045)
    audio = voice.send(_each(0.02, 60), until_s=60)
    camera = Sender(seed=2)
    video = camera.send(_each(1 / 30, 60), until_s=60)
    clocks = _clocks(audio=_reports_alone(audio), video=video)
    assert _apart(_errors(clocks["audio"], audio), _errors(clocks["video"], video)) < 40


def _reports_alone(sent: list[tuple[float, Record]]) -> list[tuple[float, Record]]:
    """Reports take the network's 25 ms; only the frames are collected and encoded before."""
    return [
        (at_s, msgspec.structs.replace(record, at_us=START_US + DELAY_US + round(at_s * 1e6)))
        if record.kind == Kind.CLOCK
        else (at_s, record)
        for at_s, record in sent
    ]
