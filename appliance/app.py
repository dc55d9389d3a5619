"""The composition root: opens every part in order, serves, and closes them in the opposite order.

::

    data folder (lock, secret) → certificate → asyncio thread → database → SFU → plugins → files → meetings → jobs
    → HTTP

Owns the one root nursery, the wiring, and the lines that say that the server is ready; refuses to do any work of the
parts. On the first SIGTERM or SIGINT nothing new is accepted, every room is closed with ``server_stopping``, requests
and jobs that run are finished (what does not end in time begins anew at the next start), and the parts are closed;
`stopping` has the deadline.
"""

from __future__ import annotations

import gc
import ipaddress
import random
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from os import uname
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import structlog
import trio

from appliance.ai_parts import make_inference
from appliance.api.application import make_application
from appliance.api.server import serve_http
from appliance.api.services import Services, make_services
from appliance.api.static_files import StaticFiles
from appliance.asyncio_thread import open_asyncio_thread
from appliance.auth.tokens import TokenSigner
from appliance.bus.changes import Changes
from appliance.bus.live import LiveBus
from appliance.chores import StoreQueue, add_chores
from appliance.data_folder import DataFolder, open_data_folder
from appliance.file_chores import add_file_chores
from appliance.files.staging import open_staging
from appliance.files.storage import ObjectStorage
from appliance.hooks.running import open_plugins
from appliance.ids import new_id, new_token
from appliance.jobs.registry import Registry
from appliance.jobs.runner import Runner
from appliance.live.directory import Live, open_live
from appliance.live.recorder import open_recorder
from appliance.live.transcriber import Transcriber
from appliance.live.watcher import Watcher
from appliance.observe.metrics import JobMeter, Metrics
from appliance.plugin_storage import open_any_storage
from appliance.process_limits import allow_many_files, return_free_pages, return_large_blocks
from appliance.questions.queued import add_question_jobs
from appliance.reactions.listeners import PREFIX, subscribers
from appliance.reactions.notices import make_notices, notice_reaction
from appliance.reactions.recordings_changed import follow_recordings
from appliance.reactions.reports import report_reaction
from appliance.reactions.returning import follow_plugins, recall
from appliance.reactions.revoked import follow_revoked
from appliance.reactions.sending import add_notification_jobs
from appliance.reactions.telling import open_telling
from appliance.recordings.bindings import add_recording_jobs
from appliance.recordings.shelf import Shelf
from appliance.reports.making import add_report_jobs
from appliance.settings import Settings, is_loopback
from appliance.sfu.addresses import interface_addresses
from appliance.sfu.media import open_sfu
from appliance.stopping import DRAIN_S, Stopping
from appliance.store import users
from appliance.store.database import Database, open_database
from appliance.store.recordings import Recording
from appliance.tls import Certificates, open_certificates, plain_http_advice

_log = structlog.get_logger(__name__)

# Seconds that a Python thread may keep the interpreter. With CPython's 5 ms trio was late by 0.6 s at the 99th
# percentile while the asyncio thread was busy, with 0.5 ms by 1.5 ms.
_SWITCH_INTERVAL_S = 0.0005
# What a database gets to note the jobs that a stop interrupted; after jobs.drain_s and within `stopping.DEADLINE_S`.
_GIVE_BACK_S = 3.0
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


AddJobs = Callable[[Registry, Database], None]
"""Binds further job types, as plugins bring."""


def run(settings: Settings, *, version: str, config_file: Path | None = None, add_jobs: AddJobs | None = None) -> int:
    """Serve until a signal says stop; returns the exit code. ConfigError, maybe in a group, when it cannot start."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    return_large_blocks()
    allow_many_files()
    _log.info("starting", version=version, config=str(config_file or "defaults"))
    trio.run(partial(serve, settings, version=version, add_jobs=add_jobs))
    _log.info("stopped")
    return 0


async def serve(settings: Settings, *, version: str, add_jobs: AddJobs | None = None) -> None:
    """Open everything, serve until the first signal, close everything."""
    stopping = Stopping()
    ready = trio.Event()
    async with trio.open_nursery() as root:
        await root.start(stopping.listen)
        with trio.CancelScope() as starting:
            root.start_soon(_give_up_start, stopping, ready, starting)
            await _serve(settings, version, add_jobs, stopping, ready)
        root.cancel_scope.cancel()


async def _give_up_start(stopping: Stopping, ready: trio.Event, starting: trio.CancelScope) -> None:
    """A signal during the start cancels it; later `_serve` ends by itself."""
    await stopping.wait_asked()
    if not ready.is_set():
        starting.cancel()


async def _serve(
    settings: Settings, version: str, add_jobs: AddJobs | None, stopping: Stopping, ready: trio.Event
) -> None:
    with open_data_folder(Path(settings.data.folder)) as folder:
        addresses = interface_addresses()
        certificates = open_certificates(settings, folder.tls, certificate_names(settings, addresses))
        advice = plain_http_advice(settings)
        if advice is not None:
            _log.warning("plain_http_beyond_loopback", effect="browsers give no camera", advice=advice)
        async with (
            _open_parts(settings, folder, version, add_jobs) as (services, live, runner),
            trio.open_nursery() as nursery,
        ):
            if certificates is not None:
                nursery.start_soon(certificates.watch)
            await nursery.start(runner.serve)
            nursery.start_soon(return_free_pages, lambda: live.connected)
            drained = trio.Event()
            bound = await nursery.start(_serve_http, services, certificates, stopping, drained)
            _say_ready(public_url(settings, bound, addresses, secure=certificates is not None), services.setup.token)
            ready.set()
            gc.collect()
            gc.freeze()  # what the start made lives to the end: no full collection walks it again
            await stopping.wait_asked()
            services.recording_changes.close()
            async with trio.open_nursery() as closing:
                closing.start_soon(_close_rooms, live)
                closing.start_soon(_close_jobs, runner, settings.jobs.drain_s)
            await drained.wait()
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def _open_parts(
    settings: Settings, folder: DataFolder, version: str, add_jobs: AddJobs | None
) -> AsyncIterator[tuple[Services, Live, Runner]]:
    """Everything that HTTP stands on, each in what it needs; closed in the opposite order."""
    async with (
        open_asyncio_thread() as thread,
        open_database(settings, thread) as database,
        open_staging(folder.uploads) as staging,
        open_sfu(settings.media, thread, loopback=is_loopback(settings.http.host)) as sfu,
        open_plugins(
            settings.plugins,
            version=version,
            public_url=settings.http.public_url.rstrip("/"),
            now_ms=_now_ms,
            known=await recall(database),
        ) as plugins,
        open_any_storage(settings, folder.files, plugins) as files,
    ):
        metrics = Metrics()
        shelf = _make_shelf(settings, folder, database, files)
        signer = TokenSigner(folder.key("tokens"))
        inference = make_inference(settings, metrics.inference_meter())
        captions = Transcriber(
            settings.captions, inference, clock_us=sfu.clock_us, report_at=settings.ai.summary.sent_to
        )
        watcher = Watcher(settings.vision, inference)
        bus, changes = LiveBus(), Changes()
        notices = make_notices(settings, plugins.notifiers, _now_ms)
        reactions = [notice_reaction(notices), report_reaction(_now_ms)]
        async with (
            open_recorder(
                settings.recording, shelf.root, database,
                node=shelf.node, now_ms=_now_ms, clock_us=sfu.clock_us, changed=changes.tell,
            ) as recorder,
            open_live(
                settings, database, sfu, signer, recorder, captions, watcher, node=folder.node, version=version
            ) as live,
            open_telling(
                settings.bus,
                database,
                thread,
                bus,
                [*reactions, *subscribers(plugins)],
                now_ms=_now_ms,
                uniform=random.uniform,
            ) as telling,
            trio.open_nursery() as beside,
        ):
            recorder.meetings = live
            beside.start_soon(follow_revoked, bus, live.revoke_user)
            beside.start_soon(follow_recordings, bus, changes.tell)
            beside.start_soon(follow_plugins, plugins, database, _now_ms)
            beside.start_soon(inference.serve)
            administrators = await database.read(users.count_active_admins)
            services = make_services(
                version=version,
                node=folder.node,
                settings=settings,
                secret=folder.key("tokens"),
                database=database,
                live=live,
                recorder=recorder,
                recording_changes=changes,
                files=files,
                staging=staging,
                metrics=metrics,
                plugins=plugins,
                inference=inference,
                setup_token=None if administrators else new_token(),
                now_ms=_now_ms,
            )
            metrics.database(database.statistics)
            metrics.media(sfu.statistics)
            metrics.storage(files.statistics)
            metrics.gauge("uploads_active", "Uploads that are worked on.", lambda: staging.statistics()["active"])
            metrics.meetings(live.statistics)
            metrics.recordings(recorder.statistics)
            metrics.plugins(plugins.statistics)
            metrics.inference(inference.statistics)
            metrics.gauge("captions_shed", "How often speech was left out of captions.", lambda: captions.shed)
            metrics.gauge("pictures_shed", "How often a picture was left out of the analysis.", lambda: watcher.shed)
            metrics.gauge("active_users", "Different people in meetings now, guests too.", partial(_active_users, live))
            metrics.gauge("tasks", "Tasks of the server.", lambda: trio.lowlevel.current_statistics().tasks_living)
            metrics.events(telling.statistics)
            registry = Registry(processes=settings.jobs.processes)
            # one that could not start today is owed what it was owed
            owed = telling.relay.names | {f"{PREFIX}{name}" for name in settings.plugins.enabled}
            add_chores(registry, database, settings, subscribers=owed, now_ms=_now_ms)
            add_file_chores(registry, database, files, staging, now_ms=_now_ms)
            most = settings.ai.max_request_bytes
            add_question_jobs(registry, database, files, inference, most_bytes=most)
            add_notification_jobs(registry, database, notices, plugins, _now_ms)
            told = partial(_tell_recording, changes, live)
            add_recording_jobs(registry, shelf, settings.recording, at_once=settings.jobs.processes, told=told)
            add_report_jobs(registry, database, settings.ai.summary, now_ms=_now_ms)
            if add_jobs is not None:
                add_jobs(registry, database)
            runner = _make_runner(settings, database, metrics.job_meter(), registry, folder.node)
            metrics.jobs(runner.statistics)
            yield services, live, runner
            beside.cancel_scope.cancel()


def _tell_recording(changes: Changes, live: Live, recording: Recording) -> None:
    """Pages and the room hear how far its film is."""
    changes.tell(recording.id)
    live.recording_changed(recording)


def _make_shelf(settings: Settings, folder: DataFolder, database: Database, files: ObjectStorage) -> Shelf:
    root = Path(settings.recording.folder) if settings.recording.folder else folder.recordings
    return Shelf(database=database, files=files, root=root, node=folder.node, now_ms=_now_ms)


def _make_runner(settings: Settings, database: Database, meter: JobMeter, registry: Registry, node: str) -> Runner:
    return Runner(
        StoreQueue(database, now_ms=_now_ms),
        registry,
        worker=f"{uname().nodename} {new_id('run')}",  # for people, and unlike any other start
        node=node,
        places=settings.jobs.places,
        lease_s=settings.jobs.lease_s,
        now_ms=_now_ms,
        chance=random.random,
        meter=meter,
    )


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


async def _close_rooms(live: Live) -> None:
    with trio.move_on_after(DRAIN_S) as draining:
        await live.stop()
    if draining.cancelled_caught:
        _log.warning("rooms_slow_to_close", deadline_s=DRAIN_S)


async def _close_jobs(runner: Runner, drain_s: float) -> None:
    with trio.move_on_after(drain_s) as draining:
        await runner.drain()
    if draining.cancelled_caught:
        _log.info("jobs_given_back", jobs=runner.statistics()["running"])
    with trio.move_on_after(_GIVE_BACK_S) as giving_back:  # a database that is away: their leases run out
        await runner.release()
    if giving_back.cancelled_caught:
        _log.warning("jobs_not_given_back", jobs=runner.statistics()["running"])


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


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
