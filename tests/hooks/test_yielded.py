"""What ``open`` yields is whole before anything is asked of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from appliance.hooks.contract import (
    Authenticator,
    EventListener,
    ModelProcessor,
    Notifier,
    ProcessorInput,
    ProcessorSample,
    Storage,
    Tensor,
)
from appliance.hooks.discovery import RefusedPluginError
from appliance.hooks.yielded import hooks_of, types_of

SAMPLE = ProcessorSample(
    input=ProcessorInput(data=bytes(8), sample_rate_hz=16_000),
    tensors={"score": Tensor("float32", (1,), bytes(4))},
    result={"score": 0.0},
)


async def _fn(*_args: object) -> Any: ...


def _processor(**other: Any) -> ModelProcessor:
    fields: dict[str, Any] = {
        "task": "vad", "input": "audio", "output": "scores", "sample": SAMPLE, "prepare": _fn, "interpret": _fn,
    }  # fmt: skip
    return ModelProcessor(**{**fields, **other})


def _sample(**other: Any) -> ProcessorSample:
    return msgspec.structs.replace(SAMPLE, **other)


WHOLE: list[tuple[Any, str]] = [
    (Notifier(notify=_fn), "parley.notifiers"),
    (EventListener(events=frozenset({"meeting_events"}), on_event=_fn), "parley.event_listeners"),
    (Authenticator(authenticate=_fn), "parley.authentication"),
    (Storage(put=_fn, read=_fn, size=_fn, delete=_fn), "parley.storage"),
    (_processor(), "parley.model_processors"),
]


def test_every_hook_passes_alone_and_with_the_others() -> None:
    for hook, group in WHOLE:
        assert hooks_of(hook, (group,)) == {type(hook): hook}
    every = tuple(hook for hook, _ in WHOLE)
    assert tuple(hooks_of(every, tuple(group for _, group in WHOLE)).values()) == every


@pytest.mark.parametrize(
    ("hook", "group", "reason"),
    [
        (Notifier(notify=None), "parley.notifiers", "notify of Notifier is not callable"),  # type: ignore[arg-type]
        (Authenticator(authenticate="x"), "parley.authentication", "authenticate of Authenticator is not"),  # type: ignore[arg-type]
        (Storage(put=_fn, read=_fn, size=_fn, delete=5), "parley.storage", "delete of Storage is not callable"),  # type: ignore[arg-type]
        (_processor(task="Voice"), "parley.model_processors", "task: Expected `str` matching regex"),
        (_processor(task=None), "parley.model_processors", "task: Expected `str`"),
        (_processor(input="smell"), "parley.model_processors", "input: Invalid enum value"),
        (_processor(output="joy"), "parley.model_processors", "output: Invalid enum value"),
        (_processor(sample=None), "parley.model_processors", "sample: NoneType, not ProcessorSample"),
        (_processor(sample=_sample(input=5)), "parley.model_processors", "sample: ProcessorSample with Expected"),
        (_processor(sample=_sample(tensors={"x": 1})), "parley.model_processors", "sample: ProcessorSample with"),
        (
            _processor(sample=_sample(tensors={"x": Tensor("bool", (2,), b"")})),
            "parley.model_processors",
            "sample: tensor 'x' with 0 bytes, bool of its shape has 2",
        ),
        (_processor(sample=_sample(result=object())), "parley.model_processors", "sample: what JSON cannot say"),
        (_processor(interpret=None), "parley.model_processors", "interpret of ModelProcessor is not callable"),
    ],
)
def test_what_is_not_whole_is_refused(hook: Any, group: str, reason: str) -> None:
    with pytest.raises(RefusedPluginError) as caught:
        hooks_of(hook, (group,))
    assert reason in str(caught.value)


def test_topics_stand_for_their_events() -> None:
    assert types_of(frozenset({"user_events", "meeting.ended"})) == {
        "user.registered",
        "user.logged_in",
        "user.status_changed",
        "meeting.ended",
    }
