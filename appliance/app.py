"""The composition root: opens every part in order, serves, and closes them in the opposite order.

::

    data folder (lock, secret) → certificate → asyncio thread → database → files → SFU → meetings → HTTP

Owns the one root nursery, the wiring, and the lines that say that the server is ready; refuses to do any work of the
parts. On the first SIGTERM or SIGINT nothing new is accepted, every room is closed with ``server_stopping``, requests
that run are finished, and the parts are closed; `stopping` has the deadline.
"""

from __future__ import annotations

import ctypes
import gc
import ipaddress
import re
import resource
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from os import uname
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import structlog
import trio

from appliance.api.application import make_application
from appliance.api.server import serve_http
from appliance.api.services import Services, make_services
from appliance.api.static_files import StaticFiles
from appliance.asyncio_thread import open_asyncio_thread
from appliance.auth.tokens import TokenSigner
from appliance.data_folder import DataFolder, open_data_folder
from appliance.files.folder import open_folder_storage
from appliance.ids import new_token
from appliance.live.directory import Live, open_live
from appliance.observe.metrics import Metrics
from appliance.settings import Settings, is_loopback
from appliance.sfu.addresses import interface_addresses
from appliance.sfu.media import open_sfu
from appliance.stopping import DRAIN_S, Stopping
from appliance.store import sessions, users
from appliance.store.database import Database, DatabaseError, open_database
from appliance.tls import Certificates, open_certificates

_log = structlog.get_logger(__name__)

# Seconds that a Python thread may keep the interpreter. With CPython's 5 ms trio was late by 0.6 s at the 99th
# percentile while the asyncio thread was busy, with 0.5 ms by 1.5 ms.
_SWITCH_INTERVAL_S = 0.0005
# A packet cache is 1.5 MB a camera layer. glibc raises its threshold to the largest block that was ever freed
# (mallopt(3)); such blocks then come from heaps that give nothing back, and a server keeps the memory of its busiest
# hour. Fourteen meetings of three: 101 to 107.6 MB before, 101 to 102.8 MB with this.
_MMAP_THRESHOLD_BYTES = 1024 * 1024
_M_MMAP_THRESHOLD = -3  # malloc.h
# Sign-ins that expired are forgotten this often; how late does not matter, each is refused by its time anyway.
_FORGET_EACH_S = 3600.0
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def run(settings: Settings, *, version: str, config_file: Path | None = None) -> int:
    """Serve until a signal says stop; returns the exit code. ConfigError, maybe in a group, when it cannot start."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    _return_large_blocks()
    _allow_many_files()
    _log.info("starting", version=version, config=str(config_file or "defaults"))
    trio.run(partial(serve, settings, version=version))
    _log.info("stopped")
    return 0


async def serve(settings: Settings, *, version: str) -> None:
    """Open everything, serve until the first signal, close everything."""
    stopping = Stopping()
    ready = trio.Event()
    async with trio.open_nursery() as root:
        await root.start(stopping.listen)
        with trio.CancelScope() as starting:
            root.start_soon(_give_up_start, stopping, ready, starting)
            await _serve(settings, version, stopping, ready)
        root.cancel_scope.cancel()


async def _give_up_start(stopping: Stopping, ready: trio.Event, starting: trio.CancelScope) -> None:
    """A signal during the start cancels it; later `_serve` ends by itself."""
    await stopping.wait_asked()
    if not ready.is_set():
        starting.cancel()


async def _serve(settings: Settings, version: str, stopping: Stopping, ready: trio.Event) -> None:
    with open_data_folder(Path(settings.data.folder)) as folder:
        addresses = interface_addresses()
        certificates = open_certificates(settings, folder.tls, certificate_names(settings, addresses))
        if certificates is None and not is_loopback(settings.http.host) and not settings.http.trusted_proxies:
            advice = "set tls, or name the proxy that does it in http.trusted_proxies"
            _log.warning("plain_http_beyond_loopback", effect="browsers give no camera", advice=advice)
        async with _open_parts(settings, folder, version) as (services, live), trio.open_nursery() as nursery:
            if certificates is not None:
                nursery.start_soon(certificates.watch)
            nursery.start_soon(_forget_expired, services.database)
            drained = trio.Event()
            bound = await nursery.start(_serve_http, services, certificates, stopping, drained)
            _say_ready(public_url(settings, bound, addresses, secure=certificates is not None), services.setup.token)
            ready.set()
            gc.collect()
            gc.freeze()  # what the start made lives to the end: no full collection walks it again
            await stopping.wait_asked()
            with trio.move_on_after(DRAIN_S) as draining:
                await live.stop()
            if draining.cancelled_caught:
                _log.warning("rooms_slow_to_close", deadline_s=DRAIN_S)
            await drained.wait()
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def _open_parts(settings: Settings, folder: DataFolder, version: str) -> AsyncIterator[tuple[Services, Live]]:
    """Everything that HTTP stands on, each in what it needs; closed in the opposite order."""
    async with (
        open_asyncio_thread() as thread,
        open_database(settings, thread) as database,
        open_folder_storage(folder.files) as files,
        open_sfu(settings.media, thread, loopback=is_loopback(settings.http.host)) as sfu,
    ):
        metrics = Metrics()
        signer = TokenSigner(folder.key("tokens"))
        async with open_live(settings, database, sfu, signer) as live:
            administrators = await database.read(users.count_active_admins)
            services = make_services(
                version=version,
                settings=settings,
                secret=folder.key("tokens"),
                database=database,
                live=live,
                files=files,
                metrics=metrics,
                setup_token=None if administrators else new_token(),
                now_ms=_now_ms,
            )
            metrics.database(database.statistics)
            metrics.media(sfu.statistics)
            metrics.meetings(live.statistics)
            metrics.gauge("active_users", "Different people in meetings now, guests too.", partial(_active_users, live))
            yield services, live


async def _serve_http(
    services: Services,
    certificates: Certificates | None,
    stopping: Stopping,
    drained: trio.Event,
    *,
    task_status: trio.TaskStatus[list[tuple[str, int]]],
) -> None:
    await serve_http(
        make_application(services, StaticFiles(None)),
        services.settings,
        tls=None if certificates is None else certificates.context,
        wait_stop=stopping.wait_asked,
        task_status=task_status,
    )
    drained.set()


async def _forget_expired(database: Database) -> None:
    """Housekeeping, for ever; a database that is away is no reason to stop."""
    while True:
        await trio.sleep(_FORGET_EACH_S)
        try:
            forgotten = await database.run(sessions.delete_expired, _now_ms())
        except DatabaseError as error:
            _log.warning("expired_sessions_kept", reason=str(error))
        else:
            _log.debug("expired_sessions_forgotten", sessions=forgotten)


def _active_users(live: Live) -> int:
    """Accounts count once however many tabs they have; a guest's every connection counts."""
    people = {
        participant.user_id or participant.participant_id
        for meeting_id in cast("dict[str, object]", live.statistics()["rooms"])
        for participant in live.participants(meeting_id)
    }
    return len(people)


def public_url(settings: Settings, bound: Sequence[tuple[str, int]], addresses: Sequence[str], *, secure: bool) -> str:
    """Where people reach the server: as configured, else the first address that it listens on."""
    if settings.http.public_url:
        return settings.http.public_url.rstrip("/")
    host, port = bound[0]
    if ipaddress.ip_address(host).is_unspecified:
        outer = [address for address in addresses if not is_loopback(address)]
        version = {ipaddress.ip_address(listening).version for listening, _ in bound}
        fitting = [address for address in outer if ipaddress.ip_address(address).version in version]
        host = min(fitting, key=lambda address: ":" in address, default="127.0.0.1")  # IPv4 is easier to type
    scheme, usual = ("https", 443) if secure else ("http", 80)
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}" if port == usual else f"{scheme}://{shown}:{port}"


def certificate_names(settings: Settings, addresses: Sequence[str]) -> list[str]:
    """Names and addresses under which people may come, for a certificate of our own."""
    names = [*settings.media.announced_addresses, *addresses]
    host = urlsplit(settings.http.public_url).hostname
    if host:
        names.insert(0, host)
    if settings.http.host not in ("0.0.0.0", "::", ""):
        names.append(settings.http.host)
    node = uname().nodename
    if _HOST_NAME.fullmatch(node):
        names.append(node)
    return list(dict.fromkeys(names))


def _say_ready(url: str, setup_token: str | None) -> None:
    """To stdout, for the person or the script that started us; the last line says that every listener is bound."""
    if setup_token is not None:
        # The one secret that is printed on purpose: whoever reads this terminal becomes the administrator.
        print(f"no administrator yet, create one: {url}/setup?token={setup_token}", flush=True)
    print(f"ready {url}", flush=True)
    _log.info("ready", url=url)


def _return_large_blocks() -> None:
    """Have memory of ended meetings go back to the system at once."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries than glibc have none, nor the trouble
    if mallopt is not None and mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES) != 1:
        _log.warning("memory_is_kept", reason="mallopt refused the threshold", bytes=_MMAP_THRESHOLD_BYTES)


def _allow_many_files() -> None:
    """One socket for each person: raise the soft limit, often 1024, to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
