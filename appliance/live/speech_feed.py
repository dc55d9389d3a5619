"""One microphone's Opus packets, cut into the requests of a speech recogniser's streams. Pure: time is an argument.

Owns which packets are sent: those of a speaker, and a moment before and after. Refuses to know who asks, and whom::

               speaks                     quiet for HANG_S, muted, gone
    idle ──────────────────▶ a stream ────────────────────────────────────▶ idle
    keeps PREROLL_S          sends every step what has come                 the last request ends the phrase

Whoever tells no audio levels is a speaker all the time, and the recogniser's voice detection has the work. Packets come
as journal records of a tap (`recorder.journal`); repairs come late, so they are sorted by RTP time within a step.
"""

from __future__ import annotations

import heapq
import io
from dataclasses import dataclass

from appliance.ids import new_id
from appliance.recorder.journal import Codec, Kind, Record, scan

PREROLL_S = 1.0
"""Kept of what came before somebody was heard: levels are told each 200 ms, and words begin below the threshold."""
HANG_S = 1.2
"""A speaker's silence until the stream ends: longer than the pause that ends a phrase, and than people pause within
one."""
DRY_S = 0.6
"""Nothing came for so long, as Opus sends nothing in a pause (DTX): the phrase has ended, though no silence says so."""
MAX_STEP_S = 5.0
"""Of sound in one request: after a stall some large ones catch up cheaper than many small ones."""
MAX_BEHIND_S = 8.0
"""More than this waits only where the machine cannot keep up; captions this late are of no use."""
KEEP_S = 2.0
"""What is kept then: the newest."""
GAP_RTP = 5760
"""120 ms at 48 kHz, the longest Opus packet (RFC 6716 §3.2.5): packets further apart do not follow each other."""
_RTP_PER_S = 48_000
"""RFC 7587 §4.1: whatever the encoder does."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a stream."""

    stream: str
    packets: tuple[bytes, ...]
    at_ms: float
    """Of the first packet, from the stream's beginning."""
    each_at_ms: tuple[float, ...]
    """Of each packet."""
    base_ms: int
    """When the stream began, Unix time of the taps' clock."""
    last: bool
    """Ends the stream."""

    @property
    def payload(self) -> bytes:
        """All packets, one behind the other."""
        return b"".join(self.packets)


class SpeechFeed:
    """One track's."""

    def __init__(self, *, gated: bool) -> None:
        """``gated``: only what is said while `step` is told that the participant speaks; False: everything."""
        self._gated = gated
        self._pending: list[tuple[int, int, bytes]] = []
        """Heap of (RTP time, arrival µs, packet)."""
        self._coming: list[tuple[int, int, bytes]] | None = None
        """As `_pending`, of the track's next clock (another generation), until the stream has ended."""
        self._generation: int | None = None
        self._stream: str | None = None
        self._base_rtp = 0
        self._base_us = 0
        self._next_rtp: int | None = None
        """Nothing before this is sent any more."""
        self._came_us = 0
        self._heard_us = -(2**62)
        self._cut = False
        """The track was muted, or its clock began anew: what is to come is another stream."""
        self.mid_phrase = False
        """As the recogniser said last."""
        self.shed_s = 0.0
        """Speech that was left out because too much waited."""

    @property
    def stream(self) -> str | None:
        """The stream that goes on."""
        return self._stream

    def take(self, records: bytes) -> None:
        """Whole records of the tap."""
        if not records:
            return
        for record in scan(io.BytesIO(records)):
            if record.kind == Kind.FRAME and record.codec == Codec.OPUS and record.payload:
                self._take(record)
            elif record.kind == Kind.MUTED:
                self._cut = True

    def _take(self, record: Record) -> None:
        if record.generation != self._generation:
            self._generation = record.generation
            self._coming, self._cut = [], True
            if self._stream is None:
                self.end_stream()
        self._came_us = max(self._came_us, record.at_us)
        if self._coming is not None:
            heapq.heappush(self._coming, (record.rtp, record.at_us, record.payload))
        elif self._next_rtp is None or record.rtp >= self._next_rtp:
            heapq.heappush(self._pending, (record.rtp, record.at_us, record.payload))

    def step(self, now_us: int, *, speaking: bool, ending: bool) -> Step | None:
        """What is to be asked now, if anything; call again until it gives None. ``ending``: nothing more will come."""
        if speaking or not self._gated:
            self._heard_us = now_us
        is_open = now_us - self._heard_us < HANG_S * 1e6
        if self._stream is None:
            self._trim(now_us)
            self._cut = False
            if not is_open or not self._pending:
                return None
            self._begin()
        self._shed()
        packets, at_rtp, each_rtp = self._run()
        last = not self._pending and (ending or self._cut or not is_open or self._is_dry(now_us))
        if not packets and not last:
            return None
        assert self._stream is not None
        step = Step(
            stream=self._stream,
            packets=packets,
            at_ms=self._at_ms(at_rtp),
            each_at_ms=tuple(self._at_ms(rtp) for rtp in each_rtp),
            base_ms=self._base_us // 1000,
            last=last,
        )
        if last:
            self.end_stream()
        return step

    def end_stream(self) -> None:
        """The stream is over, also when the recogniser failed; what comes next is another one."""
        self._stream, self._cut, self.mid_phrase = None, False, False
        if self._coming is not None:
            self._pending, self._coming, self._next_rtp = self._coming, None, None

    def _begin(self) -> None:
        self._base_rtp, self._base_us, _ = self._pending[0]
        self._stream = new_id("spk")

    def _at_ms(self, rtp: int) -> float:
        return max(0.0, (rtp - self._base_rtp) / _RTP_PER_S * 1000)

    def _is_dry(self, now_us: int) -> bool:
        return self.mid_phrase and now_us - self._came_us > DRY_S * 1e6

    def _trim(self, now_us: int) -> None:
        """Of what nobody said, keep the newest."""
        while self._pending and now_us - self._pending[0][1] > PREROLL_S * 1e6:
            heapq.heappop(self._pending)

    def _shed(self) -> None:
        if not self._pending:
            return
        newest = max(rtp for rtp, _, _ in self._pending)
        if newest - self._pending[0][0] <= MAX_BEHIND_S * _RTP_PER_S:
            return
        first = self._pending[0][0]
        while self._pending[0][0] < newest - KEEP_S * _RTP_PER_S:
            heapq.heappop(self._pending)
        self.shed_s += (self._pending[0][0] - first) / _RTP_PER_S

    def _run(self) -> tuple[tuple[bytes, ...], int, list[int]]:
        """Packets that follow each other, the RTP time of the first, and of each."""
        packets: list[bytes] = []
        each: list[int] = []
        first = before = self._next_rtp if self._next_rtp is not None else self._base_rtp
        while self._pending:
            rtp, _, packet = self._pending[0]
            if packets and (rtp - before > GAP_RTP or rtp - first > MAX_STEP_S * _RTP_PER_S):
                break
            heapq.heappop(self._pending)
            if packets and rtp == before:
                continue  # it came twice
            if not packets:
                first = rtp
            packets.append(packet)
            each.append(rtp)
            before = rtp
        if packets:
            self._next_rtp = before + 1
        return tuple(packets), first, each
