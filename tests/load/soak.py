"""Half an hour at half load: does anything grow, get slower, or complain?

Rooms of eight people on one `parley serve`, as many as take it to half of its core, with the load generator of
forward.py. Memory, descriptors, threads and tasks are looked at after each window; the first fifth of them is warming
up and does not count. Shown is the line of best fit through the rest: what the server grows by in a minute.

    python tests/load/soak.py [--minutes 30] [--rooms N] [--quick]

It fails (exit code 1) on an error line in the server's log, on loss in a window in which nobody else used the cores,
and when something is left after everybody went.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.load.generator import driver, procfs, servers, table  # noqa: E402
from tests.load.generator.figures import Window, parse_load  # noqa: E402
from tests.load.generator.scenarios import SETTLE_S, one_window  # noqa: E402
from tests.support.server import Server  # noqa: E402

MINUTES = 30.0
WINDOW_LONG_S, WINDOW_SHORT_S = 20.0, 3.0
# Quick: 32 people, 6 windows; with the start and the joins it ends within 50 s.
QUICK_ROOMS, QUICK_WINDOWS = 4, 6
HALF = 0.5
# What takes the server to half of its core is reckoned from this many rooms.
FIRST_ROOMS = 4
WARM_UP_SHARE = 0.2
# Loopback loses nothing; one packet in a million may meet a full queue while the machine does something else.
LOSS_MOST = 1e-6
# Meetings end this long after the last person left; everything of theirs must be gone soon after.
GRACE_S = 1.0
REST_WITHIN_S = 15.0
SHOWN_ROWS = 15


@dataclass(frozen=True)
class Sample:
    """What the server held after a window."""

    minute: float
    window: Window
    rss_kib: float
    files: int
    threads: int
    tasks: int


def slope(samples: Sequence[Sample], read: Any) -> float:
    """Growth in a minute: least squares."""
    if len(samples) < 2:
        return 0.0
    return statistics.linear_regression([s.minute for s in samples], [float(read(s)) for s in samples]).slope


def half_load() -> int:
    """Rooms of eight that take the server to half of its core."""
    first = one_window(parse_load(f"{FIRST_ROOMS}*8+0"), servers.parley, "gcm")
    return max(1, round(FIRST_ROOMS * HALF / first.server_cpu_share))


def complaints(log: str) -> list[str]:
    """Lines of the server's log that are errors or warnings, and what is no line of JSON, as a traceback."""
    found = []
    for line in filter(str.strip, log.splitlines()):
        try:
            entry = json.loads(line)
        except ValueError:
            if "ready" not in line and "/setup?token=" not in line:
                found.append(line)
            continue
        if entry.get("level") not in ("info", "debug"):
            found.append(line)
    return found


def rest(server: Server) -> dict[str, int]:
    """What is left once everybody went; empty if it is nothing."""
    deadline = time.monotonic() + REST_WITHIN_S
    while True:
        left = {name: count for name, count in server.usage().items() if count}
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.5)


def soak(rooms: int, windows: int, seconds: float) -> tuple[list[Sample], list[str], dict[str, int]]:
    """The samples, what the log says, what is left at the end."""
    load = parse_load(f"{rooms}*8+0")
    settings = {
        "PARLEY_MEETINGS__EMPTY_GRACE_S": str(GRACE_S),
        "PARLEY_LOG__LEVEL": "info",
        "PARLEY_LOG__FORMAT": "json",
    }
    samples: list[Sample] = []
    with servers.parley_server(rooms, **settings) as (server, target):
        with driver.playing(load, target, "gcm") as player:
            began = time.monotonic()
            for number in range(windows):
                window = player.window(seconds, 0.0 if number else SETTLE_S)
                held = (procfs.open_files(server.pid), procfs.threads(server.pid), int(server.metric("tasks")))
                minute = (time.monotonic() - began) / 60
                samples.append(Sample(minute, window, window.rss_bytes / 1024, *held))
        left = rest(server)
        log = server.log()
    return samples, complaints(log), left


def show(samples: Sequence[Sample]) -> None:
    """At most ``SHOWN_ROWS`` of them, evenly."""
    step = max(1, len(samples) // SHOWN_ROWS)
    rows = [
        (
            f"{s.minute:.1f}",
            f"{s.window.received_pps / 1000:.1f}",
            f"{s.window.received_share:.4%}",
            f"{s.window.server_cpu_share:.0%}",
            *(f"{s.window.latency[name]:.1f}" for name in ("p50_ms", "p99_ms", "p999_ms")),
            f"{s.rss_kib / 1024:.1f}",
            str(s.files),
            str(s.threads),
            str(s.tasks),
            "; ".join(s.window.void),
        )
        for s in samples[::step]
    ]
    columns = ("minute", "kpps", "received", "core", "p50 ms", "p99", "p99.9", "RSS MiB", "files", "threads", "tasks",
               "remarks")  # fmt: skip
    table.show(f"Soak: {samples[0].window.load.name}", columns, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROOMS} rooms, within 50 s")
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--rooms", type=int, help="of eight people each; without it, as many as take half of the core")
    arguments = parser.parse_args()
    driver.build()
    if arguments.quick:
        rooms, windows, seconds = arguments.rooms or QUICK_ROOMS, QUICK_WINDOWS, WINDOW_SHORT_S
    else:
        rooms, seconds = arguments.rooms or half_load(), WINDOW_LONG_S
        windows = max(2, round(arguments.minutes * 60 / seconds))
    samples, log, left = soak(rooms, windows, seconds)
    show(samples)
    warm = samples[int(len(samples) * WARM_UP_SHARE) :]
    first, last = (statistics.median(s.window.latency["p99_ms"] for s in part) for part in halves(warm))
    # what the machine lost, because others used it, is not the server's loss
    fair = [s.window.report for s in samples if not s.window.machine]
    loss = 1 - sum(r["received"] for r in fair) / sum(r["expected"] for r in fair) if fair else None
    growth = slope(warm, lambda s: s.rss_kib)
    detail = {
        "rooms": rooms,
        "minutes": round(samples[-1].minute, 1),
        "core": round(statistics.median(s.window.server_cpu_share for s in warm), 3),
        "received_kpps": round(statistics.median(s.window.received_pps for s in warm) / 1000, 1),
        "rss_mib_first_last": [round(s.rss_kib / 1024, 1) for s in (warm[0], warm[-1])],
        "files_per_minute": round(slope(warm, lambda s: s.files), 3),
        "threads_per_minute": round(slope(warm, lambda s: s.threads), 3),
        "tasks_per_minute": round(slope(warm, lambda s: s.tasks), 3),
        "windows": len(samples),
        "fair_windows": len(fair),
        "loss_in_fair_windows": loss,
        "p99_ms_first_half": first,
        "p99_ms_second_half": last,
        "log_complaints": log[:20],
        "left": left,
        "remarks": sorted({reason for s in samples for reason in s.window.void})[:5],
    }
    print()
    for name, value in (("rss_kib_per_minute", round(growth, 1)), *detail.items()):
        print(f"- {name}: {value}")
    result = {"bench": "soak", "unit": "KiB of RSS a minute", "ours": round(growth, 1), "peer": None, "ratio": None}
    print(json.dumps({**result, "detail": detail}))
    sys.exit(1 if log or left or (loss is not None and loss > LOSS_MOST) else 0)


def halves(samples: Sequence[Sample]) -> tuple[Sequence[Sample], Sequence[Sample]]:
    """The earlier and the later; of one sample, twice that."""
    middle = max(1, len(samples) // 2)
    return samples[:middle], samples[middle:] or samples


if __name__ == "__main__":
    main()
