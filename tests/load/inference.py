"""The way to a model and back: what it costs one request, how many a second go through, beside bare pyzmq.

    python tests/load/inference.py [--quick]

The model says back what it was sent, so that what is measured is the rest: queue, credit, frames, batches, threads,
the waiting task. The peer, in the same run, is what pyzmq itself can do between the same two processes: a DEALER and a
ROUTER on ``ipc://`` that echo two frames without reading them.

Hop: one request after another, from the call to the answer less the time that the model took; 64 bytes, and a second of
sound (48 kHz, float32: 192 kB). Throughput: 64-byte requests, a few hundred in flight; a request and its answer are two
messages.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


import structlog  # noqa: E402
import trio  # noqa: E402
import zmq  # noqa: E402

from appliance.inference.client import Inference  # noqa: E402
from appliance.inference.link import PING_EACH_S  # noqa: E402
from tests.load.generator import table  # noqa: E402
from tests.support.inference_world import models_folder, running  # noqa: E402

SMALL = b"x" * 64
SECOND = bytes(48_000 * 4)
HOPS, QUICK_HOPS = 10_000, 2_000
MESSAGES, QUICK_MESSAGES = 200_000, 40_000
IN_FLIGHT = 500
# `appliance.app` sets the same.
SWITCH_INTERVAL_S = 0.0005
TARGET_P50_MS, TARGET_P99_MS, TARGET_MESSAGES_PER_S = 1.0, 5.0, 20_000


def echo(endpoint: str) -> None:
    """The peer's other end: until it is sent an empty message."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.sndhwm = socket.rcvhwm = 0
        socket.bind(endpoint)
        while True:
            frames = socket.recv_multipart()
            if len(frames) == 1 or not frames[1]:
                return
            socket.send_multipart(frames)


def peer(folder: Path, hops: int, requests: int) -> tuple[list[float], list[float], float]:
    """Milliseconds of each hop with a small and a large payload, sorted; requests answered a second."""
    endpoint = f"ipc://{folder}/peer.sock"
    process = multiprocessing.get_context("spawn").Process(target=echo, args=(endpoint,))
    process.start()
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.sndhwm = socket.rcvhwm = 0
        socket.linger = 1000
        socket.connect(endpoint)
        small, large = ([_round_trip_ms(socket, payload) for _ in range(hops)] for payload in (SMALL, SECOND))
        began = time.perf_counter()
        for _ in range(IN_FLIGHT):
            socket.send_multipart([b"header", SMALL])
        for number in range(requests):
            socket.recv_multipart()
            if number < requests - IN_FLIGHT:
                socket.send_multipart([b"header", SMALL])
        per_s = requests / (time.perf_counter() - began)
        socket.send_multipart([b""])
        process.join(10)
    return sorted(small), sorted(large), per_s


def _round_trip_ms(socket: zmq.Socket[bytes], payload: bytes) -> float:
    began = time.perf_counter()
    socket.send_multipart([b"header", payload])
    socket.recv_multipart()
    return (time.perf_counter() - began) * 1000


async def ours(folder: Path, hops: int, requests: int) -> tuple[list[float], list[float], float]:
    """The same of the product."""
    async with running(models_folder(folder), limit=2 * IN_FLIGHT) as inference:
        await inference.pin("fast", True)
        small, large = [await _hops_ms(inference, payload, hops) for payload in (SMALL, SECOND)]
        began = await _cpu_s(inference)
        per_s = await _requests_per_s(inference, requests)
        server_s, worker_s = (end - start for start, end in zip(began, await _cpu_s(inference), strict=True))
        cpu_us.update(server=round(server_s / requests * 1e6, 1), worker=round(worker_s / requests * 1e6, 1))
        return small, large, per_s


cpu_us: dict[str, float] = {}
"""Processor time for one request of the throughput, in the server and in the worker: what others do on this machine
lengthens the times above, and hardly this."""


async def _cpu_s(inference: Inference) -> tuple[float, float]:
    await trio.sleep(2.5 * PING_EACH_S)  # the worker says it with its pings
    return time.process_time(), inference.statistics()["workers"]["local-1"]["cpu_s"]


async def _hops_ms(inference: Inference, payload: bytes, count: int) -> list[float]:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        reply = await inference.infer("fast", payload)
        times.append((time.perf_counter() - began) * 1000 - reply.run_ms)
    return sorted(times)


async def _requests_per_s(inference: Inference, count: int) -> float:
    left = count

    async def ask() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await inference.infer("fast", SMALL)

    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for _ in range(IN_FLIGHT):
            nursery.start_soon(ask)
    return count / (time.perf_counter() - began)


def _percentile(times: list[float], share: float) -> float:
    return statistics.quantiles(times, n=1000)[round(share * 1000) - 1]


def main() -> int:
    """Print the table and the line of JSON; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less of everything: within 50 s")
    quick = parser.parse_args().quick
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    load_before = os.getloadavg()[0]
    hops, requests = (QUICK_HOPS, QUICK_MESSAGES // 2) if quick else (HOPS, MESSAGES // 2)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (small, large, per_s) in (
            ("pyzmq", peer(Path(folder), hops, requests)),
            ("parley", trio.run(ours, Path(folder), hops, requests)),
        ):
            found[name] = {
                "hop_p50_ms": round(_percentile(small, 0.5), 3),
                "hop_p99_ms": round(_percentile(small, 0.99), 3),
                "hop_192kB_p50_ms": round(_percentile(large, 0.5), 3),
                "hop_192kB_p99_ms": round(_percentile(large, 0.99), 3),
                "requests_per_s": round(per_s),
                "messages_per_s": round(2 * per_s),
            }
    ours_found, peer_found = found["parley"], found["pyzmq"]
    rows = [(key.replace("_", " "), str(ours_found[key]), str(peer_found[key])) for key in ours_found]
    table.show(f"inference, load average {load_before:.1f} before", ("", "parley", "bare pyzmq"), rows)
    missed = [
        *([] if ours_found["hop_p50_ms"] < TARGET_P50_MS else ["hop p50"]),
        *([] if ours_found["hop_p99_ms"] < TARGET_P99_MS else ["hop p99"]),
        *([] if ours_found["messages_per_s"] >= TARGET_MESSAGES_PER_S else ["messages a second"]),
    ]
    print(f"processor time for a request: server {cpu_us['server']} µs, worker {cpu_us['worker']} µs")
    verdict = "met" if not missed else f"missed: {', '.join(missed)}"
    targets = f"p50 < {TARGET_P50_MS} ms, p99 < {TARGET_P99_MS} ms, >= {TARGET_MESSAGES_PER_S} messages/s"
    print(f"targets: {targets}: {verdict}")
    ratio = round(ours_found["messages_per_s"] / peer_found["messages_per_s"], 3)
    result = {
        "bench": "inference",
        "unit": "messages/s",
        "ours": ours_found["messages_per_s"],
        "peer": peer_found["messages_per_s"],
        "ratio": ratio,
        "detail": {"load_average": round(load_before, 2), "cpu_us": cpu_us, **found},
    }
    print(json.dumps(result))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
