"""A server's Inference with real worker processes: questions, answers, batches, sessions, deadlines, orders."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
import trio.lowlevel

from appliance.inference.client import Inference
from appliance.inference.replies import InferenceError, Reply
from tests.support.inference_world import entry_text, models_folder, running
from tests.support.waiting import until

pytestmark = pytest.mark.slow


async def _all(inference: Inference, name: str, options: list[dict[str, Any]], **more: Any) -> list[Reply | str]:
    """Ask at once, in this order; answers, or the codes of errors."""
    found: list[Reply | str] = [""] * len(options)

    async def ask(number: int) -> None:
        try:
            found[number] = await inference.infer(name, b"", options[number], **more)
        except InferenceError as error:
            found[number] = error.code

    async with trio.open_nursery() as nursery:
        for number in range(len(options)):
            nursery.start_soon(ask, number)
            await trio.lowlevel.checkpoint()
    return found


async def test_questions_are_answered_with_their_payloads(tmp_path: Path) -> None:
    async with running(models_folder(tmp_path)) as inference:
        sound = bytes(range(256)) * 4000
        reply = await inference.infer("echo", sound, {"language": "en"})
        assert reply.payload == sound
        assert reply.values["options"] == {"language": "en"}
        assert (reply.model, reply.worker, reply.batch, reply.epoch) == ("echo", "local-1", 1, 0)
        assert 0 < reply.run_ms <= reply.latency_ms
        assert (await inference.infer("echo")).payload == b""


async def test_a_graph_runs_in_batches(tmp_path: Path) -> None:
    async with running(models_folder(tmp_path)) as inference:
        rows = [np.full(4, number, np.float32) for number in range(40)]
        replies: dict[int, Reply] = {}

        async def ask(number: int) -> None:
            replies[number] = await inference.infer("identity", rows[number].tobytes())

        async with trio.open_nursery() as nursery:
            for number in range(40):
                nursery.start_soon(ask, number)
        for number, row in enumerate(rows):
            assert np.array_equal(np.frombuffer(replies[number].payload, np.float32), row)
        assert max(reply.batch for reply in replies.values()) > 1
        assert max(reply.batch for reply in replies.values()) <= 16

        def loaded() -> Any:
            return next((model for model in inference.list_models() if model.loaded), None)

        state = await until(loaded)
        assert state.providers == ("CPUExecutionProvider",)
        assert state.loaded and state.load_ms > 0
        assert state.batches < state.answered == state.latency.samples
        assert 0 < state.latency.p50_ms <= state.latency.p99_ms


async def test_errors_of_tasks_are_their_requests_own(tmp_path: Path) -> None:
    async with running(models_folder(tmp_path)) as inference:
        found = await _all(inference, "echo", [{}, {"bad": 7}, {}])
        assert [reply if isinstance(reply, str) else "answered" for reply in found] == [
            "answered",
            "bad_input",
            "answered",
        ]
        for how in ("raise", "miscount", "no result", "unspeakable"):
            with pytest.raises(InferenceError, match="troublesome failed") as caught:
                await inference.infer("troublesome", b"", {"how": how})
            assert caught.value.code == "task_failed"
        assert (await inference.infer("troublesome")).values["pid"], "it lives on"


async def test_options_that_cannot_be_sent_are_the_callers_fault(tmp_path: Path) -> None:
    async with running(models_folder(tmp_path)) as inference:
        with pytest.raises(TypeError):
            await inference.infer("echo", b"", {"socket": object()})
        assert inference.statistics()["waiting"] == 0


async def test_sessions_keep_order_and_state_and_are_closed(tmp_path: Path) -> None:
    async with running(models_folder(tmp_path), processes=2) as inference:
        await until(lambda: sum(worker.state == "up" for worker in inference.health().workers) == 2)
        options = [{"session": name, "number": number} for number in range(20) for name in ("one", "two")]
        replies = await _all(inference, "echo", options)
        for name in ("one", "two"):
            mine = [reply for reply, asked in zip(replies, options, strict=True) if asked["session"] == name]
            assert len({reply.worker for reply in mine if isinstance(reply, Reply)}) == 1
            last = mine[-1]
            assert isinstance(last, Reply)
            assert last.values["heard"] == list(range(20))
            assert last.epoch == 1
            assert last.batch <= 2, "one of a session at most"
        inference.close_session("echo", "one")
        again = await inference.infer("echo", b"", {"session": "one", "number": 0})
        assert again.values["heard"] == [0]


async def test_what_is_late_fails_in_time_and_is_not_begun(tmp_path: Path) -> None:
    async with running(models_folder(tmp_path)) as inference:
        await inference.infer("slow", b"", {"number": -1})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(inference.infer, "slow", b"", {"s": 2.0, "number": 0}))
            await trio.sleep(0.1)
            found = await _all(inference, "slow", [{"number": number} for number in (1, 2, 3)], within_s=0.2)
            assert found == ["expired"] * 3
        last = await inference.infer("slow", b"", {"number": 9})
        assert last.values["order"] == [-1, 0, 9], "one was at the worker already, and was dropped there"


async def test_a_caller_that_goes_takes_its_request_along(tmp_path: Path) -> None:
    async with running(models_folder(tmp_path)) as inference:
        await inference.infer("slow", b"", {"number": 0})
        with trio.move_on_after(0.2):
            await _all(inference, "slow", [{"s": 0.5, "number": number} for number in range(1, 6)])
        assert inference.statistics()["waiting"] == 0
        assert inference.statistics()["forgotten"] == 5
        reply = await inference.infer("slow", b"", {"number": 9})
        assert reply.values["order"] == [0, 1, 9]


async def test_vision_is_shed_first_and_that_is_counted(tmp_path: Path) -> None:
    outcomes: list[tuple[str, str]] = []
    meter = lambda model, outcome, _seconds: outcomes.append((model, outcome))  # noqa: E731
    entries = (entry_text("slow", "Slow", duty="vision"), entry_text("asr", "Slow", duty="captions"))
    async with running(models_folder(tmp_path, entries), limit=4, meter=meter) as inference:
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(_all, inference, "slow", [{"s": 0.05}])
                await trio.lowlevel.checkpoint()
            for _ in range(6):
                nursery.start_soon(_all, inference, "asr", [{"s": 0.05}])
                await trio.lowlevel.checkpoint()
        assert ("asr", "overloaded") not in outcomes
        shed = outcomes.count(("slow", "overloaded"))
        assert shed > 0
        assert inference.health().queue.shed == {"vision": shed, "audio": 0, "captions": 0}
        assert outcomes.count(("asr", "answered")) == 6


async def test_models_load_unload_and_stay_pinned(tmp_path: Path) -> None:
    models = models_folder(tmp_path)
    async with running(models) as inference:

        def state(name: str = "identity") -> Any:
            return next(model for model in inference.list_models() if model.name == name)

        assert not state().loaded
        await inference.load("identity")
        assert state().loaded
        await inference.unload("identity")
        assert not state().loaded
        await inference.pin("identity", True)
        assert state().loaded and state().pinned
        with pytest.raises(InferenceError) as caught:
            await inference.load("nothing")
        assert caught.value.code == "model_unknown"
    async with running(models) as inference:
        await until(lambda: state().loaded)
        await inference.pin("identity", False)
        assert not state().pinned


async def test_idle_models_are_unloaded_unless_they_are_pinned(tmp_path: Path) -> None:
    async with running(models_folder(tmp_path), worker={"idle_unload_s": 1.5}) as inference:
        await inference.pin("identity", True)
        await inference.infer("echo")
        loaded = lambda: {model.name for model in inference.list_models() if model.loaded}  # noqa: E731
        await until(lambda: "echo" in loaded())
        await until(lambda: loaded() == {"identity"})
        assert (await inference.infer("echo")).values["batch"] == 1


async def test_files_that_are_not_the_catalogs_are_refused(tmp_path: Path) -> None:
    models = models_folder(tmp_path, contents={"echo": b"other weights"})
    async with running(models) as inference:
        for _ in range(2):
            with pytest.raises(InferenceError, match=r"weights\.bin has SHA-256") as caught:
                await inference.infer("echo")
            assert caught.value.code == "model_broken"
        await until(lambda: any("SHA-256" in warning for warning in inference.health().warnings))
        assert inference.health().state == "degraded"
        assert (await inference.infer("fast", b"x")).payload == b"x", "the others work"


async def test_a_task_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    entries = (entry_text("unmakeable", "Unmakeable"), entry_text("missing", "Missing"))
    async with running(models_folder(tmp_path, entries)) as inference:
        with pytest.raises(InferenceError, match="the tokenizer has no end"):
            await inference.infer("unmakeable")
        with pytest.raises(InferenceError, match="has no Missing"):
            await inference.infer("missing")


async def test_without_models_nothing_runs_and_the_first_one_starts_it(tmp_path: Path) -> None:
    models = models_folder(tmp_path)
    models.folder.rename(tmp_path / "aside")
    async with running(models, ready=False) as inference:
        await trio.sleep(0.1)
        assert inference.health().state == "no_models"
        assert inference.health().workers == ()
        with pytest.raises(InferenceError, match="parley models pull echo") as caught:
            await inference.infer("echo")
        assert caught.value.code == "model_not_installed"
        (tmp_path / "aside").rename(models.folder)
        await inference.load("echo")
        assert (await inference.infer("echo")).values["batch"] == 1


async def test_switched_off_it_is_inert(tmp_path: Path) -> None:
    inference = Inference(models_folder(tmp_path), enabled=False, local=[])
    await inference.serve()
    assert inference.health().state == "off"
    with pytest.raises(InferenceError) as caught:
        await inference.infer("echo")
    assert caught.value.code == "ai_off"


async def test_the_preferred_model_of_a_task_and_language_is_chosen(tmp_path: Path) -> None:
    entries = (
        entry_text("english", "Echo", task="asr", languages=["en"]),
        entry_text("all", "Echo", task="asr"),
    )
    models = models_folder(tmp_path, entries)
    async with running(models) as inference:
        assert inference.choose("asr").name == "english"
        assert inference.choose("asr", language="en-GB").name == "english"
        assert inference.choose("asr", language="zh").name == "all"
        assert inference.choose("all", language="en").name == "all"
