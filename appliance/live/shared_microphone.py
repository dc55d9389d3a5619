"""Several people at one microphone: what they said lately, and whose voice a phrase is, as a number.

Owns the packets that a phrase was made of and the question to the voice model. Refuses to know names: in a meeting the
track has one, and behind it stands the voice's number. Nothing of a voice is kept when the track ends.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from typing import Any, Literal, Protocol

import msgspec
import structlog

from appliance.ids import new_id
from appliance.inference.replies import InferenceError, Reply
from appliance.live.speech_feed import Step

_log = structlog.get_logger(__name__)

KEEP_MS = 40_000
"""Of sound: longer than the longest phrase of a recogniser, which is 30 s."""
LEAST_MS = 1600
"""Shorter phrases say too little of a voice: the model was trained on 1.6 s (`ai.speech.speaker.WINDOW`)."""
ANSWER_WITHIN_S = 1.0
"""The phrase waits for its number so long at most; without one it is shown as the track's."""
TASK = "speaker"


class SpeechModels(Protocol):
    """What this and `voice` ask of `inference.client.Inference`."""

    async def infer(
        self, name: str, payload: bytes, options: dict[str, Any], *, priority: Literal["high"], within_s: float
    ) -> Reply:
        """One request; InferenceError."""

    def close_session(self, name: str, session: str) -> None:
        """Forget a stream's state."""


class _Answer(msgspec.Struct, frozen=True):
    voice: int


class SharedMicrophone:
    """One track's, while its voice is served."""

    def __init__(self, inference: SpeechModels, model: str) -> None:
        """``model``: of the catalog, its task is ``speaker``."""
        self._inference = inference
        self._model = model
        self._session = new_id("spk")
        self._stream: str | None = None
        self._times: deque[float] = deque()
        self._packets: deque[bytes] = deque()

    def take(self, step: Step) -> None:
        """What is sent to the recogniser."""
        if step.stream != self._stream:
            self._stream = step.stream
            self._times.clear()
            self._packets.clear()
        self._times.extend(step.each_at_ms)
        self._packets.extend(step.packets)
        while self._times and self._times[0] < self._times[-1] - KEEP_MS:
            self._times.popleft()
            self._packets.popleft()

    async def voice_of(self, start_ms: float, end_ms: float) -> int | None:
        """The number of the voice that spoke from ``start_ms`` to ``end_ms`` of the stream, from 1 on.

        None: it was too short, or the model did not answer in time.
        """
        if end_ms - start_ms < LEAST_MS:
            return None
        first, last = bisect_left(self._times, start_ms), bisect_left(self._times, end_ms)
        packets = list(self._packets)[first:last]
        if not packets:
            return None
        options = {"session": self._session, "format": "opus", "packets": [len(packet) for packet in packets]}
        try:
            reply = await self._inference.infer(
                self._model, b"".join(packets), options, priority="high", within_s=ANSWER_WITHIN_S
            )
            return msgspec.convert(reply.values, _Answer).voice
        except (InferenceError, msgspec.ValidationError) as error:
            # the phrase is shown all the same, and the next one is asked about again
            _log.info("voice_not_told_apart", model=self._model, error=str(error))
            return None

    def close(self) -> None:
        """Forget the voices."""
        self._inference.close_session(self._model, self._session)
