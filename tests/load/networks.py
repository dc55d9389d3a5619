"""What bad links do to a call, in real Chromiums: freezes and made-up sound under loss, estimates under a narrow rate.

Two watch one who sends 960x540 in three layers; server and browsers share this machine, each client behind a link of
its own (tests/support/impaired_link). What a test holds is in tests/behaviour; this prints the whole table.

    python tests/load/networks.py [--quick]        needs root, chromium, espeak-ng
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.support.call import LARGE, Call, Watched, Watcher, open_call, watch_together  # noqa: E402

RTTS_MS = (50, 150)
LOSSES = (0.01, 0.05, 0.10)
SPAN_S, QUICK_SPAN_S = 30.0, 8.0
SETTLED_S = 4.0
RATE_RTT_MS = 40
# An estimate is looked at so long after a change of the rate, and the queue from then on.
FOUND_S = 10.0
QUEUE_S = 6.0


def main() -> None:
    parser = argparse.ArgumentParser(description="what bad links do to a call")
    parser.add_argument("--quick", action="store_true", help="one loss and one rate, within 50 s")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder, open_call(Path(folder) / "server") as call:
        call.sender()
        lossy = _loss(call, LOSSES[1:2] if quick else LOSSES, QUICK_SPAN_S if quick else SPAN_S)
        narrow = _rates(call, [(1e6, 300e3)] if quick else [(3e6, 300e3), (400e3, 1e6), (3e6, 1e6)])
    frozen = lossy["5 %, 150 ms"]["frozen"]
    print(
        json.dumps(
            {
                "bench": "networks",
                "unit": "share of the time frozen at 5 % loss and 150 ms",
                "ours": frozen,
                "peer": None,
                "ratio": None,
                "detail": {"loss": lossy, "rate": narrow},
            }
        )
    )


def _loss(call: Call, losses: tuple[float, ...], span_s: float) -> dict[str, dict[str, float]]:
    watchers = [call.watcher(2), call.watcher(3)]
    for watcher, rtt_ms in zip(watchers, RTTS_MS, strict=True):
        watcher.sees("Ana")
        watcher.link.both(rtt_ms=rtt_ms)
    found = {}
    print("| loss | round trip | frozen | frames/s | sound concealed | width |\n|---|---|---|---|---|---|")
    for loss in losses:
        for watcher in watchers:
            watcher.link.down(loss=loss)
        watch_together(watchers, SETTLED_S)
        for rtt_ms, seen in zip(RTTS_MS, watch_together(watchers, span_s), strict=True):
            found[f"{loss * 100:.0f} %, {rtt_ms} ms"] = _numbers(seen)
            print(
                f"| {loss:.0%} | {rtt_ms} ms | {seen.frozen:.1%} | {seen.frames_per_s:.1f} | {seen.concealed:.1%} "
                f"| {seen.width} |",
                flush=True,
            )
    for watcher in watchers:
        watcher.page.close()
    return found


def _rates(call: Call, steps: list[tuple[float, float]]) -> list[dict[str, float]]:
    watchers = [call.watcher(2, viewport=LARGE), call.watcher(3)]
    for watcher in watchers:
        watcher.sees("Ana")
        watcher.link.both(rtt_ms=RATE_RTT_MS)
    watch_together(watchers, SETTLED_S)
    found = []
    print("\n| rate | estimate after 10 s | of the rate | queue p50 / p95 | frames/s | sound concealed |")
    print("|---|---|---|---|---|---|")
    for rates in steps:
        for watcher, bps in zip(watchers, rates, strict=True):
            watcher.link.down(rate_bps=bps)
        time.sleep(FOUND_S)
        estimates = [call.estimate_bps(watcher) for watcher in watchers]
        for watcher in watchers:
            watcher.begin()
        time.sleep(QUEUE_S)
        for watcher, bps, estimate in zip(watchers, rates, estimates, strict=True):
            found.append(_narrow(watcher, bps, estimate))
    return found


def _narrow(watcher: Watcher, bps: float, estimate: int) -> dict[str, float]:
    down, _ = watcher.link.report()
    seen = watcher.end()
    print(
        f"| {bps / 1e3:.0f} kb/s | {estimate / 1e3:.0f} kb/s | {estimate / bps:.0%} "
        f"| {down.wait_p50_ms:.0f} / {down.wait_p95_ms:.0f} ms | {seen.frames_per_s:.1f} | {seen.concealed:.1%} |",
        flush=True,
    )
    queue = {"wait_p50_ms": down.wait_p50_ms, "wait_p95_ms": down.wait_p95_ms}
    return {"rate_bps": bps, "estimate_bps": estimate, **queue, **_numbers(seen)}


def _numbers(seen: Watched) -> dict[str, float]:
    return {
        "frozen": round(seen.frozen, 4),
        "frames_per_s": round(seen.frames_per_s, 1),
        "concealed": round(seen.concealed, 4),
        "video_bps": round(seen.video_bps),
    }


if __name__ == "__main__":
    main()
