"""An answer is what the contract says, made anew of our own types, or rubbish with a reason."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from appliance.hooks import calls
from appliance.hooks.calls import CALLS, HookCall, RubbishError
from appliance.hooks.contract import HOOKS, Identity, Tensor

ANN = Identity(subject="1", username="ann", email="ann@example.org", display_name="Ann")


def _ann(**other: Any) -> Identity:
    return msgspec.structs.replace(ANN, **other)


class _Sub(Identity, frozen=True):
    """Not the very class."""


class _Text(str):
    """Not the very class either."""


def _tensor(**other: Any) -> dict[str, Tensor]:
    return {"x": msgspec.structs.replace(Tensor("int16", (2, 3), bytes(12)), **other)}


GOOD: list[tuple[HookCall[Any], object]] = [
    (calls.NOTIFY, None),
    (calls.ON_EVENT, None),
    (calls.AUTHENTICATE, None),
    (calls.AUTHENTICATE, ANN),
    (calls.AUTHENTICATE, _ann(role="admin")),
    (calls.PUT, None),
    (calls.read_of(3), b"abc"),
    (calls.read_of(3), None),
    (calls.SIZE, 0),
    (calls.SIZE, None),
    (calls.DELETE, False),
    (calls.PREPARE, {}),
    (calls.PREPARE, _tensor()),
    (calls.PREPARE, _tensor(shape=(), data=b"ab")),
    (calls.PREPARE, _tensor(shape=(0, 5), data=b"")),
    (calls.INTERPRET, {"speech": True, "score": 0.5, "parts": [1, None, "x"]}),
    (calls.INTERPRET, None),
]
BAD: list[tuple[HookCall[Any], object, str]] = [
    (calls.NOTIFY, 5, "returned int, not None"),
    (calls.AUTHENTICATE, True, "returned bool, not Identity"),
    (calls.AUTHENTICATE, {"subject": "1"}, "returned dict, not Identity"),
    (calls.AUTHENTICATE, _Sub(subject="1", username="ann", email="a@b", display_name="A"), "returned _Sub, not"),
    (calls.AUTHENTICATE, _ann(subject=""), r"returned Identity with Expected `str` of length >= 1 - at `\$.subject`"),
    (calls.AUTHENTICATE, _ann(subject=7), r"got `int` - at `\$.subject`"),
    (calls.AUTHENTICATE, _ann(username="a" * 51), r"length <= 50 - at `\$.username`"),
    (calls.AUTHENTICATE, _ann(role="root"), r"at `\$.role`"),
    (calls.AUTHENTICATE, _ann(email=None), r"at `\$.email`"),
    (calls.read_of(3), b"abcd", "returned 4 bytes where 3 were asked for"),
    (calls.read_of(3), "abc", "returned str, not bytes"),
    (calls.read_of(3), bytearray(3), "returned bytearray, not bytes"),
    (calls.SIZE, -1, "returned -1, less than 0"),
    (calls.SIZE, True, "returned bool, not int"),
    (calls.SIZE, 1.0, "returned float, not int"),
    (calls.DELETE, None, "returned NoneType, not bool"),
    (calls.DELETE, 1, "returned int, not bool"),
    (calls.PREPARE, None, "returned NoneType, not dict"),
    (calls.PREPARE, {"x": [1]}, "returned list, not Tensor"),
    (calls.PREPARE, {_Text("x"): _tensor()["x"]}, "returned _Text, not str"),
    (calls.PREPARE, _tensor(dtype="complex"), r"at `\$.dtype`"),
    (calls.PREPARE, _tensor(shape=(-1, 3)), r"at `\$.shape"),
    (calls.PREPARE, _tensor(data=bytes(11)), "tensor 'x' with 11 bytes, int16 of its shape has 12"),
    (calls.PREPARE, _tensor(shape=(2**62,)), "int16 of its shape has 9223372036854775808"),
    (calls.PREPARE, {f"t{n}": _tensor()["x"] for n in range(calls.TENSORS_MAX + 1)}, "returned 257 tensors"),
    (calls.INTERPRET, object(), "returned what JSON cannot say"),
    (calls.INTERPRET, "\ud800", "returned what JSON cannot say"),
    (calls.INTERPRET, {(1, 2): 3}, "returned what JSON cannot say"),
    (calls.INTERPRET, "x" * calls.RESULT_BYTES_MAX, "bytes of JSON, more than"),
]


@pytest.mark.parametrize(("call", "answer"), GOOD)
def test_an_answer_of_the_contract_passes(call: HookCall[Any], answer: object) -> None:
    assert call.check(answer) == answer


@pytest.mark.parametrize(("call", "answer", "reason"), BAD)
def test_rubbish_is_named(call: HookCall[Any], answer: object, reason: str) -> None:
    with pytest.raises(RubbishError, match=reason):
        call.check(answer)


def test_rubbish_that_goes_round_in_circles_is_rubbish() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(RubbishError):
        calls.INTERPRET.check(circle)


def test_a_result_is_made_anew() -> None:
    class Odd(dict[str, object]):
        """Of the plugin's own making."""

    passed = calls.INTERPRET.check(Odd(x=("y",)))
    assert type(passed) is dict and type(passed["x"]) is list


def test_every_function_of_every_hook_is_there() -> None:
    assert {call.hook for call in CALLS} == set(HOOKS.values())
    for call in CALLS:
        assert call.function in call.hook.__annotations__
    assert len(CALLS) == len({(call.hook, call.function) for call in CALLS})
