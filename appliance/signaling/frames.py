"""From untrusted frames to messages, and from messages to text.

Owns the decoding of client frames with errors that name the field, and the encoding of server messages; refuses to
know connections, rate limits and what a message does.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from appliance.errors import UserError
from appliance.signaling.messages import ALIASES, AnyClientMessage, AnyServerMessage

CLIENT_TYPES: frozenset[str] = frozenset(
    str(shape.__struct_config__.tag) for shape in AnyClientMessage.__args__
)

_decoder: msgspec.json.Decoder[AnyClientMessage] = msgspec.json.Decoder(AnyClientMessage)
_encoder = msgspec.json.Encoder()

# How msgspec ends the text of a ValidationError: "… - at `$.publish[0].mid`".
_AT = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_MISSING = re.compile(r"^Object missing required field `(?P<name>[^`]*)`")
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>[^`]*)`")
_REF_MAX = 64  # as ClientMessage.ref
_SHOWN_MAX = 40  # characters of a foreign value that an error repeats


class BadFrameError(UserError):
    """The client sent a frame that is no message; ``ref`` is the frame's own, where it could be read."""

    def __init__(self, code: str, message: str, *, field: str | None = None, ref: str | None = None) -> None:
        super().__init__(400, code, message, field=field)
        self.ref = ref


def decode_untrusted(frame: str, *, max_bytes: int) -> AnyClientMessage:
    """Decode one text frame of a client.

    BadFrameError with code ``frame_too_large``, ``bad_json``, ``duplicate_field``, ``missing_field``,
    ``unknown_field``, ``unknown_type`` or ``invalid_field``; its ``field`` is the path of the offending field.
    """
    if len(frame) > max_bytes:  # a character has at least one byte: cheap, and enough to bound the work below
        raise BadFrameError("frame_too_large", f"a frame may have {max_bytes} bytes")
    try:
        raw = frame.encode()
    except UnicodeEncodeError as error:
        raise BadFrameError("bad_json", "the frame is not UTF-8: it holds a lone surrogate") from error
    if len(raw) > max_bytes:
        raise BadFrameError("frame_too_large", f"a frame may have {max_bytes} bytes, not {len(raw)}")
    try:
        message = _decoder.decode(raw)
    except msgspec.ValidationError as error:
        return _decode_slowly(raw, error)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadFrameError("bad_json", _lower(str(error))) from error
    _refuse_duplicates(frame)
    return message


def encode(message: AnyServerMessage) -> str:
    """The message as a JSON object without ``seq``; encoded once for all who get it."""
    return _encoder.encode(message).decode()


def _decode_slowly(raw: bytes, error: msgspec.ValidationError) -> AnyClientMessage:
    """The typed decoder refused: an alias, or an error that wants a name and the frame's ref."""
    try:
        read: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as malformed:
        raise BadFrameError("bad_json", _lower(str(malformed))) from malformed
    if not isinstance(read, dict):
        raise BadFrameError("bad_json", "a frame is a JSON object") from error
    _refuse_duplicates(raw.decode())
    ref = read.get("ref")
    ref = ref if isinstance(ref, str) and len(ref) <= _REF_MAX else None
    kind = read.get("type")
    if isinstance(kind, str) and kind in ALIASES:
        try:
            message: AnyClientMessage = msgspec.convert({**read, "type": ALIASES[kind]}, AnyClientMessage)
        except msgspec.ValidationError as inner:
            raise _named(inner, kind, ref) from inner
        return message
    raise _named(error, kind, ref) from error


def _named(error: msgspec.ValidationError, kind: object, ref: str | None) -> BadFrameError:
    text = str(error)
    at = _AT.search(text)
    path = at["path"] if at else ""
    text = text[: at.start()] if at else text
    if isinstance(kind, str) and kind not in CLIENT_TYPES and kind not in ALIASES:
        shown = f"there is no message of type {kind[:_SHOWN_MAX]!r}"
        return BadFrameError("unknown_type", shown, field="type", ref=ref)
    for code, pattern, phrase in (
        ("missing_field", _MISSING, "is required"),
        ("unknown_field", _UNKNOWN, "is not known"),
    ):
        found = pattern.match(text)
        if found:
            name = found["name"][:_SHOWN_MAX]
            field = f"{path}.{name}" if path else name
            return BadFrameError(code, f"{field} {phrase}", field=field, ref=ref)
    field = path or "type"
    return BadFrameError("invalid_field", f"{field}: {_lower(text)}", field=field, ref=ref)


def _refuse_duplicates(frame: str) -> None:
    """Two readers may take different ones of two fields with one name (RFC 8259 §4): refused."""
    if frame.count('"') <= 4:  # one field
        return
    try:
        json.loads(frame, object_pairs_hook=_unique)
    except RecursionError as error:  # only where the typed decoder has refused already
        raise BadFrameError("bad_json", "the frame is nested too deeply") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise BadFrameError("duplicate_field", f"{name[:_SHOWN_MAX]} is there twice", field=name[:_SHOWN_MAX])
            seen.add(name)
    return fields


def _lower(text: str) -> str:
    at = _AT.search(text)
    text = text[: at.start()] if at else text
    return text[:1].lower() + text[1:]
