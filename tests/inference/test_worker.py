"""A worker for others: over TCP, for known keys alone, from several servers at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
import trio
import zmq

from appliance.inference.link import Curve
from appliance.inference.replies import InferenceError, RemoteWorker
from appliance.inference.worker import Worker
from appliance.inference.worker_config import WorkerConfig
from tests.support.inference_world import models_folder, running, worker_config
from tests.support.ports import free_port
from tests.support.waiting import until

pytestmark = pytest.mark.slow


def _pair() -> tuple[str, str]:
    public, secret = (key.decode() for key in zmq.curve_keypair())
    return public, secret


@contextmanager
def _worker(config: WorkerConfig) -> Iterator[None]:
    worker = Worker(config)
    thread = threading.Thread(target=worker.run, name="worker")
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join(10)
        assert not thread.is_alive()


@contextmanager
def _remote(folder: Path, servers: Sequence[tuple[str, str]]) -> Iterator[list[RemoteWorker]]:
    """A worker that takes these servers; how each of them reaches it."""
    public, secret = _pair()
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    keys = {"secret_key": secret, "public_key": public, "authorized": tuple(server[0] for server in servers)}
    config = msgspec.structs.replace(worker_config(folder, has_parent=False, **keys), endpoint=endpoint)
    with _worker(config):
        yield [RemoteWorker(endpoint, Curve(public, *server)) for server in servers]


async def test_a_known_server_is_answered_and_a_stranger_is_not(tmp_path: Path) -> None:
    models = models_folder(tmp_path)
    known, stranger = _pair(), _pair()
    with _remote(tmp_path, [known]) as (remote,):
        assert remote.curve is not None
        async with running(models, processes=0, remote=[remote]) as inference:
            assert (await inference.infer("echo", b"sound")).payload == b"sound"
            assert inference.health().workers[0].kind == "remote"
        bad = RemoteWorker(remote.endpoint, Curve(remote.curve.server_key, *stranger))
        async with running(models, processes=0, remote=[bad], ready=False) as inference:
            with pytest.raises(InferenceError) as caught:
                await inference.infer("echo", within_s=1.0)
            assert caught.value.code == "expired"
            assert inference.health().state == "starting"
        plain = RemoteWorker(remote.endpoint, None)
        async with running(models, processes=0, remote=[plain], ready=False) as inference:
            with pytest.raises(InferenceError):
                await inference.infer("echo", within_s=0.5)


async def test_two_servers_share_a_worker_and_not_their_sessions(tmp_path: Path) -> None:
    models = models_folder(tmp_path)
    with _remote(tmp_path, [_pair(), _pair()]) as (one, other):
        async with (
            running(models, processes=0, remote=[one]) as first,
            running(models, processes=0, remote=[other]) as second,
        ):
            for inference in (first, second):
                for number in (1, 2):
                    reply = await inference.infer("echo", b"", {"session": "same name", "number": number})
                assert reply.values["heard"] == [1, 2]
            first.close_session("echo", "same name")
            await first.infer("echo")  # may be of the batch before which it is closed
            assert (await first.infer("echo", b"", {"sessions": True})).values["sessions"] == 1


async def test_work_goes_to_who_has_the_least(tmp_path: Path) -> None:
    models = models_folder(tmp_path)
    server = _pair()
    with _remote(tmp_path, [server]) as here, _remote(tmp_path, [server]) as there:
        async with running(models, processes=0, remote=[*here, *there]) as inference:
            await until(lambda: sum(worker.state == "up" for worker in inference.health().workers) == 2)
            await inference.load("slow")
            workers = []

            async def ask() -> None:
                workers.append((await inference.infer("slow", b"", {"s": 0.1})).worker)

            async with trio.open_nursery() as nursery:
                for _ in range(8):
                    nursery.start_soon(ask)
            assert sorted(workers.count(remote.endpoint) for remote in (*here, *there)) == [4, 4]


async def test_a_worker_elsewhere_may_go_and_come_back(tmp_path: Path) -> None:
    models = models_folder(tmp_path)
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    config = msgspec.structs.replace(worker_config(tmp_path, has_parent=False), endpoint=endpoint)
    async with running(models, processes=0, remote=[RemoteWorker(endpoint, None)], ready=False) as inference:
        for expected in (0, 1):
            stop = threading.Event()

            def serve(stop: threading.Event = stop) -> None:
                with _worker(config):
                    stop.wait(10)

            thread = threading.Thread(target=serve)
            thread.start()
            assert (await inference.infer("echo", b"again")).payload == b"again"
            await until(lambda expected=expected: inference.health().workers[0].restarts >= expected)
            stop.set()
            await trio.to_thread.run_sync(thread.join)
