"""Bounds of the scalar types of the wire."""

from __future__ import annotations

import msgspec
import pytest

from appliance.signaling.shapes import Counter, Mid, Participant, SeatNumber, ShortText


@pytest.mark.parametrize(
    ("shape", "good", "bad"),
    [
        (Mid, ["0", "audio-1", "a.b_c+d", "x" * 16], ["", "x" * 17, "a b", "ä", "0\n", "{}"]),
        (SeatNumber, [0, 99], [-1, 100, "0", True]),
        (ShortText, ["x", "é" * 128], ["", "x" * 129]),
        (Counter, [0, 2**53 - 1], [-1, 2**53, 0.5]),
    ],
)
def test_scalars(shape: type, good: list[object], bad: list[object]) -> None:
    for value in good:
        assert msgspec.convert(value, shape) == value
    for value in bad:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(value, shape)


def test_shapes_are_frozen() -> None:
    participant = Participant(
        participant_id="p", user_id=None, name="n", avatar_url=None, role="host", joined_at_ms=1,
        hand_raised_at_ms=None, reconnecting=False, tracks=[],
    )  # fmt: skip
    with pytest.raises(AttributeError):
        participant.name = "m"  # type: ignore[misc]
