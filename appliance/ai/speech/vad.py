"""Voice activity: how probable speech is in each 32 ms of a stream. Silero VAD 5. Pure.

Owns the model's state and frames; refuses to know what a phrase is (`phrases`).
"""

from __future__ import annotations

import numpy as np

from appliance.ai.sound import RATE_HZ, Samples
from appliance.inference.task import Session

FRAME = 512
"""Samples that the model judges at once at 16 kHz: 32 ms."""
FRAME_S = FRAME / RATE_HZ
_CONTEXT = 64
"""Samples before the frame that the model sees again."""

VAD_INPUTS = ("input", "state", "sr")
VAD_OUTPUTS = ("output", "stateN")


class VoiceActivity:
    """One stream's probabilities of speech; samples that do not fill a frame wait for the next ones."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._rate = np.array(RATE_HZ, np.int64)
        self._state = np.zeros((2, 1, 128), np.float32)
        self._context = np.zeros(_CONTEXT, np.float32)
        self._rest = np.zeros(0, np.float32)

    def feed(self, samples: Samples) -> list[float]:
        """Probabilities, 0 to 1, of the frames that are whole now."""
        self._rest = np.concatenate([self._rest, samples])
        found = []
        whole = len(self._rest) // FRAME * FRAME
        for at in range(0, whole, FRAME):
            frame = self._rest[at : at + FRAME]
            seen = np.concatenate([self._context, frame])[None]
            output, self._state = self._session.run(
                VAD_OUTPUTS, {"input": seen, "state": self._state, "sr": self._rate}
            )
            self._context = frame[-_CONTEXT:]
            found.append(float(output[0, 0]))
        self._rest = self._rest[whole:]
        return found
