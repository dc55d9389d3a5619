"""The scenarios: which windows are measured of which server, in which order.

Each takes starters of servers (servers.py) and returns windows (figures.py); printing is table.py's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tests.load.generator import driver
from tests.load.generator.driver import Junk, Strangers
from tests.load.generator.figures import Load, Window, parse_load
from tests.load.generator.servers import Starter

# A window's length and the pause before it. Four seconds are 1400 packets of each publisher; CPU is counted in steps
# of 10 ms, 2 % of what the smallest load uses in that time.
WINDOW_S, SETTLE_S = 4.0, 1.0
STEP_S, STEP_SETTLE_S = 2.5, 0.7

# Subscribers of the sweeps; beyond the list, each step is this much larger than the one before.
VIDEO_STEPS = (10, 25, 50, 100, 200, 300, 400, 500)
AUDIO_STEPS = (10, 30, 100, 300, 500, 700, 850, 1000)
STEP_GROWTH = 1.15
# Everybody in a room is told of each join: with a thousand people one takes 0.15 s of the server's core.
SWEEP_JOINS_PER_S = 12.0
VIDEO_MOST = 1200
# A server is saturated at either (rule of the benchmark).
LOSS_MOST = 0.001
P99_MOST_MS = 20.0

# "At 60 % load" (the promise about added latency): rooms of eight, as many as it takes.
BUSY_SHARE = 0.60
BUSY_FIRST_ROOMS = 6

JUNK_PPS = 50_000
JUNK_LOAD = "1+50"


def table(
    loads: Iterable[Load], starters: Mapping[str, Starter], ciphers: Iterable[str], rounds: int
) -> list[list[Window]]:
    """Rounds of each load, ciphers and servers taking turns; a list of windows for each load, cipher and server."""
    found: list[list[Window]] = []
    for load in loads:
        mine: dict[tuple[str, str], list[Window]] = {}
        for _ in range(rounds):
            for cipher in ciphers:
                for name, starter in starters.items():
                    mine.setdefault((cipher, name), []).append(one_window(load, starter, cipher))
        found += mine.values()
    return found


def one_window(load: Load, starter: Starter, cipher: str) -> Window:
    """Of a fresh server."""
    with starter(load.rooms) as target, driver.playing(load, target, cipher) as player:
        return player.window(WINDOW_S, SETTLE_S)


def is_saturated(window: Window) -> bool:
    return window.received_share < 1 - LOSS_MOST or window.latency["p99_ms"] >= P99_MOST_MS


def sweep(starter: Starter, cipher: str, publishers: str, steps: tuple[int, ...], most: int) -> list[Window]:
    """More and more subscribers for the same publishers in one run, until the server is saturated (it gets a second
    chance at each step) or the generator cannot follow; ``publishers`` as "1" or "3a"."""
    sound = publishers.endswith("a")
    load = parse_load(f"{publishers.rstrip('a')}+{most}{'a' if sound else ''}")
    found: list[Window] = []
    with starter(1) as target, driver.playing(load, target, cipher) as player:
        subscribers, left = 0, list(steps)
        while subscribers < most:
            subscribers = left.pop(0) if left else min(most, round(subscribers * STEP_GROWTH))
            window = player.window(STEP_S, STEP_SETTLE_S, subscribers=subscribers, joins_per_s=SWEEP_JOINS_PER_S)
            if is_saturated(window):
                joins = window.join  # of those who came for this step
                window = replace(player.window(STEP_S, STEP_SETTLE_S, subscribers=subscribers), join=joins)
            found.append(window)
            if is_saturated(window) or any("generator" in reason for reason in window.void):
                break
    return found


def busy(starter: Starter, cipher: str, windows: int) -> list[Window]:
    """Rooms of eight that take the server to ``BUSY_SHARE`` of its core. The first window, of a few rooms, is left
    out: it tells how many it takes."""
    first = one_window(parse_load(f"{BUSY_FIRST_ROOMS}*8+0"), starter, cipher)
    rooms = max(1, round(BUSY_FIRST_ROOMS * BUSY_SHARE / first.server_cpu_share))
    load = parse_load(f"{rooms}*8+0")
    with starter(rooms) as target, driver.playing(load, target, cipher) as player:
        return [player.window(WINDOW_S, SETTLE_S) for _ in range(windows)]


@dataclass(frozen=True)
class JunkPair:
    """Two windows of the same run, one behind the other."""

    without: Window
    beside: Window
    strangers: Strangers

    @property
    def p99_ratio(self) -> float:
        return self.beside.latency["p99_ms"] / self.without.latency["p99_ms"]


def junk(starter: Starter, cipher: str, pairs: int) -> list[JunkPair]:
    """A room without and with packets of strangers at the server's port, in turns, after a window of warming up."""
    load = parse_load(JUNK_LOAD)
    found: list[JunkPair] = []
    with starter(1) as target, driver.playing(load, target, cipher) as player:
        player.window(1.0, SETTLE_S)
        for seed in range(pairs):
            without = player.window(WINDOW_S, 0.3)
            with Junk(target.media, JUNK_PPS, seed) as beside:
                window = player.window(WINDOW_S, 0.3, beside=beside.strangers.pid)
            found.append(JunkPair(without, window, beside.strangers))
    return found
