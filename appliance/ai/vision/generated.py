"""Whether a picture was made by a generator. Pure.

Owns the crop, the linear probe on CLIP's embedding, and the band in which nothing is said. Whoever made the probe
measured, on 831 pictures of 13 generators and 2 cameras, an area under the curve of 0.82, and a third of the generated
pictures found at 3 % false alarms: an alert is a reason to look, never a proof, and "real" is no proof either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast

import msgspec
import numpy as np
from PIL import Image

from appliance.ai.graphs import Floats, graph, run_one, sigmoid
from appliance.ai.pictures import Pixels, encode_picture, scaled
from appliance.ai.tasks import one_by_one
from appliance.ai.vision.seen import Seen
from appliance.inference.task import LoadedModel, Request, Result, TaskError

SIDE = 224
EMBEDDING = 512
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
"""CLIP's, of its training data (Radford et al. 2021)."""
MIN_PICTURE = 224
"""Pixels of the shorter side: smaller ones are enlarged, and enlargement looks like a generator's work."""
GENERATED_FROM = 0.90
REAL_BELOW = 0.35
"""Probability. Of a dozen photographs (the tests') one reaches 0.76, so below 0.90 nothing is called generated; the
probe's makers draw the line at 0.76 and below 0.34 of the same scale."""


class _Head(msgspec.Struct):
    weights: list[float]
    bias: float


def verdict(probability: float, shorter_side: int) -> str:
    """ "generated", "real" or "unsure"."""
    if shorter_side < MIN_PICTURE:
        return "unsure"
    if probability >= GENERATED_FROM:
        return "generated"
    return "real" if probability < REAL_BELOW else "unsure"


def crop(pixels: Pixels) -> Floats:
    """The middle of the picture as CLIP takes it: of shape (3, 224, 224)."""
    height, width = pixels.shape[:2]
    scale = SIDE / min(width, height)
    size = max(SIDE, round(width * scale)), max(SIDE, round(height * scale))
    fitted = scaled(pixels, *size, Image.Resampling.BICUBIC)
    left, top = (size[0] - SIDE) // 2, (size[1] - SIDE) // 2
    square = fitted[top : top + SIDE, left : left + SIDE].astype(np.float32) / 255
    return cast(Floats, ((square - MEAN) / DEVIATION).transpose(2, 0, 1).astype(np.float32))


class GeneratedTask:
    """Task ``synthesis``. Roles ``encoder``: ``pixel_values`` (N, 3, 224, 224) to ``image_embeds`` (N, 512); ``head``:
    JSON with 512 ``weights`` and a ``bias``.

    Payload: as `seen` says; whole pictures, no crops of faces. Values: ``width``, ``height``, ``verdict``,
    ``probability`` of having been generated. Payload of the answer: where the verdict is "generated" the picture as
    JPEG, the evidence; else nothing.
    """

    name: ClassVar[str] = "synthesis"

    def __init__(self, model: LoadedModel) -> None:
        self._encoder = graph(model, "encoder", ("pixel_values",), ("image_embeds",))
        try:
            head = msgspec.json.decode(model.path("head").read_bytes(), type=_Head)
        except msgspec.DecodeError as error:
            raise ValueError(f"{model.entry.name}: head: {error}") from None
        self._weights, self._bias = np.array(head.weights, np.float64), head.bias
        if self._weights.shape != (EMBEDDING,) or not np.isfinite(self._weights).all():
            raise ValueError(f"{model.entry.name}: head must have {EMBEDDING} finite weights")
        self._seen = Seen()

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        """One after the other: the graph's 8-bit scale is that of the batch, so that pictures would change each other's
        scores."""
        return one_by_one(requests, self._answer)

    def close(self, session: str) -> None:
        """Forget a track."""
        self._seen.close(session)

    def probability(self, pixels: Pixels) -> float:
        """That it was generated, 0 to 1."""
        raw = run_one(self._encoder, "image_embeds", pixel_values=crop(pixels)[None])[0].astype(np.float64)
        embedding = raw / max(float(np.linalg.norm(raw)), 1e-12)
        return float(sigmoid(embedding @ self._weights + self._bias))

    def _answer(self, request: Request) -> Result:
        pixels = self._seen.picture(request)
        height, width = pixels.shape[:2]
        probability = self.probability(pixels)
        said = verdict(probability, min(width, height))
        values = {"width": width, "height": height, "verdict": said, "probability": round(probability, 3)}
        return Result(values, encode_picture(pixels, "jpeg") if said == "generated" else b"")
