"""A whole sound that is recognised in parts, so that live speakers get their turn in between. Pure.

Owns the samples of such sounds while they wait, and the bound on them. A model answers one request after the other: ten
minutes in one request would hold every live caption up for as long as they take.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from appliance.ai.sound import RATE_HZ, Samples
from appliance.ai.tasks import Sessions
from appliance.inference.task import TaskError

if TYPE_CHECKING:
    from appliance.ai.speech.captions import Caption, Captioner

PART_S = 8.0
"""Of sound in one request: a quarter of a second of work for Moonshine, two for Whisper base on one core."""
MAX_HELD_S = 7200.0
"""Of all sounds that wait in one model, two hours: 460 MB of samples at most, beside the model."""


class LongSound:
    """One of them."""

    def __init__(self, samples: Samples, captioner: Captioner) -> None:
        self._samples = samples
        self._captioner = captioner
        self._at = 0
        self.captions: list[Caption] = []
        """All so far."""

    @property
    def length_s(self) -> float:
        """Of the whole."""
        return len(self._samples) / RATE_HZ

    @property
    def at_s(self) -> float:
        """So much of it was recognised."""
        return self._at / RATE_HZ

    @property
    def is_done(self) -> bool:
        """Nothing is left."""
        return self._at == len(self._samples)

    def advance(self) -> list[Caption]:
        """Recognise the next part."""
        part = self._samples[self._at : self._at + int(PART_S * RATE_HZ)]
        found = self._captioner.feed(part)
        self._at += len(part)
        if self.is_done:
            found += self._captioner.finish()
        self.captions += found
        return found


class LongSounds:
    """Those of one model, by session."""

    def __init__(self) -> None:
        self._sounds: Sessions[LongSound] = Sessions()
        self._lengths: dict[str, float] = {}

    def of(self, session: str, make: Callable[[], LongSound] | None) -> LongSound:
        """The sound of a session. ``make`` None: it must be there already.

        TaskError ``session_lost`` when it is not: this worker was started anew; ``overloaded`` when too much waits.
        """
        if session in self._lengths:
            return self._sounds.of(session, _lost)
        if make is None:
            _lost()
        sound = self._sounds.of(session, make)
        if sum(self._lengths.values()) + sound.length_s > MAX_HELD_S:
            self._sounds.close(session)
            raise TaskError("overloaded", f"more than {MAX_HELD_S:.0f} s of sound wait for this model")
        self._lengths[session] = sound.length_s
        return sound

    def close(self, session: str) -> None:
        """Forget it; nothing happens when there is none."""
        self._sounds.close(session)
        self._lengths.pop(session, None)


def _lost() -> NoReturn:
    raise TaskError("session_lost", "the worker no longer has the sound")
