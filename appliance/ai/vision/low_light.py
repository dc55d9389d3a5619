"""Brighter pictures of dark rooms: Zero-DCE. Pure.

Owns how the curves are applied (Guo et al. 2020, eq. 2). They are computed of a small picture and enlarged: they are
smooth, and on a picture of full size they cost 40 times as much and bring out its noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast

import numpy as np
from PIL import Image

from appliance.ai.graphs import Floats, graph, run_one
from appliance.ai.options import choice_option, flag_option, number_option
from appliance.ai.pictures import FORMATS, PictureFormat, Pixels, encode_picture, format_of_untrusted, scaled
from appliance.ai.tasks import one_by_one
from appliance.ai.vision.seen import Seen
from appliance.inference.task import LoadedModel, Request, Result, Session, TaskError

SMALL_SIDE = 128
"""Pixels of the longer side that the curves are computed of; a twelfth of 1536, as Zero-DCE++ does."""
STEPS = 5
"""Of the eight that the model gives: all of them wash pictures out that are only a little dark."""
DARK_BELOW = 0.30
"""Mean luma from which on a picture is taken for light enough."""


def brightness(pixels: Pixels) -> float:
    """Mean luma, 0 to 1."""
    small = scaled(pixels, min(64, pixels.shape[1]), min(64, pixels.shape[0]), Image.Resampling.BOX)
    return float((small.reshape(-1, 3) @ np.array([0.299, 0.587, 0.114])).mean() / 255)


def brightened(session: Session, pixels: Pixels, steps: int = STEPS) -> Pixels:
    """The picture with its dark parts lifted."""
    height, width = pixels.shape[:2]
    shrink = SMALL_SIDE / max(width, height, SMALL_SIDE)
    small = scaled(pixels, max(8, round(width * shrink)), max(8, round(height * shrink)), Image.Resampling.BOX)
    curves = run_one(session, "curves", image=(small.astype(np.float32) / 255).transpose(2, 0, 1)[None])[0]
    bright = pixels.astype(np.float32) / 255
    for step in range(steps):
        for channel in range(3):
            curve = _enlarged(curves[3 * step + channel], width, height)
            plane = bright[..., channel]
            # The published equation has a plus; these weights were trained with the sign in the curve.
            bright[..., channel] = np.clip(plane - curve * plane * (1 - plane), 0, 1)
    return cast(Pixels, (bright * 255).round().astype(np.uint8))


def _enlarged(curve: Floats, width: int, height: int) -> Floats:
    return cast(Floats, np.asarray(Image.fromarray(curve).resize((width, height), Image.Resampling.BILINEAR)))


class LowLightTask:
    """Task ``low_light``. Role ``model``: ``image`` (N, 3, H, W) to ``curves`` (N, 24, H, W).

    Payload: as `seen` says. Options: ``steps`` (5, 1 to 8), ``only_dark`` (true: a picture that is light enough
    is given back as it is), ``output``: jpeg, png, webp (as it came; jpeg for frames). Values: ``width``, ``height``,
    ``changed``, ``brightness_before``, ``brightness_after``. Payload: the picture.
    """

    name: ClassVar[str] = "low_light"

    def __init__(self, model: LoadedModel) -> None:
        self._session = graph(model, "model", ("image",), ("curves",))
        self._seen = Seen()

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        """One after the other: pictures differ in size."""
        return one_by_one(requests, self._answer)

    def close(self, session: str) -> None:
        """Forget a track."""
        self._seen.close(session)

    def _answer(self, request: Request) -> Result:
        steps = int(number_option(request.options, "steps", STEPS, 1, 8))
        only_dark = flag_option(request.options, "only_dark", True)
        output = output_option(request)
        pixels = self._seen.picture(request)
        before = brightness(pixels)
        changed = not only_dark or before < DARK_BELOW
        after = brightened(self._session, pixels, steps) if changed else pixels
        values = {
            "width": pixels.shape[1],
            "height": pixels.shape[0],
            "changed": changed,
            "brightness_before": round(before, 3),
            "brightness_after": round(brightness(after), 3),
        }
        return Result(values, encode_picture(after, output))


def output_option(request: Request) -> PictureFormat:
    """``output``, the format of the answer's picture."""
    came_as = format_of_untrusted(request.payload)
    return cast(PictureFormat, choice_option(request.options, "output", FORMATS, came_as))
