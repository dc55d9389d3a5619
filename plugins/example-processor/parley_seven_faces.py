"""A face becomes the numbers that a small emotion network takes, and its seven numbers become names.

The network is that of oarriaga/face_classification: 64 x 64 grey values from -1 to 1 in, seven shares out.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from appliance.hooks.contract import (
    Context,
    ModelProcessor,
    Plugin,
    PluginConfig,
    ProcessorInput,
    ProcessorOutput,
    ProcessorSample,
    Tensor,
    Undeliverable,
)

SIDE = 64
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


class FacesConfig(PluginConfig, frozen=True):
    """The keys of [plugins.seven-faces]."""

    least: float = 0.0
    """Emotions with a smaller share are left out."""


def pack(values: array[float]) -> bytes:
    """float32, little-endian on every machine."""
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


async def prepare(asked: ProcessorInput) -> dict[str, Tensor]:
    """Take the pixel in the middle of each cell of a 64 x 64 grid, in grey (ITU-R BT.601)."""
    width, height = asked.width or 0, asked.height or 0
    if width < 1 or height < 1 or len(asked.data) != 3 * width * height:
        raise Undeliverable(f"no picture: {len(asked.data)} bytes for {width} x {height} pixels")
    grey = array("f")
    for y in range(SIDE):
        row = (2 * y + 1) * height // (2 * SIDE) * width
        for x in range(SIDE):
            at = 3 * (row + (2 * x + 1) * width // (2 * SIDE))
            red, green, blue = asked.data[at : at + 3]
            grey.append((0.299 * red + 0.587 * green + 0.114 * blue) / 127.5 - 1)
    return {"input_1": Tensor("float32", (1, SIDE, SIDE, 1), pack(grey))}


@asynccontextmanager
async def open_faces(config: FacesConfig, _context: Context) -> AsyncIterator[ModelProcessor]:
    """From start to stop; there is nothing to hold."""

    async def interpret(output: ProcessorOutput) -> dict[str, float]:
        shares = array("f", output.tensors["Identity"].data)
        if sys.byteorder == "big":
            shares.byteswap()
        named = zip(EMOTIONS, shares, strict=True)
        return {name: round(share, 3) for name, share in named if share >= config.least}

    sample = {name: {"happy": 0.75, "neutral": 0.25}.get(name, 0.0) for name in EMOTIONS}
    yield ModelProcessor(
        task="emotion",
        input="image",
        output="scores",
        sample=ProcessorSample(
            input=ProcessorInput(data=bytes([0, 0, 0, 255, 255, 255]), width=2, height=1),
            tensors={"Identity": Tensor("float32", (1, 7), pack(array("f", [0, 0, 0, 0.75, 0, 0, 0.25])))},
            result={name: share for name, share in sample.items() if share >= config.least},
        ),
        prepare=prepare,
        interpret=interpret,
    )


plugin = Plugin(contract=1, summary="Reads seven emotions off a face.", config=FacesConfig, open=open_faces)
