"""When each frame was, on the server's clock; pure.

Owns the way from an RTP timestamp to a time: RTP → the sender's NTP clock by its reports → the server's clock by the
quickest packets. Both tracks of a participant take the second step together, so that lips and voice stay as they were
recorded, whatever the network did to either. A stream without reports is placed by its own quickest packets.

Reports are not believed blindly. libwebrtc takes the moment at which a sound's packet leaves for that of its first
sample (RtpRtcp's OnSendingRtpFrame, without a capture time): a busy machine reports its voice up to 0.2 s late. And
its TimestampAligner keeps what the first picture was late by as a bias for good: pictures reported as much too early.
Both show in what arrives: reports travel the same way, so that their own delay tells when a frame was sent. No frame
was sent before it was made, and none of a live camera's waits for a tenth of a second each time.

It is used afterwards, with the whole journal known: what a report says holds for the frames before it as well, and
nothing needs to be corrected in passing. `Readings` takes a journal in, record by record; `align` makes clocks of all.

An RTP clock may stand still while nothing is sent, or leap, without a new generation (Chromium's does for a track that
was replaced by none), and a sender's NTP clock may be set. Both begin a new stretch here, with readings of its own.

Rejected: arrival times alone (40 ms of jitter are the whole budget of lip sync), and one regression over the whole
recording (a quartz follows its temperature: an hour at 20 ppm is 72 ms).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import NamedTuple

from appliance.recorder.drift import CENTRE, FLOOR, MOST_DRIFT, WINDOW_US, Curve, fit, quantile
from appliance.recorder.journal import Codec, Kind, Record

# One reading a second of how late the quickest packet was: 14,400 for four hours.
_BIN_US = 1_000_000
# A frame that is later than its forerunners by this much, with all that follow it within the patience: the RTP clock
# stood still. Mobile networks hold packets back for a second and hand them over at once; nothing stays late.
_STEP_US = 500_000
_PATIENCE_US = 3_000_000
# Earlier by this much at once: the RTP clock leapt.
_LEAP_US = 1_000_000
# Whoever sends nonsense gets this many stretches and is then placed by arrival.
_MOST_STRETCHES = 500
# Between two reports of one clock, beyond drift: browsers extrapolate RTP to the moment of the report within 10 ms.
_REPORT_STEP_US = 100_000
# Two streams of a participant whose quickest packets differ by more are not on one clock.
_SAME_CLOCK_US = 300_000
# Reports under which the network's delay would wander by more are not believed.
_MOST_WANDER_US = 2_000_000
# A frame cannot be from after its arrival, nor was anything resent after so long; beyond that arrival is taken.
_EARLIEST_US = 10_000_000
_LATEST_US = 1_000_000
# Readings by which two clocks are compared where they meet.
_COMPARED = 20
# What arrives says within seconds that samples were lost: a microphone on a busy machine loses 10 ms a second.
_CORRECTED_WINDOW_US = 5_000_000
# Four reports of sound.
_REPORTS_WINDOW_US = 20_000_000
# A path that changed is not taken for the one before it, and twelve reports are within it.
_DELAY_WINDOW_US = 30_000_000
# Sound is sent when the last sample of its packet is there, and browsers' packets are this long.
_SOUND_PACKET_US = 20_000
# The quickest frames take longer than this only when they are reported too early; then they took what is usual.
_MISREAD_US = 100_000
_USUAL_US = 20_000
_NTP_UNIX_S = 2_208_988_800


class _Report(NamedTuple):
    """What a sender report says, and when."""

    x: int
    """RTP in µs."""
    ahead_us: int
    """NTP − RTP."""
    delay_us: int
    """Arrival − NTP: the way here, and how far the server's clock is ahead."""


@dataclass(slots=True)
class _Stretch:
    """A part of a stream in which RTP ran on."""

    from_x: int
    floor: list[tuple[int, int]] = field(default_factory=list)
    """(RTP in µs, arrival − RTP) of the quickest frame of each second."""
    reports: list[_Report] = field(default_factory=list)
    packet_us: int = 0
    """How long a frame must be collected before it can be sent."""
    last_x: int = 0
    last_lateness: int = 0
    _bin: int | None = None

    def add(self, x: int, lateness: int, arrival_us: int) -> None:
        number = arrival_us // _BIN_US
        if number != self._bin:
            self._bin = number
            self.floor.append((x, lateness))
        elif lateness < self.floor[-1][1]:
            self.floor[-1] = (x, lateness)
        self.last_x, self.last_lateness = max(self.last_x, x), lateness

    def recent(self) -> int:
        """Lateness of the quickest frame of the last seconds."""
        return min(lateness for _, lateness in self.floor[-5:])

    def take_in(self, other: _Stretch) -> None:
        self.floor += other.floor
        self.reports += other.reports
        self.last_x, self.last_lateness = max(self.last_x, other.last_x), other.last_lateness


class _Stream:
    """One (layer, generation) of a track."""

    def __init__(self) -> None:
        self.stretches: list[_Stretch] = []
        self.packet_us = 0
        self._late: _Stretch | None = None
        self._late_since_us = 0

    def frame(self, x: int, arrival_us: int) -> None:
        lateness = arrival_us - x
        if not self.stretches:
            self.stretches.append(_Stretch(x, last_x=x))
        current = self.stretches[-1]
        if not current.floor:
            current.add(x, lateness, arrival_us)
        elif self._late is not None:
            self._frame_after_late_one(current, self._late, x, lateness, arrival_us)
        elif x > current.last_x and lateness - current.recent() > _STEP_US:
            self._late, self._late_since_us = _Stretch(x), arrival_us
            self._late.add(x, lateness, arrival_us)
        elif x > current.last_x and current.last_lateness - lateness > _LEAP_US:
            self._begin(x).add(x, lateness, arrival_us)
        else:
            current.add(x, lateness, arrival_us)

    def report(self, report: _Report) -> None:
        if not self.stretches:
            self.stretches.append(_Stretch(report.x, last_x=report.x))
        late = self._late
        (late if late is not None and report.x >= late.from_x else self.stretches[-1]).reports.append(report)

    def finish(self) -> list[_Stretch]:
        """The stretches, joined and parted by what the reports say."""
        if self._late is not None:
            self.stretches.append(self._late)
            self._late = None
        parted: list[_Stretch] = []
        for stretch in self.stretches:
            if parted and _reports_run_on(parted[-1], stretch):  # the network was late after all, and stayed so
                parted[-1].take_in(stretch)
            else:
                parted.append(stretch)
        cut = [part for stretch in parted for part in _part_by_reports(stretch)]
        for part in cut:
            part.packet_us = self.packet_us
        return cut

    def _frame_after_late_one(self, current: _Stretch, late: _Stretch, x: int, lateness: int, arrival_us: int) -> None:
        if x < late.from_x:
            current.add(x, lateness, arrival_us)
            return
        late.add(x, lateness, arrival_us)
        if lateness - current.recent() <= _STEP_US // 2:  # a network that held packets back
            current.take_in(late)
            self._late = None
        elif arrival_us - self._late_since_us >= _PATIENCE_US:
            self._late = None
            if len(self.stretches) < _MOST_STRETCHES:
                self.stretches.append(late)

    def _begin(self, x: int) -> _Stretch:
        if len(self.stretches) < _MOST_STRETCHES:
            self.stretches.append(_Stretch(x, last_x=x))
        return self.stretches[-1]


class Readings:
    """What one journal says of time."""

    def __init__(self) -> None:
        self._streams: dict[tuple[int, int], _Stream] = {}

    def add(self, record: Record) -> None:
        """Take a record in, in the journal's order."""
        if record.clock_rate <= 0 or record.kind not in (Kind.FRAME, Kind.CLOCK):
            return
        x = record.rtp * 1_000_000 // record.clock_rate
        stream = self._streams.setdefault((record.layer, record.generation), _Stream())
        if record.kind == Kind.FRAME:
            stream.packet_us = _SOUND_PACKET_US if record.codec == Codec.OPUS else 0
            stream.frame(x, record.at_us)
        elif len(record.payload) == 8:
            ntp = int.from_bytes(record.payload, "little")
            if ntp:  # RFC 3550 §6.4.1: zero when the sender has no clock
                ntp_us = ((ntp >> 32) - _NTP_UNIX_S) * 1_000_000 + ((ntp & 0xFFFFFFFF) * 1_000_000 >> 32)
                stream.report(_Report(x, ntp_us - x, record.at_us - ntp_us))

    def streams(self) -> dict[tuple[int, int], list[_Stretch]]:
        """By (layer, generation); for `align`."""
        return {key: stream.finish() for key, stream in self._streams.items()}


class TrackClock:
    """When the frames of one track were."""

    def __init__(self) -> None:
        self._starts: dict[tuple[int, int], list[int]] = {}
        self._placed: dict[tuple[int, int], list[tuple[Curve, Curve | None]]] = {}

    def add(self, key: tuple[int, int], from_x: int, first: Curve, second: Curve | None) -> None:
        """A stretch of a stream, in order. For `align`."""
        self._starts.setdefault(key, []).append(from_x)
        self._placed.setdefault(key, []).append((first, second))

    def at_us(self, record: Record) -> int:
        """When a frame was, µs since the Unix epoch; where that cannot be, when it arrived."""
        key = (record.layer, record.generation)
        starts = self._starts.get(key)
        if starts is None or record.clock_rate <= 0:
            return record.at_us
        x = record.rtp * 1_000_000 // record.clock_rate
        first, second = self._placed[key][max(bisect_right(starts, x) - 1, 0)]
        placed = x + first.at(x)
        if second is not None:
            placed += second.at(placed)
        if not record.at_us - _EARLIEST_US < placed < record.at_us + _LATEST_US:
            return record.at_us
        return round(placed)


@dataclass(slots=True)
class _SenderClock:
    """The NTP clock of one participant, or one of several that it seems to have."""

    points: list[tuple[int, int]] = field(default_factory=list)
    """(NTP in µs, server − NTP) of the quickest frames, as reported."""
    delays: list[tuple[int, int]] = field(default_factory=list)
    """(NTP in µs, server − NTP) of the reports themselves, in order."""
    corrected: list[tuple[int, int]] = field(default_factory=list)
    """``points`` where the frames can have been."""

    def delay(self, ntp_us: float) -> float:
        """Server − NTP of the quickest report of that minute, the nearest one where there is none: a lower bound."""
        after = bisect_right(self.delays, (ntp_us - _DELAY_WINDOW_US, 0))
        until = bisect_right(self.delays, (ntp_us + _DELAY_WINDOW_US, 0))
        near = self.delays[min(after, len(self.delays) - 1) : max(until, after + 1)]
        return min(delay for _, delay in near)

    def is_also(self, points: list[tuple[int, int]]) -> bool:
        """Whether those readings, in order, may be of this clock."""
        start = points[0][0]
        near = nsmallest(_COMPARED, self.points, key=lambda point: abs(point[0] - start))
        ours = quantile([y for _, y in near], FLOOR)
        theirs = quantile([y for _, y in points[:_COMPARED]], FLOOR)
        away = abs(near[0][0] - start)
        return abs(ours - theirs) < _SAME_CLOCK_US + MOST_DRIFT * away


def align(readings: Mapping[str, Readings], owners: Mapping[str, str]) -> dict[str, TrackClock]:
    """Clocks of tracks, by name; ``owners`` says which participant each is of."""
    clocks = {name: TrackClock() for name in readings}
    by_owner: dict[str, list[tuple[str, tuple[int, int], _Stretch]]] = {}
    for name, reading in readings.items():
        for key, stretches in reading.streams().items():
            by_owner.setdefault(owners[name], []).extend((name, key, stretch) for stretch in stretches)
    for found in by_owner.values():
        _align_participant(clocks, found)
    return clocks


def _align_participant(clocks: dict[str, TrackClock], found: Iterable[tuple[str, tuple[int, int], _Stretch]]) -> None:
    senders: list[_SenderClock] = []
    reported: list[tuple[str, tuple[int, int], _Stretch, _SenderClock]] = []
    placed: list[tuple[str, tuple[int, int], int, Curve, _SenderClock | None]] = []
    for name, key, stretch in found:
        if not stretch.floor:  # reports only
            continue
        curve = _believable(stretch)
        if curve is None:
            placed.append((name, key, stretch.from_x, fit(sorted(stretch.floor), FLOOR), None))
            continue
        points = _points(stretch, curve)
        sender = next((sender for sender in senders if sender.is_also(points)), None)
        if sender is None:
            sender = _SenderClock()
            senders.append(sender)
        sender.points += points
        sender.delays += ((report.x + report.ahead_us, report.delay_us) for report in stretch.reports)
        reported.append((name, key, stretch, sender))
    for sender in senders:
        sender.delays.sort()
    for name, key, stretch, sender in reported:
        corrected = _corrected(stretch, sender)
        sender.corrected += _points(stretch, corrected)
        placed.append((name, key, stretch.from_x, corrected, sender))
    offsets = {id(sender): fit(_quickest(sender.corrected), FLOOR) for sender in senders}
    for name, key, from_x, curve, sender in sorted(placed, key=lambda one: one[2]):
        clocks[name].add(key, from_x, curve, None if sender is None else offsets[id(sender)])


def _points(stretch: _Stretch, curve: Curve) -> list[tuple[int, int]]:
    """The quickest frames on the sender's clock, as `_SenderClock.points`."""
    return sorted((round(x + ahead), round(y - ahead)) for x, y in stretch.floor for ahead in (curve.at(x),))


def _corrected(stretch: _Stretch, sender: _SenderClock) -> Curve:
    """The sender's clock over RTP, moved from what the reports say to where the frames can have been made."""
    curve = _by_reports(stretch, _REPORTS_WINDOW_US)
    late = [(x, y - ahead - sender.delay(x + ahead)) for x, y in sorted(stretch.floor) for ahead in (curve.at(x),)]
    usual = quantile([lateness for _, lateness in late], FLOOR)
    shift = usual - _USUAL_US if usual > _MISREAD_US else 0
    readings = [
        (x, round(curve.at(x) + shift + min(lateness - shift - stretch.packet_us, 0))) for x, lateness in late
    ]
    return fit(readings, CENTRE, _CORRECTED_WINDOW_US)


def _by_reports(stretch: _Stretch, window_us: int = WINDOW_US) -> Curve:
    return fit([(report.x, report.ahead_us) for report in sorted(stretch.reports)], CENTRE, window_us)


def _believable(stretch: _Stretch) -> Curve | None:
    """The sender's clock over RTP by the reports; None when arrival says no."""
    if not stretch.reports:
        return None
    curve = _by_reports(stretch)
    points = _points(stretch, curve)
    minutes: dict[int, list[int]] = {}
    for x, y in points:
        minutes.setdefault(x // 60_000_000, []).append(y)
    levels = [quantile(ys, FLOOR) for ys in minutes.values()]
    drift = MOST_DRIFT * (points[-1][0] - points[0][0])
    return None if max(levels) - min(levels) > _MOST_WANDER_US + drift else curve


def _quickest(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The quickest frame of each second among the tracks of a sender."""
    seconds: dict[int, tuple[int, int]] = {}
    for x, y in points:
        best = seconds.get(x // _BIN_US)
        if best is None or y < best[1]:
            seconds[x // _BIN_US] = (x, y)
    return sorted(seconds.values())


def _agree(one: _Report, other: _Report) -> bool:
    return abs(one.ahead_us - other.ahead_us) <= _REPORT_STEP_US + MOST_DRIFT * abs(one.x - other.x)


def _reports_run_on(one: _Stretch, other: _Stretch) -> bool:
    return bool(one.reports and other.reports) and _agree(one.reports[-1], other.reports[0])


def _part_by_reports(stretch: _Stretch) -> list[_Stretch]:
    """One stretch for each setting of the sender's clock; single reports that agree with no neighbour are dropped."""
    reports = sorted(stretch.reports)
    parts: list[list[_Report]] = []
    for n, report in enumerate(reports):
        if parts and _agree(parts[-1][-1], report):
            parts[-1].append(report)
        elif not parts or n + 1 == len(reports) or _agree(report, reports[n + 1]):
            parts.append([report])
    if len(parts) > 1 and len(parts[0]) == 1:
        del parts[0]
    if len(parts) > 1 and len(parts[-1]) == 1:
        del parts[-1]
    if len(parts) < 2:
        stretch.reports = parts[0] if parts else []
        return [stretch]
    starts = [stretch.from_x, *(part[0].x for part in parts[1:])]
    cut = [_Stretch(start, reports=part) for start, part in zip(starts, parts, strict=True)]
    for x, y in stretch.floor:
        cut[max(bisect_right(starts, x) - 1, 0)].floor.append((x, y))
    return cut
