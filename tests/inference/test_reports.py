"""What people are told of workers and models."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
import zmq

from appliance.inference import messages as m
from appliance.inference.health import State
from appliance.inference.latencies import Latencies, Latency
from appliance.inference.link import Link
from appliance.inference.reports import health_of, models_of
from appliance.inference.scheduling import Scheduler
from tests.inference.test_link import Ledger
from tests.support.inference_world import entry_text, models_folder

NUMBERS = Scheduler(limit=1, limit_bytes=1).statistics()


def _link(state: Literal["stopped", "starting", "up"] = "up", *, restarts: int = 0, **device: Any) -> Link:
    link = Link("local-1", "local", Ledger(), zmq.Context.instance())
    link.state, link.restarts, link.reason = state, restarts, "it hung" if restarts else ""
    if state == "up":
        fields = {"wanted": "auto", "used": "cpu", "available": ("CPUExecutionProvider",), "runtime": "r", "threads": 1}
        link.hello = m.Hello(1, "i", "box", 7, 8, m.Device(**{**fields, **device}), ())
        link.pong = m.Pong(1, "i", 1000, None, 2.0, ())
    return link


@pytest.mark.parametrize(
    ("enabled", "has_work", "links", "state"),
    [
        (False, True, [], "off"),
        (True, False, [], "no_models"),
        (True, True, [], "starting"),
        (True, True, [_link("starting")], "starting"),
        (True, True, [_link()], "ready"),
        (True, True, [_link("stopped", restarts=1)], "down"),
        (True, True, [_link(), _link("stopped", restarts=1)], "degraded"),
        (True, True, [_link(warnings=("a card is not used",))], "degraded"),
    ],
)
def test_the_state_says_what_to_do(enabled: bool, has_work: bool, links: list[Link], state: State) -> None:
    health = health_of(enabled, has_work, links, NUMBERS)
    assert health.state == state
    idle_cards = [link for link in links if link.hello is not None and link.hello.device.warnings]
    assert health.gpu_warnings == ("local-1: a card is not used",) * len(idle_cards)
    assert bool(health.warnings) == (state in ("degraded", "down"))


def test_a_card_that_a_model_does_not_use_is_a_warning() -> None:
    link = _link(used="cuda", available=("CUDAExecutionProvider", "CPUExecutionProvider"))
    link.models = (m.ModelState("asr", True, ("CPUExecutionProvider",)),)
    health = health_of(True, True, [link], NUMBERS)
    (warning,) = health.warnings
    assert health.gpu_warnings == health.warnings
    assert warning == "local-1: asr was meant to run on cuda and runs on the CPU"


def test_a_worker_is_described() -> None:
    (worker,) = health_of(True, True, [_link()], NUMBERS).workers
    assert (worker.host, worker.pid, worker.rss_bytes, worker.device) == ("box", 7, 1000, "cpu")


def test_models_are_put_together_from_all_workers(tmp_path: Path) -> None:
    models = models_folder(tmp_path, (entry_text("echo", "Echo"), entry_text("fast", "Fast")))
    models.remove(models.entry("fast"))
    one, other = _link(), _link()
    latencies = Latencies()
    latencies.note("echo", 4.0)
    one.models = (m.ModelState("echo", True, ("A",), queued=1, answered=2, batches=1, run_ms=5.0),)
    other.models = (m.ModelState("echo", False, ("B",), queued=3, answered=4, problem="it is broken"),)
    echo, fast = models_of(models, [one, other], {"echo": 9}, latencies)
    assert (echo.loaded, echo.queued, echo.answered, echo.waiting) == (True, 4, 6, 9)
    assert (echo.providers, echo.problem, echo.run_ms, echo.hint) == (("A", "B"), "it is broken", 5.0, "")
    assert echo.latency == Latency(samples=1, p50_ms=4.0, p99_ms=4.0)
    assert (echo.batches, echo.max_batch, fast.latency) == (1, models.entry("echo").max_batch, None)
    assert (fast.installed, fast.hint) == (False, "parley models pull fast")
