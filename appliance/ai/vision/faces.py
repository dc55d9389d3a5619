"""Where faces are: BlazeFace. Pure.

Owns the anchors, the scores and the suppression of what was found twice (Bazarevsky et al. 2019). The picture is put
into a square, so that a face keeps its shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from appliance.ai.graphs import Floats, graph, rounded, sigmoid
from appliance.ai.options import number_option
from appliance.ai.pictures import Pixels, cropped, scaled
from appliance.ai.tasks import one_by_one
from appliance.ai.vision.seen import Seen
from appliance.inference.task import LoadedModel, Request, Result, Session, TaskError

SIDE = 256
THRESHOLD = 0.5
OVERLAP = 0.3
"""Intersection over union from which on two boxes are one face: BlazeFace's own value."""
MAX_FACES = 64
"""In one picture; what a camera in a room sees."""
_GRIDS = ((16, 2), (8, 6))
"""Cells to a side, and anchors to a cell: 512 and 384."""

DETECTOR_OUTPUTS = ("Identity", "Identity_1", "Identity_2", "Identity_3")
"""Scores of both grids, then their boxes and key points."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels of the picture; may reach over its edges."""


@dataclass(frozen=True)
class Face:
    """A face in a picture."""

    box: Box
    score: float
    points: tuple[tuple[float, float], ...]
    """Right eye, left eye, nose, mouth, right ear, left ear: the person's right."""

    def values(self) -> dict[str, Any]:
        """For an answer: ``box`` is left, top, width, height in pixels."""
        left, top, right, bottom = self.box
        return {
            "box": rounded([left, top, right - left, bottom - top], 1),
            "score": round(self.score, 3),
            "points": [rounded(point, 1) for point in self.points],
        }


def overlap(one: Box, other: Box) -> float:
    """Intersection over union, 0 to 1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0.0, width) * max(0.0, height)
    total = _area(one) + _area(other) - shared
    return shared / total if total > 0 else 0.0


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _anchors() -> Floats:
    """Centres of the anchors, 0 to 1, of shape (896, 2)."""
    centres = [
        ((x + 0.5) / cells, (y + 0.5) / cells)
        for cells, each in _GRIDS
        for y in range(cells)
        for x in range(cells)
        for _ in range(each)
    ]
    return np.array(centres, np.float32)


class FaceDetector:
    """Takes the session of the role ``detector``: ``input`` (1, 256, 256, 3), -1 to 1."""

    def __init__(self, model: LoadedModel) -> None:
        """ValueError when the graph does not fit."""
        self._session: Session = graph(model, "detector", ("input",), DETECTOR_OUTPUTS)
        self._anchors = _anchors()

    def find(self, pixels: Pixels, threshold: float = THRESHOLD) -> list[Face]:
        """The faces, the surest first."""
        height, width = pixels.shape[:2]
        longer = max(width, height)
        fitted = scaled(pixels, max(1, round(width * SIDE / longer)), max(1, round(height * SIDE / longer)))
        square = np.zeros((SIDE, SIDE, 3), np.uint8)
        top, left = (SIDE - fitted.shape[0]) // 2, (SIDE - fitted.shape[1]) // 2
        square[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
        outputs = self._session.run(DETECTOR_OUTPUTS, {"input": square[None].astype(np.float32) / 127.5 - 1})
        scores = sigmoid(np.concatenate([outputs[0][0, :, 0], outputs[1][0, :, 0]]))
        boxes = np.concatenate([outputs[2][0], outputs[3][0]])
        scale, shift = longer / SIDE, np.array([left, top], np.float32)
        faces: list[Face] = []
        for n in [int(n) for n in np.argsort(-scores) if scores[n] >= threshold]:
            centre = self._anchors[n] * SIDE + boxes[n, :2]
            half = np.maximum(boxes[n, 2:4], 0) / 2
            corners = np.concatenate([centre - half - shift, centre + half - shift]) * scale
            box: Box = (float(corners[0]), float(corners[1]), float(corners[2]), float(corners[3]))
            if any(overlap(box, face.box) >= OVERLAP for face in faces):
                continue
            points = (self._anchors[n] * SIDE + boxes[n, 4:16].reshape(6, 2) - shift) * scale
            faces.append(Face(box, float(scores[n]), tuple((float(x), float(y)) for x, y in points)))
            if len(faces) == MAX_FACES:
                break
        return faces


def face_crop(pixels: Pixels, box: Box, side: int, margin: float = 1.0) -> Pixels:
    """A square around a face, ``margin`` times its longer side, at ``side`` × ``side`` pixels."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    reach = max(box[2] - box[0], box[3] - box[1], 2.0) * margin / 2
    return scaled(cropped(pixels, (round(x - reach), round(y - reach), round(x + reach), round(y + reach))), side, side)


def threshold_option(request: Request) -> float:
    """``threshold`` of a face's score."""
    return number_option(request.options, "threshold", THRESHOLD, 0.05, 0.99)


class FaceTask:
    """Task ``faces``. Role ``detector``.

    Payload: as `seen` says. Options: ``threshold`` (0.5). Values: ``width``, ``height``, ``faces`` as of `Face.values`.
    """

    name: ClassVar[str] = "faces"

    def __init__(self, model: LoadedModel) -> None:
        self._detector = FaceDetector(model)
        self._seen = Seen()

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        """One after the other: the graph takes one picture."""
        return one_by_one(requests, self._answer)

    def close(self, session: str) -> None:
        """Forget a track."""
        self._seen.close(session)

    def _answer(self, request: Request) -> Result:
        pixels = self._seen.picture(request)
        faces = self._detector.find(pixels, threshold_option(request))
        return Result(picture_values(pixels, [face.values() for face in faces]))


def picture_values(pixels: Pixels, faces: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer about faces in a picture."""
    return {"width": pixels.shape[1], "height": pixels.shape[0], "faces": faces}
