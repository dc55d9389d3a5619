"""A plugin in front of a real graph and behind it: the example's processor around the emotion network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import parley_seven_faces
import pytest
import trio
from PIL import Image

from appliance.ai import plugged
from appliance.ai.plugged import PluggedTask, run_graph
from appliance.hooks.calls import RubbishError
from appliance.hooks.contract import ModelProcessor, ProcessorInput, ProcessorSample, Tensor, TryLater, Undeliverable
from appliance.inference.entries import read_catalog
from appliance.inference.task import LoadedModel, Request, Result, TaskError
from tests.support.ai_models import data_file, model
from tests.support.ai_sounds import picture, to_wav, tone
from tests.support.plugins import found, opening, plugin

GROUPS = ("parley.model_processors",)


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What entry points there are."""
    there: dict[str, Any] = {"seven-faces": parley_seven_faces.plugin}
    monkeypatch.setattr(plugged, "find", lambda: [found(name, lambda n=name: there[n], GROUPS) for name in there])
    yield there


def around(**options: Any) -> LoadedModel:
    emotion = model("emotion")
    entry = msgspec.structs.replace(emotion.entry, options={"plugin": "seven-faces", **options})
    return LoadedModel(entry, emotion.folder, {"model": emotion.sessions["model"]})


def face() -> bytes:
    """The astronaut's, filling the picture."""
    return picture(np.asarray(Image.open(data_file("astronaut")).convert("RGB").crop((150, 20, 310, 200))))


def processor(**other: Any) -> ModelProcessor:
    """One that does nothing with a text, unless told otherwise."""

    async def prepare(asked: ProcessorInput) -> dict[str, Tensor]:
        return {"input_1": Tensor("float32", (1, 64, 64, 1), bytes(4 * 64 * 64))}

    async def interpret(_output: object) -> str:
        return "seen"

    sample = ProcessorSample(input=ProcessorInput(data=b""), tensors={}, result="seen")
    fields = {"task": "emotion", "input": "text", "output": "text", "prepare": prepare, "interpret": interpret}
    return ModelProcessor(**{"sample": sample, **fields, **other})


def test_the_example_reads_a_face() -> None:
    task = PluggedTask(around(config={"least": 0.3}))
    try:
        one, other = task.run([Request({}, face()), Request({}, b"no picture")])
        assert isinstance(one, Result) and set(one.values["result"]) == {"happy"}
        assert isinstance(other, TaskError) and other.code == "bad_picture"
    finally:
        task.unload()


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"plugin": "nobody"}, "no model processor of this name is installed; there are: seven-faces"),
     ({"plugin": 7}, "plugin: must be a text"), ({"config": {"least": "much"}}, "Expected `float`"),
     ({"config": {"most": 1}}, "unknown field")],
)  # fmt: skip
def test_what_does_not_fit_is_not_loaded(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        PluggedTask(around(**options))


def test_a_plugin_of_another_task_or_that_fails_its_sample_is_not_loaded(installed: dict[str, Any]) -> None:
    async def otherwise(_output: object) -> str:
        return "something else"

    async def nothing(_asked: ProcessorInput) -> dict[str, Tensor]:
        return {}

    for hook, reason in (
        (processor(task="asr"), "does asr, the catalog says emotion"),
        (processor(interpret=otherwise), "interpret does not make of its own sample"),
        (processor(prepare=nothing), "prepare made no tensor"),
        (processor(interpret=None), "not callable"),
    ):
        installed["other"] = plugin(opening(hook))
        with pytest.raises(ValueError, match=reason):
            PluggedTask(around(plugin="other"))
    installed["other"] = object()
    with pytest.raises(ValueError, match="names a object"):
        PluggedTask(around(plugin="other"))


def test_what_a_plugin_refuses_and_what_it_breaks(installed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    async def prepare(asked: ProcessorInput) -> dict[str, Tensor]:
        match asked.data:
            case b"never":
                raise Undeliverable("there is nothing in it")
            case b"later":
                raise TryLater("my other model is away")
            case b"rubbish":
                return {"input_1": Tensor("float32", (1, 64, 64, 1), b"short")}
            case b"other":
                return {"x": Tensor("float32", (1,), bytes(4))}
            case b"slow":
                await trio.sleep(60)
        return {"input_1": Tensor("float32", (1, 64, 64, 1), bytes(4 * 64 * 64))}

    installed["other"] = plugin(opening(processor(prepare=prepare)))
    task = PluggedTask(around(plugin="other"))
    try:
        for payload, code in ((b"never", "bad_input"), (b"later", "overloaded"), (b"\xff", "bad_text")):
            (answer,) = task.run([Request({}, payload)])
            assert isinstance(answer, TaskError) and answer.code == code
        for payload, reason in ((b"rubbish", "5 bytes"), (b"other", "prepare made x, the graph takes input_1")):
            with pytest.raises(RubbishError, match=reason):
                task.run([Request({}, payload)])
        monkeypatch.setattr(plugged, "CALL_WITHIN_S", 0.1)
        with pytest.raises(TimeoutError):
            task.run([Request({}, b"slow")])
        (answer,) = task.run([Request({"language": "en"}, b"fine")])
        assert isinstance(answer, Result) and answer.values == {"result": "seen"}
    finally:
        task.unload()


def test_a_sound_comes_as_samples_and_the_plugin_ends_with_the_model(installed: dict[str, Any]) -> None:
    heard: list[ProcessorInput] = []
    lives = []

    async def prepare(asked: ProcessorInput) -> dict[str, Tensor]:
        heard.append(asked)
        return {"input_1": Tensor("float32", (1, 64, 64, 1), bytes(4 * 64 * 64))}

    @asynccontextmanager
    async def life(_config: Any, context: Any) -> Any:
        lives.append(context.name)
        yield processor(input="audio", prepare=prepare)
        lives.append("ended")

    installed["other"] = plugin(life)
    task = PluggedTask(around(plugin="other"))
    (answer,) = task.run([Request({"format": "wav"}, to_wav(tone(0.5)))])
    task.unload()
    assert isinstance(answer, Result)
    assert (len(heard[1].data), heard[1].sample_rate_hz, lives) == (4 * 8000, 16_000, ["other", "ended"])


def test_a_graph_is_given_what_it_takes_alone() -> None:
    session = model("emotion").sessions["model"]
    out = run_graph(session, {"input_1": Tensor("float32", (2, 64, 64, 1), bytes(8 * 64 * 64))})
    assert (out["Identity"].dtype, out["Identity"].shape, len(out["Identity"].data)) == ("float32", (2, 7), 56)
    with pytest.raises(RubbishError, match="prepare made nothing"):
        run_graph(session, {})


def test_the_entry_of_the_guide_is_one() -> None:
    """plugins/README.md's, with the file that it names beside it."""
    guide = Path(__file__).resolve().parents[2] / "plugins" / "README.md"
    text = next(part for part in guide.read_text().split("```toml\n") if part.startswith("[[models]]"))
    (entry,) = read_catalog(text.split("```")[0], "the guide")
    assert entry.is_plugged and entry.options["plugin"] == "seven-faces"
    (file,) = entry.files
    ours = next(one for one in model("emotion").entry.files if one.name == file.name)
    assert (file.sha256, file.size_bytes, file.inputs, file.outputs) == (
        ours.sha256, ours.size_bytes, ours.inputs, ours.outputs,
    )  # fmt: skip
