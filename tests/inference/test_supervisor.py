"""Workers that die, hang, freeze, grow and start badly: they come back, and what they had is answered or fails."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import trio

from appliance.inference.client import Inference
from appliance.inference.replies import InferenceError
from tests.support.inference_world import entry_text, models_folder, running, worker_config
from tests.support.waiting import until

pytestmark = pytest.mark.slow


async def test_a_killed_worker_is_back_and_nothing_is_lost(tmp_path: Path) -> None:
    async with running(models_folder(tmp_path)) as inference:
        first = (await inference.infer("echo")).values["pid"]
        pids = []

        async def ask() -> None:
            pids.append((await inference.infer("slow", b"", {"s": 0.1})).worker)

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(ask)
            await trio.sleep(0.15)
            began_s = trio.current_time()
            os.kill(first, signal.SIGKILL)
        assert len(pids) == 5
        reply = await inference.infer("echo")
        assert reply.values["pid"] != first
        print(f"back after {trio.current_time() - began_s:.1f} s")
        health = inference.health()
        assert health.queue.repeated > 0
        assert health.workers[0].restarts == 1
        assert health.state == "ready"


async def test_a_request_that_kills_two_workers_fails(tmp_path: Path) -> None:
    async with running(models_folder(tmp_path)) as inference:
        with pytest.raises(InferenceError, match="died 2 times") as caught:
            await inference.infer("troublesome", b"", {"how": "crash"})
        assert caught.value.code == "worker_died"
        assert (await inference.infer("troublesome")).values["pid"], "a third one serves the others"


async def test_a_request_whose_worker_died_by_chance_is_answered(tmp_path: Path) -> None:
    async with running(models_folder(tmp_path)) as inference:
        assert (await inference.infer("troublesome", b"", {"how": "crash once"})).values["pid"]


async def test_another_worker_takes_over_at_once(tmp_path: Path) -> None:
    async with running(models_folder(tmp_path), processes=2) as inference:
        await until(lambda: sum(worker.state == "up" for worker in inference.health().workers) == 2)
        first = await inference.infer("echo", b"", {"session": "s", "number": 1})
        os.kill(first.values["pid"], signal.SIGKILL)
        second = await inference.infer("echo", b"", {"session": "s", "number": 2})
        assert second.worker != first.worker
        assert (second.epoch, second.values["heard"]) == (first.epoch + 1, [2]), "who asks is told that state was lost"


async def test_a_model_that_hangs_ends_its_worker(tmp_path: Path) -> None:
    async with running(models_folder(tmp_path)) as inference:
        with pytest.raises(InferenceError) as caught:
            await inference.infer("troublesome", b"", {"how": "hang"}, within_s=1.5)
        assert caught.value.code == "expired"
        await until(lambda: inference.health().workers[0].restarts == 1)
        assert (await inference.infer("echo")).values["pid"]


async def test_a_worker_that_says_nothing_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.inference.link.PING_EACH_S", 0.1)
    async with running(models_folder(tmp_path)) as inference:
        pid = inference.health().workers[0].pid
        with pytest.raises(InferenceError) as caught:
            await inference.infer("troublesome", b"", {"how": "freeze"}, within_s=1.0)
        assert caught.value.code == "expired"
        assert (await inference.infer("echo")).values["pid"] != pid
        assert inference.health().workers[0].restarts == 1


async def test_a_worker_that_grows_is_ended(tmp_path: Path) -> None:
    entries = (entry_text("troublesome", "Troublesome", max_s=30), entry_text("echo", "Echo"))
    limits = {"max_memory_bytes": 300 * 1024 * 1024}
    async with running(models_folder(tmp_path, entries), worker=limits) as inference:
        with pytest.raises(InferenceError) as caught:
            await inference.infer("troublesome", b"", {"how": "grow"}, within_s=3.0)
        assert caught.value.code in ("expired", "worker_died")
        await until(lambda: inference.health().workers[0].restarts >= 1)


async def test_too_much_memory_at_once_fails_that_request_alone(tmp_path: Path) -> None:
    async with running(models_folder(tmp_path)) as inference:
        with pytest.raises(InferenceError) as caught:
            await inference.infer("troublesome", b"", {"how": "too much at once"})
        assert caught.value.code == "out_of_memory"
        assert inference.health().workers[0].restarts == 0


async def test_a_worker_that_cannot_start_is_tried_again_later_each_time(tmp_path: Path) -> None:
    models = models_folder(tmp_path)
    config = worker_config(tmp_path)
    (tmp_path / "catalog.toml").write_text("this is no TOML")
    inference = Inference(models, enabled=True, local=[config])
    async with trio.open_nursery() as nursery:
        await nursery.start(inference.serve)
        await until(lambda: inference.health().workers and inference.health().workers[0].restarts >= 2)
        health = inference.health()
        assert health.state == "down"
        assert "exit code 1" in health.workers[0].reason or health.workers[0].state == "starting"
        with pytest.raises(InferenceError) as caught:
            await inference.infer("echo", within_s=0.2)
        assert caught.value.code == "expired"
        nursery.cancel_scope.cancel()


async def test_a_stopping_server_leaves_no_process(tmp_path: Path) -> None:
    async with running(models_folder(tmp_path)) as inference:
        pid = inference.health().workers[0].pid
        assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_the_worker_gets_none_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_DATABASE__URL", "postgresql://user:secret@host/name")
    async with running(models_folder(tmp_path)) as inference:
        names = (await inference.infer("troublesome", b"", {"how": "environment"})).values
        assert "PATH" in names
        assert not [name for name in names if name.startswith("PARLEY")]
