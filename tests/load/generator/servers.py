"""The servers that are compared, each fresh for a run, alone on its core.

Owns their start and settings. `peers` says who can be compared with on this machine, and of each other why not.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.load.generator import driver, janus, procfs
from tests.load.generator.driver import Target
from tests.support.netns import network_namespace
from tests.support.server import Server, running_server

Starter = Callable[[int], AbstractContextManager[Target]]
"""Called with the number of rooms."""

SETTINGS = {
    "PARLEY_MEETINGS__MAX_PARTICIPANTS": "5000",
    "PARLEY_LIMITS__JOIN_PER_MINUTE": "100000",
    "PARLEY_LOG__LEVEL": "warning",
    "PARLEY_MEDIA__AUDIO_LAST_N": "0",  # every microphone is forwarded, as the others do
}


@contextmanager
def parley_server(rooms: int, **settings: str) -> Iterator[tuple[Server, Target]]:
    """A fresh `parley serve` with that many meetings, with its process for who looks into it."""
    with (
        tempfile.TemporaryDirectory(prefix="parley-load-") as folder,
        driver.core(driver.SERVER_CORE),
        running_server(Path(folder), {**SETTINGS, **settings}) as server,
    ):
        host = server.client().register("ana", "Ana")
        drafts = [{"title": f"load {number}", "max_participants": 5000} for number in range(rooms)]
        meetings = tuple(host.post("/meetings", draft)["code"] for draft in drafts)
        yield server, Target("parley", server.pid, server.url, meetings, media=f"127.0.0.1:{server.media_port}")


@contextmanager
def parley(rooms: int) -> Iterator[Target]:
    """A fresh `parley serve` with that many meetings."""
    with parley_server(rooms) as (_, target):
        yield target


@contextmanager
def janus_alone(rooms: int) -> Iterator[Target]:
    """A fresh Janus with that many rooms, in a network of its own."""
    with (
        network_namespace(),
        tempfile.TemporaryDirectory(prefix="parley-load-") as folder,
        driver.core(driver.SERVER_CORE),
    ):
        janus.give_address()
        with janus.running_janus(Path(folder), rooms) as peer:
            yield Target("janus", peer.pid, peer.url, peer.rooms, janus.CLIENTS)


@contextmanager
def parley_whip(rooms: int) -> Iterator[Target]:
    """A fresh `parley serve` that is spoken to over WHIP and WHEP alone."""
    with (
        tempfile.TemporaryDirectory(prefix="parley-load-") as folder,
        driver.core(driver.SERVER_CORE),
        running_server(Path(folder), SETTINGS) as server,
    ):
        host = server.client().register("ana", "Ana")
        drafts = [{"title": f"load {number}", "max_participants": 5000} for number in range(rooms)]
        meetings = tuple(host.post("/meetings", draft)["code"] for draft in drafts)
        urls = {name: f"{server.url}/{name}/{{room}}" for name in ("whip", "whep")}
        yield Target(
            "whip", server.pid, server.url, meetings, name="parley", streaming={**urls, "token": host.token or ""}
        )


def running_elsewhere(whip: str, whep: str, token: str) -> Starter:
    """A server that somebody else has started, on this machine: its CPU is what is measured.

    "{room}" in the URLs becomes load0, load1, …. ConnectionError when nobody listens there.
    """
    address = urlsplit(whip)
    pid = procfs.listener(address.port or 80)
    if pid is None:
        raise ConnectionError(f"no process of this machine listens on port {address.port or 80}: {whip}")

    @contextmanager
    def target(rooms: int) -> Iterator[Target]:
        names = tuple(f"load{number}" for number in range(rooms))
        streaming = {"whip": whip, "whep": whep, "token": token}
        yield Target("whip", pid, f"http://{address.netloc}", names, name="other", streaming=streaming)

    return target


def starters(*, alone: bool) -> tuple[dict[str, Starter], dict[str, str]]:
    """Servers to measure, ours first, and those that are left out: name → why."""
    found: dict[str, Starter] = {"parley": parley}
    if alone:
        return found, {"janus": "left out with --alone"}
    reason = janus.unusable_because()
    if reason is not None:
        return found, {"janus": reason}
    return {**found, "janus": janus_alone}, {}
