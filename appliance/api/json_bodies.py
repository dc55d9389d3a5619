"""JSON from strangers into structs; pure.

Owns strictness: what two parsers could read differently is refused. Refuses to know HTTP. Raises UserError 400 only,
naming the field where there is one.

Refused besides what the struct refuses: duplicate keys and lone surrogates (RFC 7493 §2.1, §2.3), NaN and Infinity
(RFC 8259 §6), nesting deeper than 32, NUL characters (PostgreSQL cannot store them), text that is not UTF-8.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

import msgspec

from appliance.errors import UserError

T = TypeVar("T")

# Our bodies nest three levels; 32 leaves room and stays far below Python's recursion limit.
MAX_DEPTH = 32

_AT = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_NAMED = re.compile(r"field `(?P<name>[^`]+)`")


def decode_untrusted(body: bytes, shape: type[T]) -> T:
    """The struct that a body describes. Raises UserError 400 ``invalid_json`` or ``invalid_field``."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(400, "invalid_json", f"the body is not UTF-8 at byte {error.start}") from None
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        message = f"the body is not JSON: {error.msg.lower()} at character {error.pos}"
        raise UserError(400, "invalid_json", message) from None
    except RecursionError:
        raise UserError(400, "invalid_json", f"the body nests deeper than {MAX_DEPTH}") from None
    except ValueError:  # an integer of more digits than Python converts
        raise UserError(400, "invalid_json", "the body holds a number that is too long") from None
    _check_texts(value, 0)
    return to_struct(value, shape)


def to_struct(value: Any, shape: type[T], *, strict: bool = True) -> T:
    """The struct of decoded values. Not ``strict``: texts of a query string become numbers and flags."""
    try:
        return msgspec.convert(value, shape, strict=strict)
    except msgspec.ValidationError as error:
        raise _field_error(str(error)) from None


def _field_error(message: str) -> UserError:
    at = _AT.search(message)
    path = at["path"] if at else ""
    clause = message[: at.start()] if at else message
    named = _NAMED.search(clause)
    if named is not None:
        path = f"{path}.{named['name']}".lstrip(".")
    clause = clause.replace("`", "")
    clause = clause[:1].lower() + clause[1:]
    shown = f"{path}: {clause}" if path else clause
    return UserError(400, "invalid_field", shown, field=path or None)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            shown = key.encode(errors="replace").decode()[:64]
            raise UserError(400, "invalid_json", f"the key {shown!r} comes twice", field=shown)
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise UserError(400, "invalid_json", f"{name} is not a JSON number")


def _check_texts(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise UserError(400, "invalid_json", f"the body nests deeper than {MAX_DEPTH}")
    if isinstance(value, str):
        if "\0" in value:
            raise UserError(400, "invalid_json", "the body holds a NUL character")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise UserError(400, "invalid_json", "the body holds half of a surrogate pair") from None
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_texts(key, depth + 1)
            _check_texts(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_texts(item, depth + 1)
