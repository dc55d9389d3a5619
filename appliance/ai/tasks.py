"""What tasks have in common: one answer for each request of a batch, and the state of streams. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

from appliance.inference.task import Request, Result, TaskError

State = TypeVar("State")

MAX_SESSIONS = 512
"""Streams of one model at once; a state takes up to a megabyte (14 s of samples)."""


def one_by_one(requests: Sequence[Request], answer: Callable[[Request], Result]) -> list[Result | TaskError]:
    """Answers in their order; the fault of one request is that request's answer."""
    answers: list[Result | TaskError] = []
    for request in requests:
        try:
            answers.append(answer(request))
        except TaskError as error:
            answers.append(error)
    return answers


def split_payload_untrusted(payload: bytes, sizes: object, option: str, most: int) -> list[bytes]:
    """Up to ``most`` parts that lie one behind the other in a payload, by their sizes; TaskError ``bad_option``."""
    if not isinstance(sizes, list | tuple) or not all(type(size) is int and size > 0 for size in sizes):
        raise TaskError("bad_option", f"{option}: must be sizes in bytes")
    if len(sizes) > most:
        raise TaskError("bad_option", f"{option}: {len(sizes)}, at most {most} in one request")
    if sum(sizes) != len(payload):
        raise TaskError("bad_option", f"{option}: {sum(sizes)} bytes in all, the payload has {len(payload)}")
    return [payload[end - size : end] for size, end in zip(sizes, accumulate(sizes), strict=True)]


class Sessions(Generic[State]):
    """The state of each stream, made by its first request."""

    def __init__(self) -> None:
        self._states: dict[str, State] = {}

    def __len__(self) -> int:
        return len(self._states)

    def of(self, session: str, make: Callable[[], State]) -> State:
        """The state of a stream. TaskError ``too_many_sessions``, and what ``make`` raises."""
        state = self._states.get(session)
        if state is None:
            if len(self._states) >= MAX_SESSIONS:
                raise TaskError("too_many_sessions", f"{MAX_SESSIONS} streams are open at once")
            state = self._states[session] = make()
        return state

    def close(self, session: str) -> None:
        """Forget it; nothing happens when there is none."""
        self._states.pop(session, None)
