"""The API served for a test: real listener, real database, real files, in a thread of the test process.

Owns start and stop; the meetings behind it are a `RoomLedger`.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from appliance.ai_parts import make_inference
from appliance.api.application import make_application
from appliance.api.live_port import LiveMeetings
from appliance.api.server import serve_http
from appliance.api.services import Services, make_services
from appliance.api.static_files import StaticFiles
from appliance.asyncio_thread import AsyncioThread, open_asyncio_thread
from appliance.auth.tokens import TokenSigner
from appliance.bus.changes import Changes
from appliance.files.staging import open_staging
from appliance.hooks.discovery import Found, find
from appliance.hooks.running import open_plugins
from appliance.jobs.registry import Registry
from appliance.live.directory import open_live
from appliance.observe.metrics import Metrics
from appliance.plugin_storage import open_any_storage
from appliance.settings import (
    AuthSettings,
    DatabaseSettings,
    DataSettings,
    HttpSettings,
    LimitsSettings,
    MediaSettings,
    Settings,
)
from appliance.sfu.media import open_sfu
from appliance.store.database import Database, open_database
from tests.support.queued_jobs import Tally, make_runner
from tests.support.recorder_ledger import RecorderLedger
from tests.support.room_ledger import RoomLedger

SECRET = b"a secret of thirty-two bytes, or more"
SETUP_TOKEN = "the one-time token"
PASSWORD = "correct horse battery staple"

# The cheapest hash that the settings allow: tests check the logic, not the cost.
QUICK_AUTH = AuthSettings(argon2_memory_kib=8192, argon2_passes=1, argon2_lanes=1)
NO_LIMITS = LimitsSettings(
    login_per_minute=100_000,
    register_per_hour=100_000,
    refresh_per_minute=100_000,
    join_per_minute=100_000,
    upload_per_minute=100_000,
    ai_per_minute=100_000,
    api_per_minute=100_000,
)


def settings_for(folder: Path, database_url: str = "", **sections: Any) -> Settings:
    """Settings of a test server on a free port of 127.0.0.1."""
    values: dict[str, Any] = {
        "data": DataSettings(folder=str(folder)),
        "http": HttpSettings(port=0, max_body_bytes=65_536, max_upload_bytes=1_048_576),
        "database": DatabaseSettings(url=database_url, synchronous="normal"),
        "auth": QUICK_AUTH,
        "limits": NO_LIMITS,
        "media": MediaSettings(hosts=("127.0.0.1",), port=0),
        **sections,
    }
    return Settings(**values)


@dataclass
class Clock:
    """The server's clock, moved by the test."""

    ahead_ms: int = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms


@dataclass
class Reply:
    """One answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        """``data`` of a success."""
        assert self.status == 200, (self.status, self.body)
        assert self.json["code"] == 200 and self.json["message"] == "success"
        return self.json["data"]

    @property
    def code(self) -> str:
        """Machine code of a refusal."""
        assert self.status >= 400, (self.status, self.body)
        assert self.json["code"] == self.status
        return str(self.json["error"].partition(":")[0])

    @property
    def error(self) -> str:
        """Machine code and field of a refusal."""
        assert self.status >= 400, (self.status, self.body)
        return str(self.json["error"])


@dataclass
class ApiServer:
    """A running server."""

    host: str
    port: int
    services: Services
    ledger: RoomLedger
    clock: Clock
    recorder: RecorderLedger
    tls: bool = False
    token: trio.lowlevel.TrioToken | None = None

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://{self.host}:{self.port}"

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
        timeout_s: float = 10.0,
    ) -> Reply:
        """One request on a connection of its own. ``path`` below /api/v1, or from the root with a leading ``!``."""
        full = path[1:] if path.startswith("!") else "/api/v1" + path
        sent: dict[str, str] = {}
        if raw is not None or body is not None:
            sent["Content-Type"] = "application/json"
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        sent.update(headers or {})
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        if self.tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(self.host, self.port, timeout=timeout_s, context=context)
        else:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)
        try:
            connection.request(method, full, data, sent)
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def user(self, name: str, **fields: Any) -> Account:
        """Register an account, signed in with bearer tokens."""
        body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD, **fields}
        data = self.request("POST", "/auth/register", body).data
        return Account(self, data["user"]["id"], data["access_token"], data["refresh_token"])

    def admin(self, name: str = "root") -> Account:
        """Create the administrator with the setup link."""
        body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD, "token": SETUP_TOKEN}
        data = self.request("POST", "/setup", body).data
        return Account(self, data["user"]["id"], data["access_token"], data["refresh_token"])


@dataclass
class Account:
    """A signed-in client."""

    server: ApiServer
    id: str
    token: str
    refresh_token: str = field(repr=False)

    def call(self, method: str, path: str, body: object = None, **more: Any) -> Reply:
        return self.server.request(method, path, body, token=self.token, **more)

    def get(self, path: str) -> Reply:
        return self.call("GET", path)

    def post(self, path: str, body: object = None) -> Reply:
        return self.call("POST", path, {} if body is None else body)

    def put(self, path: str, body: object) -> Reply:
        return self.call("PUT", path, body)

    def delete(self, path: str, body: object = None) -> Reply:
        return self.call("DELETE", path, body)


@asynccontextmanager
async def _meetings(
    settings: Settings, database: Database, thread: AsyncioThread, ledger: RoomLedger, *, real: bool
) -> AsyncIterator[LiveMeetings]:
    if not real:
        yield ledger
        return
    async with (
        open_sfu(settings.media, thread) as sfu,
        open_live(settings, database, sfu, TokenSigner(SECRET), node="node_here") as live,
    ):
        yield live


@contextmanager
def serving(
    settings: Settings,
    *,
    web: Path | None = None,
    tls: ssl.SSLContext | None = None,
    setup_token: str | None = SETUP_TOKEN,
    real_meetings: bool = False,
    discover: Callable[[], Iterable[Found]] = find,
    fill: Callable[[Registry, Services], None] | None = None,
) -> Iterator[ApiServer]:
    """A server for the length of the block; what it raises is raised here.

    ``real_meetings``: running ones on a real SFU, in place of the ledger. ``fill``: jobs are carried out, those that it
    binds; without it they wait.
    """
    ledger, clock, ready = RoomLedger(), Clock(), threading.Event()
    state: dict[str, Any] = {}

    async def run() -> None:
        stop = trio.Event()
        async with (
            open_asyncio_thread() as thread,
            open_database(settings, thread) as database,
            open_staging(Path(settings.data.folder) / "uploads") as staging,
            _meetings(settings, database, thread, ledger, real=real_meetings) as live,
            open_plugins(
                settings.plugins, version="0.0.test", public_url="", now_ms=clock.now_ms, discover=discover
            ) as plugins,
            open_any_storage(settings, Path(settings.data.folder) / "files", plugins) as files,
            trio.open_nursery() as nursery,
        ):
            recorder = RecorderLedger(database, clock.now_ms)
            metrics = Metrics()
            inference = make_inference(settings, metrics.inference_meter())
            services = make_services(
                version="0.0.test",
                node="node_here",
                settings=settings,
                secret=SECRET,
                database=database,
                live=live,
                files=files,
                staging=staging,
                metrics=metrics,
                plugins=plugins,
                inference=inference,
                setup_token=setup_token,
                now_ms=clock.now_ms,
                recorder=recorder,
                recording_changes=Changes(),
            )
            application = make_application(services, StaticFiles(web))

            async def serve(*, task_status: trio.TaskStatus[list[tuple[str, int]]]) -> None:
                await serve_http(application, settings, tls=tls, wait_stop=stop.wait, task_status=task_status)
                nursery.cancel_scope.cancel()

            async def end_streams() -> None:  # as `app` does
                await stop.wait()
                services.recording_changes.close()

            if fill is not None:
                registry = Registry(processes=1)
                fill(registry, services)
                await nursery.start(make_runner(database, registry, Tally(), clock_ms=clock.now_ms).serve)
            nursery.start_soon(end_streams)
            nursery.start_soon(inference.serve)
            addresses = await nursery.start(serve)
            host, port = addresses[0]
            token = trio.lowlevel.current_trio_token()
            state["stop"] = lambda: token.run_sync_soon(stop.set)
            state["server"] = ApiServer(host, port, services, ledger, clock, recorder, tls is not None, token)
            ready.set()

    def main() -> None:
        try:
            trio.run(run)
        except BaseException as error:
            state["error"] = error
        finally:
            ready.set()

    runner = threading.Thread(target=main, name="api server")
    runner.start()
    ready.wait(20)
    try:
        if "server" in state:
            yield state["server"]
    finally:
        if "stop" in state:
            state["stop"]()
        runner.join(20)
    assert not runner.is_alive(), "the server does not stop"
    error = state.get("error")
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]  # the nurseries around it
    if error is not None:
        raise error


__all__ = ["PASSWORD", "SETUP_TOKEN", "Account", "ApiServer", "Clock", "Reply", "serving", "settings_for"]
