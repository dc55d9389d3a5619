"""A form with one file (multipart/form-data, RFC 7578), read as it comes.

Owns the form's frame: which part is the file, which are fields, and that it is whole. Refuses to hold the file: its
bytes are handed on piece by piece. No name and no type that a part says decides anything.

Rejected: werkzeug's decoder. A body that the network cuts right behind a boundary gets bytes of that boundary added to
its file (werkzeug 3.1.9; a test here cuts at every byte).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec
from werkzeug.http import parse_options_header

from appliance.api.request_body import Incoming
from appliance.errors import UserError

# RFC 2046 §5.1.1: a boundary has at most 70 characters.
_BOUNDARY_MAX = 70
# The headers of one part: a browser sends two lines.
_HEADERS_BYTES = 8192
_MAX_PARTS = 20
# Fields are ids and names.
_FIELD_BYTES = 4096


class Form(msgspec.Struct, frozen=True):
    """What came beside the file's bytes."""

    filename: str
    fields: dict[str, str]
    name: str
    """Of the file's field."""


async def read_form(
    incoming: Incoming, names: str | tuple[str, ...], write: Callable[[bytes], Awaitable[None]]
) -> Form:
    """Read to the end. ``write`` takes the file's bytes, in order; what it raises ends the reading.

    UserError 400 ``invalid_form`` for a body that is none or was cut short; ``invalid_field`` unless there is one file,
    and its field is called as one of ``names``.
    """
    if not incoming.boundary.isascii() or not 0 < len(incoming.boundary) <= _BOUNDARY_MAX:
        raise UserError(400, "invalid_form", "the header Content-Type has no boundary", field="Content-Type")
    decoder = FormDecoder(incoming.boundary.encode(), *([names] if isinstance(names, str) else names))
    async for piece in incoming:
        for data in decoder.feed(piece):
            await write(data)
    return decoder.finish()


class FormDecoder:
    """Bytes in, bytes of the file out; pure."""

    def __init__(self, boundary: bytes, *names: str) -> None:
        """``names``: that the file's field may have."""
        self._names = names
        self._told = " or ".join(names)
        self._name = names[0]
        """Of the file's field; of the first where there is none yet."""
        self._delimiter = b"\r\n--" + boundary
        # The first delimiter has no line break before it; one is put there.
        self._buffer = bytearray(b"\r\n")
        self._state: Literal["preamble", "headers", "data", "end"] = "preamble"
        self._at_start = False
        """The line break behind a part's headers is still in the buffer."""
        self._parts = 0
        self._field: str | None = None
        """Whose value comes; None: the file's."""
        self._filename: str | None = None
        self._values: dict[str, bytearray] = {}

    def feed(self, piece: bytes) -> list[bytes]:
        """The file's bytes in a piece of the body. UserError 400."""
        self._buffer += piece
        found: list[bytes] = []
        while self._step(found):
            pass
        return found

    def finish(self) -> Form:
        """The body has ended. UserError 400."""
        if self._state != "end":
            raise _invalid("was cut short" if self._parts else "is none")
        if self._filename is None:
            raise UserError(400, "invalid_field", f"the form has no file named {self._told}", field=self._name)
        values = {name: bytes(value).decode("utf-8", "replace") for name, value in self._values.items()}
        return Form(self._filename, {name: value.replace("\0", "") for name, value in values.items()}, self._name)

    def _step(self, found: list[bytes]) -> bool:
        """Take one thing off the buffer; False when more must come first."""
        match self._state:
            case "preamble":
                if len(self._buffer) < len(self._delimiter):
                    return False
                if not self._buffer.startswith(self._delimiter):
                    raise _invalid("does not begin with its boundary")
                return self._take_delimiter()
            case "headers":
                return self._take_headers()
            case "data":
                return self._take_data(found)
            case "end":
                self._buffer.clear()  # RFC 2046 §5.1.1: what follows is to be ignored
                return False

    def _take_delimiter(self) -> bool:
        """The buffer begins with the delimiter; what follows says whether another part does."""
        end = len(self._delimiter) + 2
        if len(self._buffer) < end:
            return False
        follows = bytes(self._buffer[end - 2 : end])
        if follows not in (b"\r\n", b"--"):
            raise _invalid("has something behind a boundary")
        del self._buffer[:end]
        self._state = "headers" if follows == b"\r\n" else "end"
        return True

    def _take_headers(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n", 0, _HEADERS_BYTES)
        if end < 0:
            if len(self._buffer) >= _HEADERS_BYTES:
                raise _invalid(f"has a part with more than {_HEADERS_BYTES} bytes of headers")
            return False
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise _invalid(f"has more than {_MAX_PARTS} parts")
        self._begin(bytes(self._buffer[:end]))
        # The second line break stays: where a part is empty, its delimiter begins with it.
        del self._buffer[: end + 2]
        self._state, self._at_start = "data", True
        return True

    def _begin(self, headers: bytes) -> None:
        disposition = ""
        for line in headers.decode("utf-8", "replace").split("\r\n"):
            key, _, value = line.partition(":")
            if key.strip().lower() == "content-disposition":
                disposition = value.strip()
        kind, options = parse_options_header(disposition)
        field, filename = options.get("name"), options.get("filename")
        if kind != "form-data" or field is None:
            raise _invalid("has a part without a name")
        if filename is None:
            if field in self._values:
                raise UserError(400, "invalid_field", "the form has the field twice", field=field[:64])
            self._field, self._values[field] = field, bytearray()
            return
        if field not in self._names:
            raise UserError(400, "invalid_field", f"the form's file must be named {self._told}", field=self._name)
        if self._filename is not None:
            raise UserError(400, "invalid_field", "the form has more than one file", field=self._name)
        self._field, self._name, self._filename = None, field, filename

    def _take_data(self, found: list[bytes]) -> bool:
        if self._at_start:
            if len(self._buffer) < len(self._delimiter):
                return False
            if not self._buffer.startswith(self._delimiter):
                del self._buffer[:2]
            self._at_start = False
        end = self._buffer.find(self._delimiter)
        ended = end >= 0
        if not ended:
            # All but what could be the beginning of a delimiter.
            end = max(0, len(self._buffer) - len(self._delimiter) + 1)
        if end > 0:
            self._keep(bytes(self._buffer[:end]), found)
            del self._buffer[:end]
        return ended and self._take_delimiter()

    def _keep(self, data: bytes, found: list[bytes]) -> None:
        if self._field is None:
            found.append(data)
            return
        value = self._values[self._field]
        value += data
        if len(value) > _FIELD_BYTES:
            message = f"the field has more than {_FIELD_BYTES} bytes"
            raise UserError(400, "invalid_field", message, field=self._field[:64])


def _invalid(how: str) -> UserError:
    return UserError(400, "invalid_form", f"the form {how}")
