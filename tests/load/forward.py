"""What forwarding costs: virtual clients with real ICE, DTLS and SRTP around one `parley serve`.

The server is alone on core 0, the generator (tests/load/generator, Rust) on core 1; both talk over loopback, each
client from an address of its own. Publishers send VP8 at 30 frames a second in bursts of 10 packets of 1200 bytes and
Opus at 50 packets a second; receivers report, give transport-wide feedback and ask for what is missing. Counted are
packets that receivers got in the window, and the CPU time of all threads of the server meanwhile.

    python tests/load/forward.py [--quick] [--cipher gcm|cm|both] [--rounds N] [--alone] [LOAD ...]
    python tests/load/forward.py --results        every table of RESULTS.md, about 17 minutes
    python tests/load/forward.py --scenario NAME  one of them: table, rooms, sweep, audio, loss, busy, junk
    python tests/load/forward.py --whip URL --whep URL [--token T] [1+N ...]   any other server, and ours likewise

With --whip and --whep clients speak nothing but these: one publisher a room, "{room}" in the URLs stands for load0,
load1, …. The server must run on this machine, started with `taskset -c 0`: its CPU is found by its listening port.

A LOAD is [ROOMS*]PUBLISHERS+SUBSCRIBERS, with "a" behind it for sound alone, with "~1%" for that much loss each way
and 50 ms of round trip: 1+100, 8*8+0, 3+300a, 1+50~5%. A window is void, and says so, when the generator was the
bottleneck, others used the cores or media were throttled: see figures.void_because.

Compared with Janus where it is installed (apt-get install janus) and namespaces can be made (root): rounds alternate,
with more than two the first of each server is dropped, the table shows the median by CPU and the range. The ratio is
Janus' CPU for a million packets divided by ours.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.load.generator import driver, procfs, scenarios, servers, table  # noqa: E402
from tests.load.generator.figures import Load, Window, median_window, parse_load  # noqa: E402
from tests.load.generator.servers import Starter  # noqa: E402

FULL = ("1+10", "1+50", "1+100", "1+200", "8*8+0", "16+0", "3+300a")
# A round takes 8 to 12 s: start, joins, 4 s of measuring, stop; each load is played for both servers.
QUICK = ("1+50", "8+0")
STREAMED = ("1+10", "1+50")
HEADLINE, QUICK_HEADLINE = "1+100", "1+50"
LOSSY = ("1+50~1%", "1+50~5%")

SCENARIOS = ("table", "rooms", "sweep", "audio", "loss", "busy", "junk")
# Rounds of --results: of the headline as many as the benchmark's rule asks for; the rest so that it takes 20 minutes.
HEADLINE_ROUNDS, OTHER_ROUNDS = 7, 3
BUSY_WINDOWS, JUNK_PAIRS = 3, 5
EVERY_CIPHER = ("gcm", "cm")


class Bench:
    """The scenarios of one call: measures, prints, and keeps what the last line tells."""

    def __init__(self, starters: dict[str, Starter], missing: dict[str, str]) -> None:
        self.starters, self.missing = starters, missing
        self.peer = next((name for name in starters if name != "parley"), "janus")
        self.groups: list[list[Window]] = []
        self.failed: list[str] = []
        self.detail: dict[str, Any] = {"machine": procfs.machine(), "not_compared": self.missing}

    def _kept(self, name: str, groups: list[list[Window]]) -> list[list[Window]]:
        self.groups += groups
        self.detail.setdefault(name, []).extend(window.figures() for group in groups for window in group)
        return groups

    def table(self, title: str, loads: list[Load], ciphers: tuple[str, ...], rounds: int) -> list[list[Window]]:
        groups = self._kept("rounds", scenarios.table(loads, self.starters, ciphers, rounds))
        table.show_windows(title, groups, self.missing)
        return groups

    def headline(self) -> None:
        self.table("One publisher, 100 subscribers", [parse_load(HEADLINE)], EVERY_CIPHER, HEADLINE_ROUNDS)

    def rooms(self) -> None:
        loads = [parse_load(text) for text in ("8*8+0", "16+0")]
        self.table("Everybody publishes", loads, EVERY_CIPHER[:1], OTHER_ROUNDS)

    def sweep(self) -> None:
        sweeps = [
            scenarios.sweep(starter, cipher, "1", scenarios.VIDEO_STEPS, scenarios.VIDEO_MOST)
            for cipher in EVERY_CIPHER
            for starter in self.starters.values()
        ]
        table.show_sweep("One publisher, more and more subscribers", self._kept("sweep", sweeps), self.missing)

    def audio(self) -> None:
        steps = scenarios.AUDIO_STEPS
        sweeps = [scenarios.sweep(starter, "gcm", "3a", steps, steps[-1]) for starter in self.starters.values()]
        table.show_sweep("Sound alone: three speak, more and more hear", self._kept("audio", sweeps), self.missing)

    def loss(self) -> None:
        loads = [parse_load(text) for text in LOSSY]
        groups = self.table("Loss each way, 50 ms of round trip", loads, EVERY_CIPHER[:1], 1)
        table.show_loss("Repair", groups)

    def busy(self) -> None:
        group = scenarios.busy(self.starters["parley"], "gcm", BUSY_WINDOWS)
        table.show_windows(f"Added latency at {scenarios.BUSY_SHARE:.0%} load", self._kept("busy", [group]), {})

    def junk(self) -> None:
        pairs = scenarios.junk(self.starters["parley"], "gcm", JUNK_PAIRS)
        load = scenarios.JUNK_LOAD
        table.show_junk(f"{load} beside {scenarios.JUNK_PPS} packets a second of strangers", pairs)
        self.detail["junk"] = [
            {
                "without": pair.without.figures(),
                "beside": pair.beside.figures(),
                "sent": pair.strangers.sent,
                "replies": pair.strangers.replies,
                "p99_ratio": round(pair.p99_ratio, 3),
            }
            for pair in pairs
        ]

    def medians(self) -> dict[tuple[str, str, str], Window]:
        """By load, cipher and server; of what was measured in rounds."""
        rounds = [group for group in self.groups if len({window.clients for window in group}) == 1]
        return {(w.load.name, w.cipher, w.server): w for w in map(median_window, rounds)}

    def last_line(self, headline: str) -> str:
        medians = self.medians()
        ratios: dict[str, float | None] = {}
        for load, cipher in dict.fromkeys((load, cipher) for load, cipher, _ in medians):
            ours, peer = (figure(medians.get((load, cipher, name))) for name in ("parley", self.peer))
            ratios[f"{load} {cipher}"] = ratio(ours, peer)
            if ours is not None and peer is not None:
                print(f"{load}, {cipher}: {self.peer.capitalize()} needs {peer / ours:.2f} times our CPU")
        found = [(load, cipher) for load, cipher, _ in medians]
        load, cipher = next((key for key in found if key[0] == headline), found[0] if found else (headline, "gcm"))
        ours, peer = (figure(medians.get((load, cipher, name))) for name in ("parley", self.peer))
        detail = {"load": load, "cipher": cipher, "ratios": ratios, "failed": self.failed, **self.detail}
        unit = "CPU-s per million packets received"
        result = {"bench": "forward", "unit": unit, "ours": ours, "peer": peer, "ratio": ratio(ours, peer)}
        return json.dumps({**result, "detail": detail})


def figure(window: Window | None) -> float | None:
    """What is compared; None of a void window."""
    return None if window is None or window.void else round(window.cpu_s_per_million, 3)


def ratio(ours: float | None, peer: float | None) -> float | None:
    return None if ours is None or peer is None else round(peer / ours, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{', '.join(QUICK)} only, within 50 s")
    parser.add_argument("--cipher", choices=("gcm", "cm", "both"), default="gcm", help="AEAD_AES_128_GCM, or AES-CM")
    parser.add_argument("--rounds", type=int, default=1, help="of each server, cipher and load")
    parser.add_argument("--alone", action="store_true", help="without Janus")
    parser.add_argument("--results", action="store_true", help="all scenarios, as RESULTS.md has them")
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, default=[], help="one of --results")
    parser.add_argument("--whip", metavar="URL", help="another server's endpoint for publishers, {room} for a room")
    parser.add_argument("--whep", metavar="URL", help="its endpoint for viewers")
    parser.add_argument("--token", default="", help="bearer token of both")
    parser.add_argument("load", nargs="*", type=parse_load)
    arguments = parser.parse_args()
    if bool(arguments.whip) != bool(arguments.whep) or (arguments.whip and (arguments.results or arguments.scenario)):
        parser.error("--whip and --whep come together, with loads and not with scenarios")
    driver.build()
    began = time.monotonic()
    if arguments.whip:
        other = servers.running_elsewhere(arguments.whip, arguments.whep, arguments.token)
        bench = Bench({"parley": servers.parley_whip, "other": other}, {})
    else:
        bench = Bench(*servers.starters(alone=arguments.alone))
    wanted = SCENARIOS if arguments.results else tuple(arguments.scenario)
    if wanted:
        steps: dict[str, Callable[[], None]] = {
            "table": bench.headline, "rooms": bench.rooms, "sweep": bench.sweep, "audio": bench.audio,
            "loss": bench.loss, "busy": bench.busy, "junk": bench.junk,
        }  # fmt: skip
        for name in wanted:
            since = time.monotonic()
            try:
                steps[name]()
            except Exception:  # a long run keeps what the other scenarios show
                traceback.print_exc()
                bench.failed.append(name)
            print(f"\n({name}: {time.monotonic() - since:.0f} s)", flush=True)
    else:
        usual = STREAMED if arguments.whip else QUICK if arguments.quick else FULL
        loads = arguments.load or [parse_load(text) for text in usual]
        ciphers = EVERY_CIPHER if arguments.cipher == "both" else (arguments.cipher,)
        bench.table("Forwarding", loads, ciphers, arguments.rounds)
    print(f"\n{time.monotonic() - began:.0f} s in all\n")
    print(bench.last_line(QUICK_HEADLINE if arguments.quick else HEADLINE))
    if bench.failed:
        sys.exit(f"failed: {', '.join(bench.failed)}")


if __name__ == "__main__":
    main()
