"""Twice the pixels in each direction: a small ESRGAN. Pure.

Owns the tiles: the graph's memory grows with the picture, so a large one is done in parts that overlap by what the
network sees around a pixel, and no seam shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast

import numpy as np

from appliance.ai.graphs import graph, run_one
from appliance.ai.pictures import Pixels, encode_picture
from appliance.ai.tasks import one_by_one
from appliance.ai.vision.low_light import output_option
from appliance.ai.vision.seen import Seen
from appliance.inference.task import LoadedModel, Request, Result, Session, TaskError

SCALE = 2
TILE = 256
MARGIN = 16
"""Pixels that a tile sees of its neighbours."""
MAX_PIXELS = 2_100_000
"""1920 × 1080 with a margin: 6 s on one core of a CPU. More pixels have no need of it."""


def doubled(session: Session, pixels: Pixels, tile: int = TILE) -> Pixels:
    """The picture, of twice the width and height."""
    height, width = pixels.shape[:2]
    large = np.empty((height * SCALE, width * SCALE, 3), np.uint8)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            bottom, right = min(top + tile, height), min(left + tile, width)
            above, before = min(MARGIN, top), min(MARGIN, left)
            part = pixels[top - above : bottom + MARGIN, left - before : right + MARGIN]
            made = run_one(session, "sr_nhwc", LR_nhwc=part[None].astype(np.float32))[0]
            kept = made[above * SCALE :, before * SCALE :][: (bottom - top) * SCALE, : (right - left) * SCALE]
            made_8bit = np.clip(kept, 0, 255).round().astype(np.uint8)
            large[top * SCALE : bottom * SCALE, left * SCALE : right * SCALE] = made_8bit
    return cast(Pixels, large)


class UpscaleTask:
    """Task ``upscale``. Role ``model``: ``LR_nhwc`` (N, H, W, 3), 0 to 255, to ``sr_nhwc`` (N, 2 H, 2 W, 3).

    Payload: as `seen` says, up to `MAX_PIXELS`. Options: ``output``: jpeg, png, webp (as it came). Values: ``width``,
    ``height`` of the new picture. Payload: it.
    """

    name: ClassVar[str] = "upscale"

    def __init__(self, model: LoadedModel) -> None:
        self._session = graph(model, "model", ("LR_nhwc",), ("sr_nhwc",))
        self._seen = Seen()

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        """One after the other: pictures differ in size."""
        return one_by_one(requests, self._answer)

    def close(self, session: str) -> None:
        """Forget a track."""
        self._seen.close(session)

    def _answer(self, request: Request) -> Result:
        output = output_option(request)
        pixels = self._seen.picture(request, MAX_PIXELS)
        large = doubled(self._session, pixels)
        return Result({"width": large.shape[1], "height": large.shape[0]}, encode_picture(large, output))
