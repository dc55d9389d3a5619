"""What faces express, over time. Pure.

Owns the classes, the crops and the smoothing. One picture of a moving face says little: the model's answer shifts with
the crop's size, so several crops are averaged, and of a track the pictures of some seconds.

It is an expression that is seen, not a feeling that is known, and the answer says how sure it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from appliance.ai.graphs import graph, run_one
from appliance.ai.options import at_ms_option, number_option
from appliance.ai.pictures import Pixels, greyscale
from appliance.ai.tasks import Sessions, one_by_one
from appliance.ai.vision.faces import Box, FaceDetector, face_crop, overlap, picture_values, threshold_option
from appliance.ai.vision.seen import Seen
from appliance.inference.task import LoadedModel, Request, Result, TaskError

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""FER-2013's classes, in the model's order."""
SIDE = 64
MARGINS = (1.0, 1.1, 1.2)
"""Crops around the box, each also mirrored."""
MIN_FACE = 24
"""Pixels of a face below which it is only a guess."""
SMOOTHING_S = 1.5
"""Time constant: an expression lasts 0.5 to 4 s (Ekman), the model's mistakes a picture."""
FORGOTTEN_S = 5.0
"""A face that was not seen for so long is another one."""
UNSURE = 0.45
"""Below it the answer is "unsure": chance would be 0.14."""

Scores = NDArray[np.float64]


@dataclass
class _Followed:
    """A face of a track."""

    number: int
    box: Box
    scores: Scores
    at_s: float


class Faces:
    """The faces of one track, followed from picture to picture by where they are."""

    def __init__(self, smoothing_s: float = SMOOTHING_S) -> None:
        self._smoothing_s = smoothing_s
        self._followed: list[_Followed] = []
        self._count = 0

    def see(self, found: Sequence[tuple[Box, Scores]], at_s: float) -> list[tuple[int, Scores]]:
        """The number and the smoothed scores of each face of a picture."""
        self._followed = [face for face in self._followed if at_s - face.at_s <= FORGOTTEN_S]
        free = list(self._followed)
        answers = []
        for box, scores in found:
            same = max(free, key=lambda face: overlap(face.box, box), default=None)
            if same is None or overlap(same.box, box) < 0.2:
                self._count += 1
                same = _Followed(self._count, box, scores, at_s)
                self._followed.append(same)
            else:
                free.remove(same)
                passed_s = max(0.0, at_s - same.at_s)
                share = 1 - math.exp(-passed_s / self._smoothing_s) if self._smoothing_s > 0 else 1.0
                same.box, same.at_s = box, at_s
                same.scores = same.scores + share * (scores - same.scores)
            answers.append((same.number, same.scores))
        return answers


class EmotionTask:
    """Task ``emotion``. Roles ``detector`` and ``model``: ``input_1`` (N, 64, 64, 1), -1 to 1, to 7 scores.

    Payload: as `seen` says. Options: ``threshold`` of a face (0.5); with ``session``, the track: ``at_ms``, when the
    picture was taken, and ``smoothing_ms`` (1500). Values: ``width``, ``height`` and ``faces``, each with ``box``,
    ``score``, ``points``, ``emotion`` (one of `EMOTIONS`, or "unsure"), ``confidence``, ``scores`` of all, and of a
    track ``id``, the face's number in it.
    """

    name: ClassVar[str] = "emotion"

    def __init__(self, model: LoadedModel) -> None:
        self._detector = FaceDetector(model)
        self._model = graph(model, "model", ("input_1",), ("Identity",))
        self._seen = Seen()
        self._tracks: Sessions[Faces] = Sessions()

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        """One after the other; all crops of a picture at once."""
        return one_by_one(requests, self._answer)

    def close(self, session: str) -> None:
        """Forget a track and its faces."""
        self._seen.close(session)
        self._tracks.close(session)

    def scores(self, pixels: Pixels, boxes: Sequence[Box]) -> list[Scores]:
        """The scores of each face, averaged over its crops."""
        if not boxes:
            return []
        crops = [greyscale(face_crop(pixels, box, SIDE, margin)) for box in boxes for margin in MARGINS]
        views = np.stack([view for crop in crops for view in (crop, crop[:, ::-1])]).astype(np.float32)
        raw = run_one(self._model, "Identity", input_1=(views / 127.5 - 1)[..., None])
        means = raw.astype(np.float64).reshape(len(boxes), 2 * len(MARGINS), len(EMOTIONS)).mean(axis=1)
        return [cast(Scores, mean / mean.sum()) for mean in means]

    def _answer(self, request: Request) -> Result:
        at_ms = at_ms_option(request.options)
        smoothing_s = number_option(request.options, "smoothing_ms", SMOOTHING_S * 1000, 0, 60_000) / 1000
        pixels = self._seen.picture(request)
        faces = self._detector.find(pixels, threshold_option(request))
        scored = list(zip([face.box for face in faces], self.scores(pixels, [f.box for f in faces]), strict=True))
        numbers: list[int] | None = None
        if request.session is not None:
            if at_ms is None:
                raise TaskError("bad_option", "at_ms: is needed with a session")
            track = self._tracks.of(request.session, lambda: Faces(smoothing_s))
            seen = track.see(scored, at_ms / 1000)
            numbers = [number for number, _ in seen]
            scored = [(box, scores) for (box, _), (_, scores) in zip(scored, seen, strict=True)]
        values = [face.values() | expression_values(*one) for face, one in zip(faces, scored, strict=True)]
        for n, number in enumerate(numbers or []):
            values[n]["id"] = number
        return Result(picture_values(pixels, values))


def expression_values(box: Box, scores: Scores) -> dict[str, Any]:
    """What is said of one face."""
    best = int(scores.argmax())
    small = min(box[2] - box[0], box[3] - box[1]) < MIN_FACE
    return {
        "emotion": "unsure" if small or scores[best] < UNSURE else EMOTIONS[best],
        "confidence": round(float(scores[best]), 3),
        "scores": {name: round(float(score), 3) for name, score in zip(EMOTIONS, scores, strict=True)},
    }
