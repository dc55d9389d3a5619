"""The sound or picture of a question, however it is sent: as the body itself, in a form, or in JSON as base64.

Owns how the body is read and bounded, and what the options are; refuses to look into what is sent.

::

    POST /ai/asr?language=en   Content-Type: audio/wav                the sound; options in the query
    POST /ai/asr               Content-Type: multipart/form-data      the file ``audio``; options as fields
    POST /ai/asr               Content-Type: application/json         {"audio": "UklGR…", "language": "en"}
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
import trio

from appliance.api.call import Call
from appliance.api.forms import read_form
from appliance.api.json_bodies import decode_untrusted, to_struct
from appliance.api.request_body import Incoming
from appliance.errors import UserError
from appliance.questions.asking import Medium
from appliance.questions.options import Options, is_picture

JSON = "application/json"
FORM = "multipart/form-data"
BYTES = "application/octet-stream"
SOUND = (JSON, FORM, BYTES, "audio/*", "video/webm")
"""Media types of a sound; browsers' recorders say video/webm of what has no picture, too."""
PICTURE = (JSON, FORM, BYTES, "image/*")
EITHER = (*SOUND, "image/*")

# JSON of more than this is read in a thread: a large one takes a tenth of a second.
_AT_ONCE_BYTES = 262_144
# The frame around what is sent: options, boundaries.
_FRAME_BYTES = 65_536

T = TypeVar("T")


class Question(msgspec.Struct, frozen=True):
    """What is asked, and about what."""

    options: Options
    medium: Medium


def json_bytes(most: int) -> int:
    """The largest JSON body around ``most`` bytes in base64 (RFC 4648 §4: four characters for three)."""
    return (most + 2) // 3 * 4 + _FRAME_BYTES


@asynccontextmanager
async def received(call: Call, incoming: Incoming, options: Options, shape: type[Any]) -> AsyncIterator[Question]:
    """The question of a request, for as long as it is worked on.

    ``options``: those of the query. ``shape``: of a JSON body, a struct of the same options with ``audio``, ``image``
    or both. UserError 400, 413 ``payload_too_large``, 415 ``unsupported_media_type``, 503 ``overloaded``.
    """
    fields = tuple(name for name in ("audio", "image") if name in shape.__struct_fields__)
    most = call.services.settings.ai.max_request_bytes
    kind = incoming.media_type
    bound = json_bytes(most) if kind == JSON else most if kind != FORM else most + _FRAME_BYTES
    if incoming.declared is not None and incoming.declared > bound:
        raise _too_large(most, fields)
    # What does not say its length may have the most; of JSON both the text and what is in it.
    count = bound if incoming.declared is None else incoming.declared
    with call.services.questions.hold(min(count * (2 if kind == JSON else 1), call.services.questions.most)):
        if kind == JSON:
            body = await _read_bounded(incoming, bound, most, " or ".join(fields))
            yield await _json(body, options, shape, most, fields)
        elif kind == FORM:
            yield await _form(incoming, options, most, fields)
        else:
            _check_type(kind, fields)
            yield _bare(await _read_bounded(incoming, most, most, " or ".join(fields)), kind, options, fields)


@asynccontextmanager
async def received_json(call: Call, incoming: Incoming, shape: type[T], field: str) -> AsyncIterator[T]:
    """A JSON body with sounds or pictures in base64, for as long as it is worked on. ``field``: named when it is too
    large. UserError as of `received`."""
    if incoming.media_type != JSON:
        raise UserError(415, "unsupported_media_type", f"the body must be {JSON}", field="Content-Type")
    most, budget = call.services.settings.ai.max_request_bytes, call.services.questions
    bound = json_bytes(most)
    if incoming.declared is not None and incoming.declared > bound:
        raise _too_large(most, (field,))
    count = bound if incoming.declared is None else incoming.declared
    with budget.hold(min(2 * count, budget.most)):
        yield await decode_large(await _read_bounded(incoming, bound, most, field), shape)


async def _json(body: bytes, options: Options, shape: type[Any], most: int, fields: tuple[str, ...]) -> Question:
    if options != type(options)():
        raise UserError(400, "invalid_field", "options belong into the JSON body, not into the query", field="query")
    read = await decode_large(body, shape)
    given = {name: value for name in fields if (value := getattr(read, name)) is not None}
    if len(given) != 1:
        raise UserError(400, "invalid_field", f"one of {' and '.join(fields)} must be given", field=fields[0])
    ((field, data),) = given.items()
    if len(data) > most:
        raise _too_large(most, (field,))
    return Question(read, _medium(field, data))


async def _form(incoming: Incoming, options: Options, most: int, fields: tuple[str, ...]) -> Question:
    file = bytearray()

    async def take(data: bytes) -> None:
        if len(file) + len(data) > most:
            raise _too_large(most, fields)
        file.extend(data)

    form = await read_form(incoming, fields, take)
    given = {name: value for name, value in msgspec.structs.asdict(options).items() if value is not None}
    read = to_struct({**given, **form.fields}, type(options), strict=False)
    return Question(read, _medium(form.name, bytes(file)))


def _check_type(media_type: str, fields: tuple[str, ...]) -> None:
    """Before all of it is read."""
    if media_type != BYTES and _field_of(media_type) not in fields:
        wanted = " or ".join({"audio": "audio/*", "image": "image/*"}[name] for name in fields)
        message = f"the body must be {wanted}, {FORM} or {JSON}"
        raise UserError(415, "unsupported_media_type", message, field="Content-Type")


def _field_of(media_type: str) -> str:
    if media_type.startswith("image/"):
        return "image"
    return "audio" if media_type.startswith("audio/") or media_type == "video/webm" else ""


def _bare(data: bytes, media_type: str, options: Options, fields: tuple[str, ...]) -> Question:
    field = _field_of(media_type)
    if media_type == BYTES:
        field = fields[0] if len(fields) == 1 else "image" if is_picture(data) else "audio"
    return Question(options, _medium(field, data))


def _medium(field: str, data: bytes) -> Medium:
    return Medium(kind="picture" if field == "image" else "sound", data=data)


async def _read_bounded(incoming: Incoming, bound: int, most: int, field: str) -> bytes:
    """All of a body of at most ``bound`` bytes; ``most`` is what people are told. UserError 413."""
    parts: list[bytes] = []
    total = 0
    async for part in incoming:
        total += len(part)
        if total > bound:
            raise _too_large(most, (field,))
        parts.append(part)
    return b"".join(parts)


async def decode_large(body: bytes, shape: type[T]) -> T:
    """`json_bodies.decode_untrusted`, which takes a moment for megabytes of base64."""
    if len(body) > _AT_ONCE_BYTES:
        return await trio.to_thread.run_sync(decode_untrusted, body, shape)
    return decode_untrusted(body, shape)


def _too_large(most: int, fields: tuple[str, ...]) -> UserError:
    return UserError(413, "payload_too_large", f"more than {most} bytes", field=" or ".join(fields))
