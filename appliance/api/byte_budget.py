"""How many bytes of requests are held at the same time; pure.

Owns one number. What does not fit is refused, not kept waiting: whoever waits holds bytes too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from appliance.errors import UserError


class ByteBudget:
    """Of one kind of request."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0

    @contextmanager
    def hold(self, count: int) -> Iterator[None]:
        """Have so many bytes for the length of the block. UserError 503 ``overloaded``."""
        if self.taken + count > self.most:
            raise UserError(503, "overloaded", "too many large requests at once, try again", retry_after_s=2.0)
        self.taken += count
        try:
            yield
        finally:
            self.taken -= count
