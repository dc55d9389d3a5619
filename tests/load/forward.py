"""What forwarding costs: virtual clients with real ICE, DTLS and SRTP around one `parley serve`.

The server is alone on core 0, the generator (tests/load/generator, Rust) on core 1; both talk over loopback, each
client from an address of its own. Publishers send VP8 at 30 frames a second in bursts of 10 packets of 1200 bytes and
Opus at 50 packets a second; receivers report, give transport-wide feedback and ask for what is missing. Counted are
packets that receivers got in the window, and the CPU time of all threads of the server meanwhile.

    python tests/load/forward.py [--quick] [--cipher gcm|cm] [LOAD ...]

A LOAD is [ROOMS*]PUBLISHERS+SUBSCRIBERS with "a" behind it for sound alone: 1+100, 8*8+0, 3+300a. A run is void, and
says so, when the generator was the bottleneck or media were throttled: see `void_because`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.load.generator import driver  # noqa: E402
from tests.load.generator.driver import Load, Round  # noqa: E402
from tests.support.server import running_server  # noqa: E402

FULL = ("1+10", "1+50", "1+100", "1+200", "8*8+0", "16+0", "3+300a")
# Each load takes 8 to 12 s: start, joins, 4 s of measuring, stop.
QUICK = ("1+20", "1+50", "8+0")
HEADLINE = "1+100"
QUICK_HEADLINE = "1+50"

SETTINGS = {
    "PARLEY_MEETINGS__MAX_PARTICIPANTS": "5000",
    "PARLEY_LIMITS__JOIN_PER_MINUTE": "100000",
    "PARLEY_LOG__LEVEL": "warning",
}

COLUMNS = ("load", "clients", "kpps", "received", "CPU-s/M", "CPU", "p50", "p99", "p99.9", "join p50", "p99", "kB/peer",
           "gen CPU", "")  # fmt: skip


def parse_load(text: str) -> Load:
    """``[ROOMS*]PUBLISHERS+SUBSCRIBERS[a]``; ArgumentTypeError otherwise."""
    match = re.fullmatch(r"(?:(\d+)\*)?(\d+)\+(\d+)(a?)", text)
    if match is None or int(match[2]) == 0:
        raise argparse.ArgumentTypeError(f"not [ROOMS*]PUBLISHERS+SUBSCRIBERS[a]: {text!r}")
    return Load(text, int(match[1] or 1), int(match[2]), int(match[3]), video=not match[4])


def measure(load: Load, cipher: str, *, quick: bool) -> Round:
    """One round against a fresh server."""
    with (
        tempfile.TemporaryDirectory(prefix="parley-forward-") as folder,
        driver.core(driver.SERVER_CORE),
        running_server(Path(folder), SETTINGS) as server,
    ):
        host = server.client().register("ana", "Ana")
        drafts = [{"title": f"load {number}", "max_participants": 5000} for number in range(load.rooms)]
        meetings = [host.post("/meetings", draft)["code"] for draft in drafts]
        return driver.run_round(load, server.pid, server.url, meetings, cipher=cipher, quick=quick)


def row(round_: Round) -> tuple[str, ...]:
    """The cells of a table row."""
    r = round_
    return (
        r.load.name,
        str(r.load.clients),
        f"{r.received_pps / 1000:.1f}",
        f"{r.received_share:.3%}",
        f"{r.cpu_s_per_million:.2f}",
        f"{r.server_cpu_share:.0%}",
        *(f"{r.latency[name]:.1f}" for name in ("p50_ms", "p99_ms", "p999_ms")),
        *(f"{r.join[name]:.0f}" for name in ("p50_ms", "p99_ms")),
        f"{r.rss_per_peer_bytes / 1024:.0f}",
        f"{r.generator_cpu_share:.0%}",
        "; ".join(r.void),
    )


def print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(line[i]) for line in (COLUMNS, *rows)) for i in range(len(COLUMNS))]
    for line in (COLUMNS, *rows):
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{', '.join(QUICK)} only, within 50 s")
    parser.add_argument("--cipher", choices=("gcm", "cm"), default="gcm", help="AEAD_AES_128_GCM or AES-CM with SHA-1")
    parser.add_argument("load", nargs="*", type=parse_load)
    arguments = parser.parse_args()
    driver.build()
    loads = arguments.load or [parse_load(text) for text in (QUICK if arguments.quick else FULL)]
    rounds = [measure(load, arguments.cipher, quick=arguments.quick) for load in loads]
    print(f"forwarding, {arguments.cipher}; latency and joins in ms, CPU-s for a million packets received")
    print_table([row(round_) for round_ in rounds])
    wanted = QUICK_HEADLINE if arguments.quick else HEADLINE
    headline = next((r for r in rounds if r.load.name == wanted), rounds[-1])
    print(
        json.dumps(
            {
                "bench": "forward",
                "unit": "CPU-s per million packets received",
                "ours": None if headline.void else round(headline.cpu_s_per_million, 3),
                "peer": None,
                "ratio": None,
                "detail": {
                    "load": headline.load.name,
                    "cipher": arguments.cipher,
                    "rounds": [r.figures() for r in rounds],
                },
            }
        )
    )


if __name__ == "__main__":
    main()
