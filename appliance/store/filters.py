"""Conditions of a list's query with the arguments that they stand for; pure.

Owns how lists are filtered and read page by page, after the last row that was read, whatever came or went meanwhile.
Refuses to know what is listed: columns and conditions are the caller's own text, never a client's.
"""

from __future__ import annotations

from typing import Literal


class Filters:
    """Collected one by one, in the order of their arguments."""

    def __init__(self, *always: str) -> None:
        """``always``: conditions without arguments."""
        self._conditions = list(always)
        self.args: list[object] = []
        """For ``$1`` and so on."""

    def place(self, value: object) -> str:
        """Where a value stands in the query, as ``$3``."""
        self.args.append(value)
        return f"${len(self.args)}"

    def always(self, condition: str) -> None:
        """A condition whose values have their places already."""
        self._conditions.append(condition)

    def add(self, condition: str, value: object) -> None:
        """``{}`` in the condition is the value's place."""
        self._conditions.append(condition.replace("{}", self.place(value)))

    def equal(self, **columns: object) -> None:
        """Rows with these values; None: any."""
        for column, value in columns.items():
            if value is not None:
                self.add(f"{column} = {{}}", value)

    def contains(self, column: str, folded: str) -> None:
        """Rows whose folded column holds the text, whatever signs it has."""
        escaped = folded.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        self.add(f"{column} LIKE {{}} ESCAPE '\\'", f"%{escaped}%")

    def beyond(
        self, time: str, after: tuple[int, str] | None, *, ident: str = "id", order: Literal["<", ">"] = "<"
    ) -> None:
        """Rows after the one with (time, ident) ``after``, newest (``<``) or oldest first; None: from the start."""
        if after is not None:
            at, last = (self.place(value) for value in after)
            self._conditions.append(f"{time} {order} {at} OR ({time} = {at} AND {ident} {order} {last})")

    @property
    def where(self) -> str:
        """`` WHERE …``, or nothing."""
        return " WHERE " + " AND ".join(f"({one})" for one in self._conditions) if self._conditions else ""
