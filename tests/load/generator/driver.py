"""Builds the load generator, plays loads with it, and looks at the server's CPU and memory meanwhile.

Owns the pinning to cores and the generator's process. Refuses to know which server it is: that is a process id and a
URL; what the numbers mean stands in figures.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.load.generator import procfs
from tests.load.generator.figures import Load, Window, machine_because, void_because

CRATE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", CRATE / "target"))
BINARY = TARGET / "release" / "parley-load"

SERVER_CORE, GENERATOR_CORE = 0, 1
# Of this process before it pinned itself.
_CORES = os.sched_getaffinity(0)

# A meeting fills as fast as people arrive for a lecture; faster than the server can take them, joins would queue.
JOINS_PER_S = 20.0
READY_WITHIN_S = 20.0
END_WITHIN_S = 20.0


@contextmanager
def core(number: int) -> Iterator[None]:
    """Processes started inside stay on this core; nothing happens on a machine with one.

    Blocks may lie in each other: a server's lasts as long as the server, and the generator starts inside.
    """
    before = os.sched_getaffinity(0)
    if number in _CORES and len(_CORES) > 1:
        os.sched_setaffinity(0, {number})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def build() -> None:
    """Compile the generator; SystemExit with one line when a tool is missing."""
    if shutil.which("cargo") is None:
        sys.exit("cargo is missing; install it: curl https://sh.rustup.rs -sSf | sh")
    if subprocess.run(["pkg-config", "--exists", "openssl"], check=False).returncode != 0:
        sys.exit("OpenSSL's headers are missing; install them: apt-get install libssl-dev pkg-config")
    subprocess.run(
        ["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", str(CRATE / "Cargo.toml")],
        env={**os.environ, "CARGO_TARGET_DIR": str(TARGET)},
        check=True,
    )


@dataclass(frozen=True)
class Target:
    """A running server."""

    kind: str
    """Of plan.rs: "parley", "janus", …"""
    pid: int
    url: str
    meetings: tuple[str, ...]
    """One for each room of the load."""
    network: str = "127.16.0.0"
    """Where clients have their addresses."""
    media: str = ""
    """UDP address for media, "host:port"; empty where each client has another."""
    name: str = ""
    """What tables call it; its kind where nothing is said."""
    streaming: Mapping[str, str] | None = None
    """Of the kind "whip": the URLs "whip" and "whep", where "{room}" stands for a meeting, and the "token"."""


def start(*command: str | Path) -> subprocess.Popen[str]:
    """The generator's program, on its core."""
    with core(GENERATOR_CORE):
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def end(process: subprocess.Popen[str]) -> None:
    """Whatever it is doing."""
    if process.poll() is None:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


class Player:
    """A generator at work: its clients come with the first window and with any that wants more of them."""

    def __init__(self, process: subprocess.Popen[str], load: Load, target: Target, cipher: str) -> None:
        self.load, self.target, self.cipher = load, target, cipher
        self._process = process
        self._rss_before = procfs.resident_bytes(target.pid)
        room = {"publishers": load.publishers, "subscribers": load.subscribers, "video": load.video}
        self._tell(
            {
                "server": target.kind,
                "url": target.url,
                "network": target.network,
                "cipher": cipher,
                "rooms": [{"meeting": meeting, **room, "audio": load.audio} for meeting in target.meetings],
                "media": dict(load.media),
                "link": load.link,
                **({} if target.streaming is None else {"streaming": dict(target.streaming)}),
            }
        )

    def _tell(self, line: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            print(json.dumps(line), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise RuntimeError(f"the generator ended with {self._process.wait()}") from None

    def _await(self, name: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event: dict[str, Any] = json.loads(line)
            if event["event"] == name:
                return event
        raise RuntimeError(f"the generator ended before {name!r}")

    def _clocks(self, beside: int | None) -> dict[str, float]:
        mine = procfs.cpu_s(self._process.pid)
        return {
            "server": procfs.cpu_s(self.target.pid),
            "generator": mine + (procfs.cpu_s(beside) if beside else 0.0),
            "server_core": procfs.core_busy_s(SERVER_CORE),
            "generator_core": procfs.core_busy_s(GENERATOR_CORE),
        }

    def window(
        self,
        seconds: float,
        settle_s: float,
        *,
        subscribers: int | None = None,
        joins_per_s: float = JOINS_PER_S,
        beside: int | None = None,
    ) -> Window:
        """Let clients come, all of the load or as many ``subscribers``, wait until they have media, and measure.

        ``beside`` is a process that belongs to the load too. RuntimeError if the generator fails.
        """
        load, pid = self.load, self.target.pid
        self._tell(
            {
                "subscribers": subscribers,
                "joins_per_s": joins_per_s,
                "ready_within_s": READY_WITHIN_S,
                "settle_s": settle_s,
                "measure_s": seconds,
            }
        )
        ready = self._await("ready")
        self._await("begin")
        before, threads_before = self._clocks(beside), procfs.cpu_s_by_thread(pid)
        self._await("end")
        after, threads_after = self._clocks(beside), procfs.cpu_s_by_thread(pid)
        rss = procfs.resident_bytes(pid)
        report = self._await("report")
        clients = load.rooms * load.publishers + ready["subscribers"]
        threads = {name: round(spent - threads_before.get(name, 0.0), 3) for name, spent in threads_after.items()}
        shares = {name: (after[name] - before[name]) / seconds for name in after}
        foreign_share = max(0.0, *(shares[f"{name}_core"] - shares[name] for name in ("server", "generator")))
        video_due = report["video_expected"]
        return Window(
            load=load,
            server=self.target.name or self.target.kind,
            cipher=self.cipher,
            clients=clients,
            seconds=seconds,
            received=report["received"],
            received_share=report["received"] / report["expected"] if report["expected"] else 0.0,
            video_share=report["video"]["count"] / video_due if video_due else 1.0,
            worst_received_share=report["worst_received_share"],
            cpu_s=after["server"] - before["server"],
            cpu_s_by_thread={name: spent for name, spent in threads.items() if spent > 0},
            generator_cpu_share=shares["generator"],
            foreign_cpu_share=foreign_share,
            rss_bytes=rss,
            rss_per_peer_bytes=(rss - self._rss_before) / clients,
            latency=report["video"] if load.video else report["audio"],
            audio_latency=report["audio"],
            join=report["join_first_media"],
            report=report,
            machine=tuple(machine_because(report, shares["generator"], foreign_share)),
            void=tuple(void_because(load, seconds, ready, report, shares["generator"], foreign_share)),
        )

    def finish(self) -> None:
        """Everybody leaves. RuntimeError if the generator failed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._process.wait(END_WITHIN_S) != 0:
            raise RuntimeError(f"the generator ended with {self._process.returncode}")


@contextmanager
def playing(load: Load, target: Target, cipher: str) -> Iterator[Player]:
    """A generator with this load for this server; nobody is there yet."""
    process = start(BINARY)
    try:
        player = Player(process, load, target, cipher)
        yield player
        player.finish()
    finally:
        end(process)


@dataclass(frozen=True)
class Strangers:
    """Who sends junk: its process, and what it told at its end."""

    pid: int
    sent: int = 0
    sent_bytes: int = 0
    replies: int = 0
    reply_bytes: int = 0
    seconds: float = 0.0


class Junk:
    """Strangers' packets for a server's media port while the context lasts; see junk.rs."""

    def __init__(self, address: str, pps: int, seed: int) -> None:
        self._plan = {"target": address, "pps": pps, "network": "127.64.0.0", "seed": seed}
        self.strangers = Strangers(0)

    def __enter__(self) -> Junk:
        # with the least priority: it must not keep publishers, on the same core, from sending in time
        self._process = start("nice", "-n", "19", BINARY, "junk")
        assert self._process.stdin is not None
        print(json.dumps(self._plan), file=self._process.stdin, flush=True)
        self.strangers = Strangers(self._process.pid)
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.close()
            told = process.stdout.read()
            if process.wait(END_WITHIN_S) != 0:
                raise RuntimeError(f"the junk ended with {process.returncode}")
            self.strangers = replace(self.strangers, **json.loads(told))
        finally:
            end(process)
