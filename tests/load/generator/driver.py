"""Builds and runs the load generator, and looks at the server's CPU and memory meanwhile.

Owns the pinning to cores, the plan of a round, its figures, and what makes it void. Refuses to know which server it is:
that is a process id and a URL.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

CRATE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", CRATE / "target"))
BINARY = TARGET / "release" / "parley-load"

SERVER_CORE, GENERATOR_CORE = 0, 1

# 30 frames of 10 packets of 1200 bytes: 2.9 Mbit/s of video; Opus at 40 kbit/s.
MEDIA = {"fps": 30, "packets_per_frame": 10, "video_bytes": 1200, "audio_pps": 50, "audio_bytes": 100}
# A meeting fills as fast as people arrive for a lecture; faster than the server can take them, joins would queue.
JOINS_PER_S = 20.0
READY_WITHIN_S = 20.0

# Above this share of its core the generator adds latency of its own (rule of the benchmark).
GENERATOR_CPU_MOST = 0.85
# Offered must be what the plan says: a frame more or less at the ends of the window is 1 %.
OFFERED_LEAST = 0.98
# Less than this, and the server (or its bandwidth estimate) held media back: cheap, but not forwarding.
RECEIVED_LEAST = 0.98


@dataclass(frozen=True)
class Load:
    """Who is in the rooms."""

    name: str
    rooms: int
    publishers: int
    subscribers: int
    video: bool
    audio: bool = True

    @property
    def clients(self) -> int:
        return self.rooms * (self.publishers + self.subscribers)

    @property
    def offered_pps(self) -> float:
        """Packets that all publishers together send in a second."""
        video = MEDIA["fps"] * MEDIA["packets_per_frame"] if self.video else 0
        return self.rooms * self.publishers * (video + (MEDIA["audio_pps"] if self.audio else 0))


@dataclass(frozen=True)
class Round:
    """What one round showed."""

    load: Load
    seconds: float
    received: int
    received_share: float
    worst_received_share: float
    cpu_s: float
    cpu_s_by_thread: dict[str, float]
    generator_cpu_share: float
    rss_per_peer_bytes: float
    latency: dict[str, float]
    audio_latency: dict[str, float]
    join: dict[str, float]
    report: dict[str, Any] = field(repr=False)
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

    def figures(self) -> dict[str, Any]:
        """For the last line."""
        figures = asdict(self)
        figures["load"] = self.load.name
        figures["cpu_s_per_million"] = round(self.cpu_s_per_million, 3) if self.received else None
        figures["received_pps"] = round(self.received_pps)
        return figures


@contextmanager
def core(number: int) -> Iterator[None]:
    """Processes started inside stay on this core; nothing happens on a machine with one."""
    before = os.sched_getaffinity(0)
    if number in before and len(before) > 1:
        os.sched_setaffinity(0, {number})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def build() -> None:
    """Compile the generator; SystemExit with one line when a tool is missing."""
    if shutil.which("cargo") is None:
        sys.exit("forward: cargo is missing; install it: curl https://sh.rustup.rs -sSf | sh")
    if subprocess.run(["pkg-config", "--exists", "openssl"], check=False).returncode != 0:
        sys.exit("forward: OpenSSL's headers are missing; install them: apt-get install libssl-dev pkg-config")
    subprocess.run(
        ["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", str(CRATE / "Cargo.toml")],
        env={**os.environ, "CARGO_TARGET_DIR": str(TARGET)},
        check=True,
    )


def cpu_by_thread(pid: int) -> dict[str, float]:
    """CPU seconds of each live thread, by name (proc_pid_stat(5): utime + stime, scaled to run time)."""
    found: dict[str, float] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        head, _, tail = (task / "stat").read_text().rpartition(")")
        fields, name = tail.split(), head.partition("(")[2]
        spent = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        found[name] = found.get(name, 0.0) + spent
    return found


def cpu_s(pid: int) -> float:
    """CPU seconds of a process, threads that ended included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Resident set (proc_pid_statm(5))."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _next_event(out: IO[str], name: str) -> dict[str, Any]:
    for line in out:
        event: dict[str, Any] = json.loads(line)
        if event["event"] == name:
            return event
    raise RuntimeError(f"the generator ended before {name!r}")


def run_round(load: Load, server_pid: int, url: str, meetings: list[str], *, cipher: str, quick: bool) -> Round:
    """Let the generator play ``load`` and measure the process ``server_pid``; RuntimeError if the generator fails."""
    seconds = 4.0 if quick else 10.0
    room = {"publishers": load.publishers, "subscribers": load.subscribers, "video": load.video, "audio": load.audio}
    plan = {
        "url": url,
        "cipher": cipher,
        "rooms": [{"meeting": meeting, **room} for meeting in meetings],
        "joins_per_s": JOINS_PER_S,
        "ready_within_s": READY_WITHIN_S,
        "settle_s": 1.0 if quick else 3.0,
        "measure_s": seconds,
        "media": MEDIA,
    }
    rss_before = resident_bytes(server_pid)
    with core(GENERATOR_CORE):
        generator = subprocess.Popen([BINARY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert generator.stdin is not None and generator.stdout is not None
    try:
        with generator.stdin as stdin:
            json.dump(plan, stdin)
        ready = _next_event(generator.stdout, "ready")
        _next_event(generator.stdout, "begin")
        before = cpu_s(server_pid), cpu_by_thread(server_pid), cpu_s(generator.pid)
        _next_event(generator.stdout, "end")
        after = cpu_s(server_pid), cpu_by_thread(server_pid), cpu_s(generator.pid)
        rss = resident_bytes(server_pid)
        report = _next_event(generator.stdout, "report")
        if generator.wait(READY_WITHIN_S) != 0:
            raise RuntimeError(f"the generator ended with {generator.returncode}")
    finally:
        if generator.poll() is None:
            generator.kill()
            generator.wait()
        generator.stdout.close()
    threads = {name: round(spent - before[1].get(name, 0.0), 3) for name, spent in after[1].items()}
    generator_share = (after[2] - before[2]) / seconds
    return Round(
        load=load,
        seconds=seconds,
        received=report["received"],
        received_share=report["received"] / report["expected"] if report["expected"] else 0.0,
        worst_received_share=report["worst_received_share"],
        cpu_s=after[0] - before[0],
        cpu_s_by_thread={name: spent for name, spent in threads.items() if spent > 0},
        generator_cpu_share=generator_share,
        rss_per_peer_bytes=(rss - rss_before) / load.clients,
        latency=report["video"] if load.video else report["audio"],
        audio_latency=report["audio"],
        join=report["join_first_media"],
        report=report,
        void=tuple(void_because(load, seconds, ready, report, generator_share)),
    )


def void_because(
    load: Load, seconds: float, ready: dict[str, Any], report: dict[str, Any], generator_share: float
) -> Iterator[str]:
    """Why a round must not be counted."""
    if ready["complete"] < load.clients or report["failures"]:
        first = report["failures"][0] if report["failures"] else "no failure told"
        yield f"{ready['complete']} of {load.clients} clients had all media: {first}"
    if generator_share > GENERATOR_CPU_MOST:
        yield f"the generator used {generator_share:.0%} of its core"
    if report["socket_drops"] or report["send_errors"]:
        yield f"the generator lost {report['socket_drops'] + report['send_errors']} datagrams"
    if report["offered"] < OFFERED_LEAST * load.offered_pps * seconds:
        yield f"only {report['offered']} packets were offered"
    if report["received"] < RECEIVED_LEAST * report["expected"]:
        yield f"media were throttled or lost: {report['received']} of {report['expected']} received"
