"""Whether a face is in front of the camera, or a picture or a screen is held up to it. Pure.

Owns two models' scores and the band in which nothing is said. Both are weak, as measured: real faces get 0.48 to 0.87
of the first. So "spoof" is only said where both are sure, "real" where they are not against it, else "unsure".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from appliance.ai.graphs import graph, run_one
from appliance.ai.options import number_option
from appliance.ai.pictures import Pixels, encode_picture
from appliance.ai.tasks import one_by_one
from appliance.ai.vision.faces import Box, Face, FaceDetector, face_crop, picture_values, threshold_option
from appliance.ai.vision.seen import Seen
from appliance.inference.task import LoadedModel, Request, Result, TaskError

ANTISPOOF_SIDE = 128
LIVENESS_SIDE = 32
MIN_FACE = 48
"""Pixels; below, the texture that gives a screen away is not there."""
REAL_FROM = 0.6
SPOOF_BELOW = 0.2
"""Of the mean of both scores. 23 real faces in photographs have 0.70 to 0.89; what attacks have was not measured: there
are no labelled ones at hand."""


@dataclass(frozen=True)
class Band:
    """Between the two nothing is said."""

    real_from: float = REAL_FROM
    spoof_below: float = SPOOF_BELOW

    def verdict(self, antispoof: float, liveness: float, face_px: float) -> str:
        """ "real", "spoof" or "unsure"."""
        if face_px < MIN_FACE:
            return "unsure"
        mean = (antispoof + liveness) / 2
        if mean >= self.real_from:
            return "real"
        if mean < self.spoof_below and max(antispoof, liveness) < 2 * self.spoof_below:
            return "spoof"
        return "unsure"


class SpoofTask:
    """Task ``spoof``. Roles ``detector``, ``antispoof`` (N, 128, 128, 3) and ``liveness`` (N, 32, 32, 3), 0 to 1.

    Payload: as `seen` says. Options: ``threshold`` of a face (0.5). Values: ``width``, ``height`` and ``faces``, each
    with ``box``, ``score``, ``points``, ``verdict``, ``antispoof`` and ``liveness`` (1 is real). Payload of the answer:
    where a verdict is "spoof" the whole picture as JPEG, the evidence; else nothing.

    Of the entry's options: ``real_from`` (0.6) and ``spoof_below`` (0.2), for who has measured attacks.
    """

    name: ClassVar[str] = "spoof"

    def __init__(self, model: LoadedModel) -> None:
        self._detector = FaceDetector(model)
        self._antispoof = graph(model, "antispoof", ("conv2d_input",), ("Identity",))
        self._liveness = graph(model, "liveness", ("conv2d_1_input",), ("Identity",))
        options = model.entry.options
        try:
            self._band = Band(
                number_option(options, "real_from", REAL_FROM, 0, 2),
                number_option(options, "spoof_below", SPOOF_BELOW, 0, 2),
            )
        except TaskError as error:
            raise ValueError(f"{model.entry.name}: {error.message}") from None
        self._seen = Seen()

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        """One after the other; all faces of a picture at once."""
        return one_by_one(requests, self._answer)

    def close(self, session: str) -> None:
        """Forget a track."""
        self._seen.close(session)

    def scores(self, pixels: Pixels, boxes: Sequence[Box]) -> list[tuple[float, float]]:
        """Antispoof and liveness of each face, 1 for real."""
        if not boxes:
            return []
        crops = [[face_crop(pixels, box, side) for box in boxes] for side in (ANTISPOOF_SIDE, LIVENESS_SIDE)]
        large, small = (np.stack(crop).astype(np.float32) / 255 for crop in crops)
        antispoof = run_one(self._antispoof, "Identity", conv2d_input=large)[:, 0]
        liveness = run_one(self._liveness, "Identity", conv2d_1_input=small)[:, 0]
        return [(float(a), float(b)) for a, b in zip(antispoof, liveness, strict=True)]

    def _answer(self, request: Request) -> Result:
        pixels = self._seen.picture(request)
        faces = self._detector.find(pixels, threshold_option(request))
        scores = self.scores(pixels, [face.box for face in faces])
        values = [self._values(face, *pair) for face, pair in zip(faces, scores, strict=True)]
        evidence = any(value["verdict"] == "spoof" for value in values)
        return Result(picture_values(pixels, values), encode_picture(pixels, "jpeg") if evidence else b"")

    def _values(self, face: Face, antispoof: float, liveness: float) -> dict[str, Any]:
        left, top, right, bottom = face.box
        return face.values() | {
            "verdict": self._band.verdict(antispoof, liveness, min(right - left, bottom - top)),
            "antispoof": round(antispoof, 3),
            "liveness": round(liveness, 3),
        }
