"""The example processor passes its own sample; a picture becomes 64 x 64 grey values, and no picture is refused."""

from __future__ import annotations

from array import array
from typing import Any

import parley_seven_faces
import pytest

from appliance import plugin_samples
from appliance.hooks import calls
from appliance.hooks.contract import ProcessorInput, ProcessorOutput, Tensor, TryLater, Undeliverable
from appliance.settings_file import load
from tests.support.plugins import found, running

PLUGIN = found("seven-faces", lambda: parley_seven_faces.plugin, ("parley.model_processors",))


async def test_its_sample_is_right() -> None:
    async with running(PLUGIN) as plugins:
        assert plugins.processors() == ["seven-faces"]
        assert await plugin_samples.process(plugins, "seven-faces") == "emotion: input_1 float32[1, 64, 64, 1]"


async def test_a_picture_becomes_grey_values() -> None:
    picture = ProcessorInput(data=bytes([0, 0, 0, 255, 255, 255]), width=2, height=1)
    async with running(PLUGIN) as plugins:
        tensor = (await plugins.ask("seven-faces", calls.PREPARE, picture))["input_1"]
        grey = array("f", tensor.data)
        assert len(grey) == 64 * 64 and grey[:32].tolist() == [-1.0] * 32
        assert grey[32:64].tolist() == pytest.approx([1.0] * 32)
        for wrong in (ProcessorInput(data=b""), ProcessorInput(data=b"abc", width=2, height=1)):
            with pytest.raises(Undeliverable, match="no picture"):
                await plugins.ask("seven-faces", calls.PREPARE, wrong)


async def test_what_a_lying_model_says_is_its_failure() -> None:
    settings: Any = load(None, {"PARLEY_PLUGINS__SEVEN_FACES__LEAST": "0.2"}).plugins
    picture = ProcessorInput(data=b"abc", width=1, height=1)

    def said(*shares: float) -> ProcessorOutput:
        data = parley_seven_faces.pack(array("f", shares))
        return ProcessorOutput(input=picture, tensors={"Identity": Tensor("float32", (len(shares),), data)})

    async with running(PLUGIN, tables=settings.tables) as plugins:
        scores = await plugins.ask("seven-faces", calls.INTERPRET, said(0, 0, 0, 0.25, 0, 0, 0.75))
        assert scores == {"happy": 0.25, "neutral": 0.75}
        with pytest.raises(TryLater, match="ValueError: zip"):
            await plugins.ask("seven-faces", calls.INTERPRET, said(1.0))
