"""The graphs of a model, checked before use, and called with types. Pure.

Owns the check that a session has the tensors that a task will ask for: a file that lies about itself is refused when
the model is loaded, by name, and not in the middle of a meeting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from appliance.inference.task import LoadedModel, Session

Floats = NDArray[np.float32]


def graph(model: LoadedModel, role: str, inputs: Iterable[str], outputs: Iterable[str]) -> Session:
    """The session of a role. ValueError when it is not there or lacks one of the tensors."""
    session = model.sessions.get(role)
    if session is None:
        raise ValueError(f"{model.entry.name}: no graph has the role {role!r}")
    for kind, wanted, there in (
        ("input", inputs, {tensor.name for tensor in session.get_inputs()}),
        ("output", outputs, {tensor.name for tensor in session.get_outputs()}),
    ):
        missing = sorted(set(wanted) - there)
        if missing:
            raise ValueError(f"{model.entry.name}: {role} has no {kind} {', '.join(missing)}")
    return session


def run_one(session: Session, output: str, **feed: Any) -> Floats:
    """One output of a run whose inputs have names that Python takes."""
    return cast(Floats, session.run([output], feed)[0])


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Over the last axis, without overflow."""
    shifted = np.asarray(logits, np.float64) - np.max(logits, axis=-1, keepdims=True)
    weights = np.exp(shifted)
    return cast("NDArray[np.float64]", weights / weights.sum(axis=-1, keepdims=True))


def sigmoid(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Without overflow."""
    return 1 / (1 + np.exp(-np.clip(np.asarray(logits, np.float64), -60, 60)))


def rounded(values: Sequence[float] | NDArray[Any], digits: int = 3) -> list[float]:
    """For an answer: nobody reads the sixteenth digit of a score."""
    return [round(float(value), digits) for value in values]
