"""When recurring jobs recur; pure. Times are UTC: a day has no hour twice, and none is missing."""

from __future__ import annotations

import msgspec

_DAY_S = 86_400


class Every(msgspec.Struct, frozen=True):
    """Every so many seconds, counted from the Unix epoch, so that all servers mean the same moments."""

    seconds: int

    def __post_init__(self) -> None:
        if self.seconds < 1:
            raise ValueError(f"every {self.seconds} s: at least 1")

    def __str__(self) -> str:
        return f"every {self.seconds} s"

    def next_ms(self, now_ms: int) -> int:
        """The first moment after now."""
        step_ms = self.seconds * 1000
        return (now_ms // step_ms + 1) * step_ms


class Daily(msgspec.Struct, frozen=True):
    """Once a day, at a time of UTC."""

    hour: int
    minute: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.hour < 24 and 0 <= self.minute < 60):
            raise ValueError(f"daily at {self.hour}:{self.minute}: no such time")

    def __str__(self) -> str:
        return f"daily at {self.hour:02}:{self.minute:02} UTC"

    def next_ms(self, now_ms: int) -> int:
        """The first moment after now."""
        of_day_ms = (self.hour * 3600 + self.minute * 60) * 1000
        day_ms = _DAY_S * 1000
        today_ms = now_ms // day_ms * day_ms + of_day_ms
        return today_ms if today_ms > now_ms else today_ms + day_ms


Rule = Every | Daily
