"""How many streams to the models are open at the same time, of one account and of all; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from appliance.errors import UserError

MOST_OF_ONE = 4
"""Somebody with two microphones, a camera and one to spare."""
MOST_OF_ALL = 64
"""Twenty times what a processor of two cores transcribes at once; a model holds 512 (`ai.tasks.MAX_SESSIONS`)."""


class StreamPlaces:
    """Of one server."""

    def __init__(self, of_one: int = MOST_OF_ONE, of_all: int = MOST_OF_ALL) -> None:
        self._of_one, self._of_all = of_one, of_all
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """Streams that are open."""
        return self._taken.total()

    @contextmanager
    def hold(self, user_id: str) -> Iterator[None]:
        """Have a place for the length of the block. UserError 429 ``too_many_streams``, 503 ``overloaded``."""
        if self._taken[user_id] >= self._of_one:
            raise UserError(429, "too_many_streams", f"one account may have {self._of_one} streams at once")
        if self.taken >= self._of_all:
            raise UserError(503, "overloaded", "too many streams are open, try again", retry_after_s=10.0)
        self._taken[user_id] += 1
        try:
            yield
        finally:
            self._taken[user_id] -= 1
            if not self._taken[user_id]:
                del self._taken[user_id]
