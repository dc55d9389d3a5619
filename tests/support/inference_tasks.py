"""Tasks for tests of the inference worker, which imports them by these names: each does one thing that tasks do."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from appliance.inference.task import LoadedModel, Request, Result, TaskError


class Echo:
    """Says what it was asked, how large the batch was, and what it remembers of the session."""

    name: ClassVar[str] = "echo"

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        self.sessions: dict[str, list[Any]] = {}

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        return [self._one(request, len(requests)) for request in requests]

    def _one(self, request: Request, batch: int) -> Result | TaskError:
        if request.options.get("bad"):
            return TaskError("bad_input", f"bad = {request.options['bad']!r}: is not wanted")
        values: dict[str, Any] = {"options": request.options, "batch": batch, "pid": os.getpid()}
        if request.session is not None:
            heard = self.sessions.setdefault(request.session, [])
            heard.append(request.options.get("number"))
            values["heard"] = list(heard)
        if "sessions" in request.options:
            values["sessions"] = len(self.sessions)
        return Result(values, request.payload)

    def close(self, session: str) -> None:
        self.sessions.pop(session, None)


class Fast:
    """Says back what it was sent, and does nothing else: what is left is the way there and back."""

    name: ClassVar[str] = "fast"

    def __init__(self, model: LoadedModel) -> None:
        self.model = model

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        return [Result(None, request.payload) for request in requests]


class Slow:
    """Takes ``options["s"]`` seconds for the whole batch; says in which order it was asked."""

    name: ClassVar[str] = "slow"

    def __init__(self, model: LoadedModel) -> None:
        self.order: list[Any] = []

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        time.sleep(max(request.options.get("s", 0.0) for request in requests))
        self.order += [request.options.get("number") for request in requests]
        return [Result({"batch": len(requests), "order": list(self.order)})] * len(requests)


class Patient:
    """Takes five seconds for whatever it is asked."""

    name: ClassVar[str] = "patient"

    def __init__(self, model: LoadedModel) -> None:
        self.model = model

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        time.sleep(5)
        return [Result({"width": 1, "height": 1, "faces": []})] * len(requests)


class Parts:
    """Speech in parts as `ai.speech.captions` gives it: one for each byte of the sound; forgets all when told so."""

    name: ClassVar[str] = "parts"

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        self.left: dict[str, int] = {}
        self.length: dict[str, int] = {}

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Result | TaskError:
        session = request.session or ""
        if request.payload:
            self.left[session] = self.length[session] = len(request.payload)
        if session not in self.left:
            return TaskError("session_lost", "it is not here")
        self.left[session] -= 1
        length, left = self.length[session], self.left[session]
        if left == 1 and (self.model.folder / "crash").exists():
            if (self.model.folder / "crash").read_text() == "once":
                (self.model.folder / "crash").unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        values = {"segments": [], "at_ms": length - left, "duration_ms": length, "done": not left}
        if not left:
            values |= {"text": f"{length} parts", "language": "en"}
        return Result(values)

    def close(self, session: str) -> None:
        self.left.pop(session, None)


class Liar:
    """Answers in a shape that nobody expects."""

    name: ClassVar[str] = "liar"

    def __init__(self, model: LoadedModel) -> None:
        self.model = model

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        return [Result({"faces": [{"box": "here"}], "width": "wide", "height": 1})] * len(requests)


class Troublesome:
    """Misbehaves as ``options["how"]`` says."""

    name: ClassVar[str] = "troublesome"

    def __init__(self, model: LoadedModel) -> None:
        self.model = model

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        how = requests[0].options.get("how", "")
        if how == "raise":
            raise LookupError("of the task")
        if how == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "crash once":
            # the file outlives the process
            try:
                (self.model.folder / "crashed").touch(exist_ok=False)
            except FileExistsError:
                return [Result({"pid": os.getpid()})]
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "hang":
            time.sleep(3600)
        if how == "freeze":
            # every thread: nothing of the process says a word
            os.kill(os.getpid(), signal.SIGSTOP)
        if how == "grow":
            kept = []
            while True:
                kept.append(np.ones(2_000_000))
                time.sleep(0.02)
        if how == "too much at once":
            np.ones(10**12)
        if how == "miscount":
            return []
        if how == "no result":
            return [None]  # type: ignore[list-item]
        if how == "unspeakable":
            return [Result(threading.Lock())]
        if how == "environment":
            return [Result(sorted(os.environ))]
        return [Result({"pid": os.getpid()})]


class Identity:
    """Runs the graph of role "model" on float32 rows of four; the batch is one call."""

    name: ClassVar[str] = "identity"

    def __init__(self, model: LoadedModel) -> None:
        self.session = model.sessions["model"]

    def warm_up(self) -> Request:
        return Request({}, np.zeros(4, np.float32).tobytes())

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        rows = np.stack([np.frombuffer(request.payload, np.float32) for request in requests])
        (out,) = self.session.run(["y"], {"x": rows})
        return [Result({"batch": len(requests)}, row.tobytes()) for row in out]


class Unmakeable:
    """Cannot be made."""

    name: ClassVar[str] = "unmakeable"

    def __init__(self, model: LoadedModel) -> None:
        raise ValueError("the tokenizer has no end")

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        return []
