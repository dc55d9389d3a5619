"""A load, what a measured window of it showed, and what makes the window void."""

from __future__ import annotations

import argparse
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

# 30 frames of 10 packets of 1200 bytes: 2.9 Mbit/s of video; Opus at 40 kbit/s.
MEDIA = {"fps": 30, "packets_per_frame": 10, "video_bytes": 1200, "audio_pps": 50, "audio_bytes": 100}
# Loads with loss are played over a continent: 50 ms of round trip (the rule of the benchmark).
LOSSY_DELAY_MS = 25

# Above this share of its core the generator adds latency of its own (rule of the benchmark).
GENERATOR_CPU_MOST = 0.85
# Others on the two cores cost the measured ones caches and time; a desktop's background noise is below this.
FOREIGN_MOST = 0.15
# Offered must be what the plan says: a frame more or less at the ends of the window is 1 %.
OFFERED_LEAST = 0.98
# Less than this, and the server (or its bandwidth estimate) held media back: cheap, but not forwarding.
RECEIVED_LEAST = 0.98


@dataclass(frozen=True)
class Load:
    """Who is in the rooms, and the network between them and the server."""

    name: str
    rooms: int
    publishers: int
    subscribers: int
    video: bool
    audio: bool = True
    loss: float = 0.0
    media: Mapping[str, int] = field(default_factory=lambda: MEDIA)
    """What a publisher sends, as `MEDIA`."""

    @property
    def clients(self) -> int:
        return self.rooms * (self.publishers + self.subscribers)

    @property
    def link(self) -> dict[str, float]:
        return {"loss": self.loss, "delay_ms": LOSSY_DELAY_MS if self.loss else 0}

    @property
    def offered_pps(self) -> float:
        """Packets that all publishers together send in a second."""
        video = self.media["fps"] * self.media["packets_per_frame"] if self.video else 0
        return self.rooms * self.publishers * (video + (self.media["audio_pps"] if self.audio else 0))


def parse_load(text: str) -> Load:
    """``[ROOMS*]PUBLISHERS+SUBSCRIBERS[a][~LOSS%]``; ArgumentTypeError otherwise."""
    match = re.fullmatch(r"(?:(\d+)\*)?(\d+)\+(\d+)(a?)(?:~(\d+)%)?", text)
    if match is None or int(match[2]) == 0:
        raise argparse.ArgumentTypeError(f"not [ROOMS*]PUBLISHERS+SUBSCRIBERS[a][~LOSS%]: {text!r}")
    loss = int(match[5] or 0) / 100
    return Load(text, int(match[1] or 1), int(match[2]), int(match[3]), video=not match[4], loss=loss)


@dataclass(frozen=True)
class Window:
    """What one measured window showed."""

    load: Load
    server: str
    cipher: str
    clients: int
    seconds: float
    received: int
    received_share: float
    video_share: float
    """Of the video packets that receivers should have got, repaired ones included."""
    worst_received_share: float
    cpu_s: float
    cpu_s_by_thread: dict[str, float]
    generator_cpu_share: float
    foreign_cpu_share: float
    """What others used of the core that they used more of."""
    rss_bytes: int
    rss_per_peer_bytes: float
    latency: dict[str, float]
    audio_latency: dict[str, float]
    join: dict[str, float]
    report: dict[str, Any] = field(repr=False)
    machine: tuple[str, ...] = ()
    """Why it says nothing of the server."""
    void: tuple[str, ...] = ()

    @property
    def received_pps(self) -> float:
        return self.received / self.seconds

    @property
    def cpu_s_per_million(self) -> float:
        return self.cpu_s / self.received * 1e6 if self.received else float("inf")

    @property
    def server_cpu_share(self) -> float:
        return self.cpu_s / self.seconds

    @property
    def subscribers(self) -> int:
        return self.clients - self.load.rooms * self.load.publishers

    @property
    def repaired_share(self) -> float | None:
        """Of the video packets that one of the two ways lost, those that arrived after all; None without loss."""
        lost = 1 - (1 - self.load.loss) ** 2
        return None if not lost else 1 - (1 - self.video_share) / lost

    def figures(self) -> dict[str, Any]:
        """For the last line."""
        figures = asdict(self)
        del figures["report"], figures["machine"]
        figures["load"] = self.load.name
        figures["cpu_s_per_million"] = round(self.cpu_s_per_million, 3) if self.received else None
        figures["received_pps"] = round(self.received_pps)
        for name in ("offered", "expected", "received", "nacked", "repaired", "plis", "lost_down", "lost_up"):
            figures[name] = self.report[name]
        return figures


def machine_because(report: dict[str, Any], generator_share: float, foreign_share: float) -> Iterator[str]:
    """Why a window says nothing of the server: the machine was the bottleneck."""
    if generator_share > GENERATOR_CPU_MOST:
        yield f"the generator used {generator_share:.0%} of its core"
    if foreign_share > FOREIGN_MOST:
        yield f"others used {foreign_share:.0%} of a core"
    if report["socket_drops"] or report["send_errors"]:
        yield f"the generator lost {report['socket_drops'] + report['send_errors']} datagrams"


def void_because(
    load: Load,
    seconds: float,
    ready: dict[str, Any],
    report: dict[str, Any],
    generator_share: float,
    foreign_share: float,
) -> Iterator[str]:
    """Why a window must not be counted."""
    yield from machine_because(report, generator_share, foreign_share)
    if ready["complete"] < ready["connections"] or report["failures"]:
        first = report["failures"][0] if report["failures"] else "no failure told"
        yield f"{ready['complete']} of {ready['connections']} connections had all media: {first}"
    if report["offered"] < OFFERED_LEAST * load.offered_pps * seconds:
        yield f"only {report['offered']} packets were offered"
    # sound is not sent again: on a lossy network only what is counts
    repairable = load.loss and load.video
    got = report["video"]["count"] if repairable else report["received"]
    due = report["video_expected"] if repairable else report["expected"]
    if got < RECEIVED_LEAST * due:
        yield f"media were throttled or lost: {got} of {due} received"


def counted(windows: Sequence[Window]) -> list[Window]:
    """Those that stand for something: the valid ones, all if none is valid. The first of more than two only warmed the
    machine up."""
    later = list(windows[1:] if len(windows) > 2 else windows)
    return [window for window in later if not window.void] or later


def median_window(windows: Sequence[Window]) -> Window:
    """By CPU, of the counted ones."""
    chosen = counted(windows)
    middle = statistics.median_low([window.cpu_s_per_million for window in chosen])
    return next(window for window in chosen if window.cpu_s_per_million == middle)
