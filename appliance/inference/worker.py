"""A worker process: ``python -m appliance.inference.worker``, its `WorkerConfig` on standard input.

Owns the socket, the threads of the models and the watch over itself; refuses to know what the models do. The main
thread alone touches the socket: it takes requests to the models' threads and their answers back, in as few messages as
it can. It imports no event loop: ONNX Runtime releases the interpreter's lock, and threads are what it wants.

A process that hangs or grows too large ends itself (`EXIT_HUNG`, `EXIT_MEMORY`), wherever it runs; whoever started it
starts it again: the server's supervisor, or the service manager of another machine. A worker whose every thread stands
still says nothing any more, and is killed by its supervisor.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import structlog
import zmq
from zmq.auth.thread import ThreadAuthenticator

from appliance.errors import ParleyError
from appliance.inference import messages as m
from appliance.inference.clients import Client, Clients
from appliance.inference.entries import CatalogEntry, ModelFile
from appliance.inference.imports import resolve
from appliance.inference.installed import ModelError, ModelFolder
from appliance.inference.memory import cpu_seconds, gpu_bytes, resident_bytes
from appliance.inference.model_thread import ModelThread, Pending
from appliance.inference.runtime import find_device, load_model, open_graph, providers_of
from appliance.inference.task import ENTRY_POINTS, Request, Session, Task
from appliance.inference.triton import open_triton
from appliance.inference.worker_config import EXIT_HUNG, EXIT_MEMORY, WorkerConfig

_log = structlog.get_logger(__name__)

_WATCH_EACH_S = 0.25
_FINISH_WITHIN_S = 3.0
"""Of a stop, what batches get that run."""
_DRAIN = 256
"""Messages taken from the socket before answers are sent."""
_LOOK_EACH_MS = 5000
"""Clients that are gone are looked for this often when nothing comes."""


class Worker:
    """One process's. `run` serves until it is told to stop."""

    def __init__(self, config: WorkerConfig) -> None:
        """ModelError when ONNX Runtime is missing, ConfigError when a catalog is no good."""
        self._config = config
        self._models = ModelFolder(Path(config.models_folder), [Path(path) for path in config.catalogs])
        self._device = find_device(config.device, config.threads)
        self._incarnation = os.urandom(8).hex()
        self._threads: dict[str, ModelThread] = {}
        self._clients = Clients()
        self._outgoing: deque[tuple[Client, m.ToServer, bytes]] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._woken = False
        self._stopping = False

    def run(self) -> None:
        """Bind, load what is pinned, serve. zmq.ZMQError when the endpoint cannot be bound."""
        if not self._config.has_parent:  # else the server says so, which is told by `Hello`
            for warning in self._device.warnings:
                _log.warning("ai_gpu_not_used", reason=warning)
        with zmq.Context() as context, _authenticated(context, self._config):
            socket = context.socket(zmq.ROUTER)
            socket.linger = int(_FINISH_WITHIN_S * 1000)
            socket.sndhwm = socket.rcvhwm = 0  # credit bounds what is there; a ROUTER drops what is above its mark
            if self._config.secret_key:
                socket.curve_server = True
                socket.curve_secretkey = self._config.secret_key.encode()
                socket.curve_publickey = self._config.public_key.encode()
            socket.bind(self._config.endpoint)
            threading.Thread(target=self._watch, name="watch", daemon=True).start()
            pins = self._models.pins()
            for entry in self._models.installed():
                if entry.name in pins:
                    self._thread(entry).order(None, 0, "pin")
            _log.info("ai_worker_ready", endpoint=self._config.endpoint, device=self._device.used)
            try:
                self._serve(socket)
            finally:
                self._finish(socket)
                socket.close()

    def stop(self) -> None:
        """End after what runs; from any thread, or a signal handler."""
        self._stopping = True
        os.eventfd_write(self._wake, 1)

    # --- the main thread ----------------------------------------------------------------------------------------------

    def _serve(self, socket: zmq.Socket[bytes]) -> None:
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLIN)
        poller.register(self._wake, zmq.POLLIN)
        if self._config.has_parent:
            poller.register(sys.stdin.fileno(), zmq.POLLIN)
        while not self._stopping:
            ready = dict(poller.poll(_LOOK_EACH_MS))
            if self._wake in ready:
                os.eventfd_read(self._wake)
            if self._config.has_parent and sys.stdin.fileno() in ready and not os.read(sys.stdin.fileno(), 4096):
                self._stopping = True  # told to stop, or the server is gone
            if socket in ready:
                self._receive(socket)
            self._send(socket)
            for client in self._clients.gone(time.monotonic()):
                self._close_sessions(client)

    def _receive(self, socket: zmq.Socket[bytes]) -> None:
        pending: dict[str, list[Pending]] = {}
        for _ in range(_DRAIN):
            try:
                identity, *frames = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            client = self._clients.seen(identity, time.monotonic())
            try:
                batch = m.decode_to_worker_untrusted(frames)
            except m.FrameError as error:
                _log.warning("ai_bad_frames", reason=str(error), client=client.number)
                continue
            for message, payload in batch:
                if isinstance(message, m.Infer):
                    one = self._pending(client, message, payload)
                    pending.setdefault(message.model, []).append(one)
                else:
                    self._put(pending)
                    pending = {}
                    self._obey(client, message)
        self._put(pending)

    def _pending(self, client: Client, message: m.Infer, payload: bytes) -> Pending:
        options = message.options
        session = options.get("session")
        if isinstance(session, str):
            # two servers may use one name
            options = {**options, "session": client.session(message.model, session)}
        now_s = time.monotonic()
        return Pending(
            client=client,
            id=message.id,
            rank=message.rank,
            deadline_s=now_s + message.within_ms / 1000,
            request=Request(options, payload),
            arrived_s=now_s,
        )

    def _put(self, pending: dict[str, list[Pending]]) -> None:
        for name, works in pending.items():
            try:
                thread = self._thread(self._installed(name))
            except ModelError as error:
                for one in works:
                    assert isinstance(one.client, Client)
                    self._outgoing.append((one.client, m.Failure(one.id, error.code, str(error)), b""))
                continue
            room = self._config.credit - thread.state().queued
            thread.put(works[: max(room, 0)])
            for one in works[max(room, 0) :]:
                assert isinstance(one.client, Client)
                self._outgoing.append((one.client, m.Failure(one.id, "overloaded", "more than the credit"), b""))

    def _obey(self, client: Client, message: m.ToWorker) -> None:
        match message:
            case m.Greet():
                self._say(client, self._hello())
            case m.Ping(number):
                config = self._config
                gpu = gpu_bytes() if self._device.used != "cpu" and not config.triton_url else None
                self._say(client, self._pong(number, gpu))
            case m.Cancel(id):
                for each in self._threads.values():
                    each.cancel(client, id)
            case m.CloseSession(model, session):
                if (thread := self._threads.get(model)) is not None:
                    thread.close_session(client.forget_session(model, session))
            case m.Load(id, model) | m.Unload(id, model) | m.Pin(id, model):
                verb = type(message).__name__.lower()
                if isinstance(message, m.Pin) and not message.pinned:
                    verb = "unpin"
                try:
                    self._thread(self._installed(model)).order(client, id, verb)
                except ModelError as error:
                    self._say(client, m.Failure(id, error.code, str(error)))

    def _say(self, client: Client, message: m.ToServer) -> None:
        self._outgoing.append((client, message, b""))

    def _send(self, socket: zmq.Socket[bytes]) -> None:
        self._woken = False  # before looking: what is put after the look wakes us again
        by_client: dict[Client, list[tuple[m.ToServer, bytes]]] = {}
        with contextlib.suppress(IndexError):
            while True:
                client, message, payload = self._outgoing.popleft()
                batch = by_client.setdefault(client, [])
                batch.append((message, payload))
                if len(batch) == m.MAX_MESSAGES:
                    socket.send_multipart([client.identity, *m.encode(by_client.pop(client))])
        for client, batch in by_client.items():
            socket.send_multipart([client.identity, *m.encode(batch)], copy=False)

    def _finish(self, socket: zmq.Socket[bytes]) -> None:
        """Let what runs end, and send the answers."""
        ends_s = time.monotonic() + _FINISH_WITHIN_S
        for thread in self._threads.values():
            thread.stop()
        slow = [name for name, thread in self._threads.items() if not thread.join(max(0.0, ends_s - time.monotonic()))]
        self._send(socket)
        _log.info("ai_worker_stopped", **({"unfinished": slow} if slow else {}))

    # --- models -------------------------------------------------------------------------------------------------------

    def _installed(self, name: str) -> CatalogEntry:
        entry = self._models.entry(name)
        if name not in self._threads and not self._models.is_installed(entry):
            raise ModelError("model_not_installed", f"{name} is not installed; run: {entry.hint()}")
        return entry

    def _thread(self, entry: CatalogEntry) -> ModelThread:
        thread = self._threads.get(entry.name)
        if thread is None:
            thread = self._threads[entry.name] = ModelThread(
                entry,
                partial(self._load, entry),
                self._deliver,
                idle_unload_s=self._config.idle_unload_s,
                pinned=entry.name in self._models.pins(),
            )
        return thread

    def _load(self, entry: CatalogEntry) -> tuple[Task, tuple[str, ...]]:
        """In the model's thread."""
        self._models.check(entry)
        task_class: Any = resolve(entry.processor, group=ENTRY_POINTS)
        model = load_model(entry, self._models.path(entry), self._open)
        task: Task = task_class(model)
        return task, providers_of(model, self._device)

    def _open(self, entry: CatalogEntry, file: ModelFile, path: Path) -> Session:
        if self._config.triton_url:
            there = open_triton(self._config.triton_url, entry, file)
            if there is not None:
                return there
        session: Session = open_graph(path, self._device, self._models.folder / ".tensorrt")
        return session

    def _deliver(self, client: object, message: m.ToServer, payload: bytes) -> None:
        """In a model's thread."""
        if isinstance(client, Client):
            self._outgoing.append((client, message, payload))
            if not self._woken:  # else the main thread has yet to look, and takes this along
                self._woken = True
                os.eventfd_write(self._wake, 1)

    def _close_sessions(self, client: Client) -> None:
        for model, session in client.sessions():
            if (thread := self._threads.get(model)) is not None:
                thread.close_session(session)

    def _states(self) -> tuple[m.ModelState, ...]:
        return tuple(
            thread.state() if (thread := self._threads.get(entry.name)) is not None else m.ModelState(entry.name, False)
            for entry in self._models.installed()
        )

    def _pong(self, number: int, gpu: int | None) -> m.Pong:
        return m.Pong(number, self._incarnation, resident_bytes(), gpu, cpu_seconds(), self._states())

    def _hello(self) -> m.Hello:
        return m.Hello(
            m.PROTOCOL,
            self._incarnation,
            os.uname().nodename,
            os.getpid(),
            self._config.credit,
            self._device,
            self._states(),
        )

    # --- the watch ----------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """End the process when a model hangs or it takes too much; in a thread of its own."""
        while True:
            time.sleep(_WATCH_EACH_S)
            for thread in list(self._threads.values()):
                if time.monotonic() > thread.hangs_at_s:
                    _log.error("ai_model_hung", model=thread.entry.name, max_s=thread.entry.max_s)
                    _end(EXIT_HUNG)
            used = resident_bytes()
            if used > self._config.max_memory_bytes:
                _log.error("ai_memory_exceeded", bytes=used, max_memory_bytes=self._config.max_memory_bytes)
                _end(EXIT_MEMORY)


def _end(code: int) -> None:
    sys.stderr.flush()
    os._exit(code)  # a thread that hangs cannot be asked


@contextlib.contextmanager
def _authenticated(context: zmq.Context[Any], config: WorkerConfig) -> Any:
    """CURVE for those whose keys are known (RFC 27, ZAP)."""
    if not config.secret_key:
        yield
        return
    authenticator = ThreadAuthenticator(context)
    authenticator.start()
    try:
        authenticator.configure_curve_callback(domain="*", credentials_provider=_Authorized(config.authorized))
        yield
    finally:
        authenticator.stop()


class _Authorized:
    """What pyzmq's authenticator asks."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = {key.encode() for key in keys}

    def callback(self, _domain: str, key: bytes) -> bool:
        """Whether the client with this public key, Z85, may come."""
        if key not in self._keys:
            _log.warning("ai_server_refused", public_key=key.decode("ascii", "replace"))
        return key in self._keys


def bound_memory(config: WorkerConfig) -> None:
    """A second line behind the watch, for one request that takes it all at once: it gets a MemoryError.

    Not with a graphics card: CUDA maps far more than it takes.
    """
    if config.device == "cpu" or (config.device == "auto" and not Path("/dev/nvidia0").exists()):
        most = 2 * config.max_memory_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def main() -> int:
    """The process of a server's own worker."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    line = sys.stdin.buffer.readline()
    config = msgspec.json.decode(line, type=WorkerConfig)
    os.nice(config.niceness)
    bound_memory(config)
    try:
        worker = Worker(config)
    except ParleyError as error:  # somebody must mend something; a traceback would not say more
        _log.error("ai_worker_refused", reason=str(error))
        return 1
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C goes to the server, which stops us
    worker.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
