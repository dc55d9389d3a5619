"""Looks at everything that a server stands on and says what is good and what must be mended: ``parley doctor``.

Owns the list of checks and their words; refuses to know how each part works: it opens the parts as the server does, and
closes them again. It leaves nothing behind: where a part would be made at the first start, it says so. Beside a running
server, whose ports are taken by right, it asks whether that answers.
"""

from __future__ import annotations

import datetime
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec
import trio

from appliance import plugin_console
from appliance.ai_parts import model_folder
from appliance.api.server import bind
from appliance.api.static_files import find_web_folder
from appliance.asyncio_thread import open_asyncio_thread
from appliance.bus.live import LiveBus
from appliance.bus.redis import open_redis_bus
from appliance.data_folder import DataFolder, look_at_data_folder
from appliance.errors import ConfigError, ParleyError
from appliance.files.opened import open_storage
from appliance.files.storage import ObjectStorage, StorageUnavailableError
from appliance.ids import new_id
from appliance.inference.installed import ModelError, ModelFolder
from appliance.inference.messages import Device
from appliance.inference.runtime import find_device, load_model, open_graph, providers_of
from appliance.plugin_storage import PREFIX
from appliance.settings import Settings, has_certificate, is_loopback, serves_tls
from appliance.sfu.media import check_ports
from appliance.store import migrations, users
from appliance.store.database import SQLITE_FILE, DatabaseError, open_engine
from appliance.tls import certificate_files, expiry, make_context, plain_http_advice

Level = Literal["good", "note", "warning", "wrong"]
"""``note``: as it is meant, and worth knowing. ``warning``: a server runs, and something is missing or will be.
``wrong``: a server does not start, or what was asked for does not work."""

# Let's Encrypt's certificates are renewed 30 days before their end: one with less than half of that was forgotten.
_RENEW_DAYS = 14
# A server that is busy answers within this.
_ANSWER_S = 5.0
# Services elsewhere.
_REACH_S = 20.0
_AT_FIRST_START = "is made at the first start"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    area: str
    level: Level
    text: str
    advice: str = ""
    """What to do about it."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    version: str
    wrong: int
    warnings: int
    findings: tuple[Finding, ...]


class _Desk:
    """Collects what the checks find."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def say(self, area: str, level: Level, text: str, advice: str = "") -> None:
        self.findings.append(Finding(area=area, level=level, text=" ".join(text.split()), advice=advice))

    @contextmanager
    def looking(self, area: str) -> Iterator[None]:
        """What a part says against being opened is what is wrong with it."""
        try:
            yield
        except* (ParleyError, DatabaseError, StorageUnavailableError, OSError) as group:
            for error in _leaves(group):
                self.say(area, "wrong", str(error) or type(error).__name__)
        except* trio.TooSlowError:
            self.say(area, "wrong", "no answer in time")


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


def report(version: str, findings: list[Finding]) -> Report:
    """Counted."""
    levels = [finding.level for finding in findings]
    wrong, warnings = levels.count("wrong"), levels.count("warning")
    return Report(version=version, wrong=wrong, warnings=warnings, findings=tuple(findings))


def unreadable(error: ConfigError, version: str) -> Report:
    """Where the settings are no good there is nothing else to look at."""
    return report(version, [Finding(area="settings", level="wrong", text=str(error))])


async def examine(settings: Settings, *, source: str, version: str) -> Report:
    """Look at all of it, a part after the other. ``source``: where the settings come from, for people."""
    desk = _Desk()
    desk.say("settings", "good", f"from {source}")
    folder = DataFolder(Path(settings.data.folder), b"", "")
    holder, there = None, False
    with desk.looking("data folder"):
        holder, there = _look_at_folder(desk, folder.path)
    _look_at_page(desk)
    with desk.looking("http port"):
        await _look_at_http(desk, settings, holder)
    with desk.looking("media port"):
        await trio.to_thread.run_sync(_look_at_media, desk, settings, holder)
    with desk.looking("certificate"):
        _look_at_certificate(desk, settings, folder.tls)
    with desk.looking("database"):
        await _look_at_database(desk, settings, there)
    with desk.looking("bus"):
        await _look_at_bus(desk, settings)
    with desk.looking("storage"):
        await _look_at_storage(desk, settings, folder.files)
    with desk.looking("recordings"):
        root = Path(settings.recording.folder) if settings.recording.folder else folder.recordings
        _look_at_recordings(desk, root, settings.recording.min_free_bytes)
    with desk.looking("models"):
        await trio.to_thread.run_sync(_look_at_models, desk, settings)
    with desk.looking("plugins"):
        await _look_at_plugins(desk, settings, version)
    return report(version, desk.findings)


def show(found: Report, print_line: Callable[[str], object]) -> None:
    """For people: a line for each finding, what to do below it, the sum at the end."""
    marks: dict[Level, str] = {"good": "ok", "note": "note", "warning": "WARNING", "wrong": "WRONG"}
    width = max(len(finding.area) for finding in found.findings)
    for finding in found.findings:
        print_line(f"{marks[finding.level]:7}  {finding.area:{width}}  {finding.text}")
        if finding.advice:
            print_line(f"{'':7}  {'':{width}}  → {finding.advice}")
    print_line(f"\nparley {found.version}: {found.wrong} wrong, {found.warnings} to be looked at")


# --- this machine ---------------------------------------------------------------------------------------------------


def _look_at_folder(desk: _Desk, path: Path) -> tuple[str | None, bool]:
    """Which process serves from it, and whether it is there."""
    if not path.exists():
        above = _nearest(path)
        if not os.access(above, os.W_OK | os.X_OK):
            raise ConfigError(f"data.folder = '{path}': cannot be made: {above} is not ours to write")
        desk.say("data folder", "note", f"{path} {_AT_FIRST_START}")
        return None, False
    holder = look_at_data_folder(path)
    free = f"{shutil.disk_usage(path).free / 1e9:.1f} GB free"
    desk.say("data folder", "good", f"{path}, {free}; {f'served from by {holder}' if holder else 'no server runs'}")
    return holder, True


def _nearest(path: Path) -> Path:
    """What there is of a path."""
    return next(above for above in (path.absolute(), *path.absolute().parents) if above.exists())


def _look_at_page(desk: _Desk) -> None:
    folder = find_web_folder()
    if folder is None:
        desk.say("web page", "warning", "was not built: the API works, people see nothing", "make web")
    else:
        desk.say("web page", "good", str(folder))


async def _look_at_http(desk: _Desk, settings: Settings, holder: str | None) -> None:
    host, port = settings.http.host, settings.http.port
    if holder is None:
        for listener in await bind(settings):
            await listener.aclose()
        desk.say("http port", "good", f"{host} port {port} can be listened on")
        return
    target = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    with trio.fail_after(_ANSWER_S):
        stream = await trio.open_tcp_stream(target, port)
        await stream.aclose()
    desk.say("http port", "good", f"{host} port {port}: the running server answers")


def _look_at_media(desk: _Desk, settings: Settings, holder: str | None) -> None:
    media = settings.media
    if holder is not None:
        desk.say("media port", "note", f"UDP {media.port} is the running server's: not tried")
        return
    check_ports(media)
    tcp = " and TCP" if media.tcp else ""
    text = f"UDP{tcp} {media.port} can be listened on; whether a firewall lets it in, only a browser elsewhere tells"
    desk.say("media port", "good", text)


def _look_at_certificate(desk: _Desk, settings: Settings, own_folder: Path) -> None:
    if not serves_tls(settings):
        advice = plain_http_advice(settings)
        if advice is None:
            where = "loopback" if is_loopback(settings.http.host) else "a proxy that http.trusted_proxies names"
            desk.say("certificate", "good", f"none is needed: plain HTTP on {where}")
        else:
            desk.say("certificate", "warning", "plain HTTP beyond loopback: browsers give no camera", advice)
        return
    chain, key = certificate_files(settings, own_folder)
    given = has_certificate(settings.tls)
    if not given and not chain.exists():
        text = f"a self-signed one {_AT_FIRST_START}: browsers warn of it"
        desk.say("certificate", "note", text, "name yours in [tls]")
        return
    make_context(chain, key)
    ends = expiry(chain)
    left = ends - datetime.datetime.now(datetime.UTC)
    text = f"{chain}, good until {ends:%Y-%m-%d}"
    if not given:
        desk.say("certificate", "note", f"{text}, self-signed: browsers warn of it", "name yours in [tls]")
    elif left < datetime.timedelta(0):
        desk.say("certificate", "wrong", f"{chain} expired on {ends:%Y-%m-%d}", "renew it: it is loaded by itself")
    elif left < datetime.timedelta(days=_RENEW_DAYS):
        desk.say("certificate", "warning", text, "renew it: it is loaded by itself")
    else:
        desk.say("certificate", "good", text)


def _look_at_recordings(desk: _Desk, root: Path, min_free_bytes: int) -> None:
    free = shutil.disk_usage(_nearest(root)).free
    text = f"{root}, {free / 1e9:.1f} GB free"
    if free < min_free_bytes:
        desk.say(
            "recordings", "warning", f"{text}: none is begun below recording.min_free_bytes = {min_free_bytes}",
            "make room, or have old ones go: recording.keep_days, recording.max_total_bytes",
        )  # fmt: skip
    else:
        desk.say("recordings", "good", text)


# --- what keeps data ------------------------------------------------------------------------------------------------


async def _look_at_database(desk: _Desk, settings: Settings, there: bool) -> None:
    file = Path(settings.data.folder) / SQLITE_FILE
    if not settings.database.url and not (there and file.exists()):
        desk.say("database", "note", f"{file} {_AT_FIRST_START}")
        return
    with trio.fail_after(_REACH_S):
        async with open_asyncio_thread() as thread, open_engine(settings, thread) as database:
            number = await migrations.applied(database)
            known = len(migrations.load_migrations())
            text = f"{database.dialect}, schema {number}"
            if number < known:
                desk.say("database", "note", f"{text}: the next start brings it to {known}", "keep a backup")
                return
            desk.say("database", "good", text)
            if await database.read(users.count_active_admins) == 0:
                advice = "open the one-time link that `parley serve` prints"
                desk.say("database", "note", "no administrator yet", advice)


async def _look_at_bus(desk: _Desk, settings: Settings) -> None:
    if not settings.bus.redis_url:
        return
    with trio.fail_after(_REACH_S):
        async with open_asyncio_thread() as thread, open_redis_bus(settings.bus.redis_url, LiveBus(), thread):
            desk.say("bus", "good", "Redis answers")


async def _look_at_storage(desk: _Desk, settings: Settings, folder: Path) -> None:
    kind = settings.storage.kind
    if kind.startswith(PREFIX):
        name = kind.removeprefix(PREFIX)
        desk.say("storage", "note", f"{name}'s, a plugin's: not tried here", f"parley plugins try {name}")
    elif kind != "s3":
        _look_at_files(desk, folder)
    else:
        with trio.fail_after(_REACH_S):
            async with open_storage(settings.storage, folder) as files:
                await _keep_and_forget(files)
        desk.say("storage", "good", f"bucket {settings.storage.bucket} kept an object, gave it back and forgot it")


def _look_at_files(desk: _Desk, folder: Path) -> None:
    if not folder.exists():
        desk.say("storage", "note", f"{folder} {_AT_FIRST_START}")
    elif not (folder.is_dir() and os.access(folder, os.R_OK | os.W_OK | os.X_OK)):
        desk.say("storage", "wrong", f"{folder}: is no folder that we may write")
    else:
        desk.say("storage", "good", str(folder))


async def _keep_and_forget(files: ObjectStorage) -> None:
    key, data = f"doctor/{new_id('obj')}", b"parley doctor"
    await files.write(key, data)
    try:
        if await files.read(key) != data:
            raise StorageUnavailableError(f"{key} came back as something else")
    finally:
        with trio.move_on_after(_REACH_S, shield=True):
            await files.delete(key)


# --- models and plugins ---------------------------------------------------------------------------------------------


def _look_at_models(desk: _Desk, settings: Settings) -> None:
    if not settings.ai.enabled:
        desk.say("models", "note", "the AI functions are off: ai.enabled = false")
        return
    models = model_folder(settings)
    installed, broken = models.installed(), 0
    for entry in installed:
        try:
            models.check(entry)
        except ModelError as error:
            broken += 1
            desk.say("models", "wrong", str(error), f"{entry.hint()} --again")
    if not installed:
        text = "none is installed: meetings work, captions and the other AI functions do not"
        desk.say("models", "note", text, "parley models pull")
    elif not broken:
        desk.say("models", "good", f"{len(installed)} in {models.folder}, as the catalog says")
    try:
        device = find_device(settings.ai.device, settings.ai.threads)
    except ModelError as error:
        desk.say("device", "wrong" if installed else "note", str(error))
        return
    for warning in [*device.warnings, *_unused_card(models, device)]:
        desk.say("device", "warning", warning)
    threads = "thread" if device.threads == 1 else "threads"
    desk.say("device", "good", f"{device.used}, {device.threads} {threads}, {device.runtime}")
    if settings.ai.workers or settings.ai.triton_url:
        text = "workers elsewhere are the server's to reach: not asked here"
        desk.say("device", "note", text, "GET /api/v1/ai/health, as an administrator")


def _unused_card(models: ModelFolder, device: Device) -> list[str]:
    """ONNX Runtime falls back to the CPU in silence: the smallest model says what it really runs on."""
    graphs = [entry for entry in models.installed() if any(file.is_graph for file in entry.files)]
    if device.used == "cpu" or not graphs:
        return []
    entry = min(graphs, key=lambda one: one.size_bytes)
    cache = models.folder
    loaded = load_model(entry, models.path(entry), lambda _entry, _file, path: open_graph(path, device, cache))
    used = providers_of(loaded, device)
    if "CPUExecutionProvider" not in used:
        return []
    why = "a library of CUDA is missing or of another version"
    return [f"{device.used} was chosen, and {entry.name} runs on the CPU: {why}"]


async def _look_at_plugins(desk: _Desk, settings: Settings, version: str) -> None:
    def good(line: str) -> None:
        desk.say("plugins", "good", line)

    for sentence in await plugin_console.check(settings, version=version, show=good):
        desk.say("plugins", "wrong", sentence)
