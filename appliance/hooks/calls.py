"""What can be asked of a hook, and what it may answer. Pure.

Owns the list of calls: the hook's function, and the check that its answer passes. Checks run in the plugin's own thread
(`plugin_thread`), since looking at an answer may run the plugin's code; what comes out of one is a plain value of ours.
Refuses to know who asks and what becomes of a plugin whose answer is rubbish (`dispatch`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, Generic, TypeVar

import msgspec

from appliance.hooks.contract import (
    Authenticator,
    EventListener,
    Hook,
    Identity,
    ModelProcessor,
    Notifier,
    Storage,
    Tensor,
)

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

# What a model is given or gives at once: a second of 4K pictures is less. A result is read by people or a page.
TENSORS_BYTES_MAX = 256 * 1024 * 1024
TENSORS_MAX = 256
RESULT_BYTES_MAX = 4 * 1024 * 1024
_ITEM_BYTES = {
    "float16": 2, "float32": 4, "float64": 8, "int8": 1, "int16": 2, "int32": 4, "int64": 8, "uint8": 1, "bool": 1,
}  # fmt: skip


class RubbishError(Exception):
    """A hook answered what its contract does not know. The text is the reason, for administrators."""


@dataclass(frozen=True)
class HookCall(Generic[T]):
    """One function of a hook."""

    hook: type[Hook]
    function: str
    check: Callable[[object], T]
    """The answer as it should be, or RubbishError. It may raise anything: the answer's own operators do."""

    def of(self, hook: object) -> Callable[..., Any]:
        """The function itself."""
        found: Callable[..., Any] = getattr(hook, self.function)
        return found


def nothing(answer: object) -> None:
    """None."""
    if answer is not None:
        raise RubbishError(f"returned {type(answer).__name__}, not None")


def exactly(kind: type[T]) -> Callable[[object], T]:
    """A value of this very class: a subclass, as bool of int, may do what it likes."""

    def check(answer: object) -> T:
        if type(answer) is not kind:
            raise RubbishError(f"returned {type(answer).__name__}, not {kind.__name__}")
        return answer

    return check


def struct(kind: type[S]) -> Callable[[object], S]:
    """A struct of this very class whose fields are what they are declared to be."""

    def check(answer: object) -> S:
        exactly(kind)(answer)
        fields = {name: getattr(answer, name) for name in kind.__struct_fields__}
        try:
            return msgspec.convert(fields, kind)
        except msgspec.ValidationError as error:
            raise RubbishError(f"returned {kind.__name__} with {error}") from None

    return check


def maybe(check: Callable[[object], T]) -> Callable[[object], T | None]:
    """That, or None."""

    def check_or_none(answer: object) -> T | None:
        return None if type(answer) is NoneType else check(answer)

    return check_or_none


def count(answer: object) -> int:
    """A number from 0 on."""
    number = exactly(int)(answer)
    if number < 0:
        raise RubbishError(f"returned {number}, less than 0")
    return number


def at_most(length: int) -> Callable[[object], bytes]:
    """Bytes, no more than that."""

    def check(answer: object) -> bytes:
        data = exactly(bytes)(answer)
        if len(data) > length:
            raise RubbishError(f"returned {len(data)} bytes where {length} were asked for")
        return data

    return check


def tensors(answer: object) -> dict[str, Tensor]:
    """Tensors by name, each with as many bytes as its shape takes."""
    named: dict[Any, Any] = exactly(dict)(answer)
    if len(named) > TENSORS_MAX:
        raise RubbishError(f"returned {len(named)} tensors, more than {TENSORS_MAX}")
    found: dict[str, Tensor] = {}
    for key, value in named.items():
        name = exactly(str)(key)
        tensor = struct(Tensor)(value)
        wanted = math.prod(tensor.shape) * _ITEM_BYTES[tensor.dtype]
        if len(tensor.data) != wanted:
            raise RubbishError(
                f"returned tensor {name!r:.60} with {len(tensor.data)} bytes, {tensor.dtype} of its shape has {wanted}"
            )
        found[name] = tensor
    total = sum(len(tensor.data) for tensor in found.values())
    if total > TENSORS_BYTES_MAX:
        raise RubbishError(f"returned {total} bytes of tensors, more than {TENSORS_BYTES_MAX}")
    return found


def result(answer: object) -> Any:
    """Something that JSON can say; made anew of JSON's own types."""
    try:
        raw = msgspec.json.encode(answer)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise RubbishError(f"returned what JSON cannot say: {error}") from None
    if len(raw) > RESULT_BYTES_MAX:
        raise RubbishError(f"returned {len(raw)} bytes of JSON, more than {RESULT_BYTES_MAX}")
    return msgspec.json.decode(raw)


NOTIFY = HookCall(Notifier, "notify", nothing)
ON_EVENT = HookCall(EventListener, "on_event", nothing)
AUTHENTICATE = HookCall(Authenticator, "authenticate", maybe(struct(Identity)))
PUT = HookCall(Storage, "put", nothing)
READ = HookCall(Storage, "read", maybe(exactly(bytes)))
"""`read_of` bounds the answer."""
SIZE = HookCall(Storage, "size", maybe(count))
DELETE = HookCall(Storage, "delete", exactly(bool))
PREPARE = HookCall(ModelProcessor, "prepare", tensors)
INTERPRET = HookCall(ModelProcessor, "interpret", result)

CALLS: tuple[HookCall[Any], ...] = (
    NOTIFY, ON_EVENT, AUTHENTICATE, PUT, READ, SIZE, DELETE, PREPARE, INTERPRET,
)  # fmt: skip
"""All of them."""


def read_of(length: int) -> HookCall[bytes | None]:
    """`READ` of at most ``length`` bytes."""
    return replace(READ, check=maybe(at_most(length)))
