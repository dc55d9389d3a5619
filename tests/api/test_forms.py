"""Forms are read piece by piece, however they are cut; what forms may not be is test_media_files'."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import cast

import pytest

from appliance.api.forms import read_form
from appliance.api.request_body import Incoming
from appliance.errors import UserError

BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"


class Given:
    """A body that arrives in pieces of one size."""

    def __init__(self, body: bytes, size: int, boundary: str = BOUNDARY) -> None:
        self.boundary = boundary
        self._pieces = iter([body[at : at + size] for at in range(0, len(body), size)])

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


def body(content: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="meeting_id"\r\n\r\nmtg_ä\r\n'
    head += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a \\"b\\".png"\r\n'
    head += "Content-Type: image/png\r\n\r\n"
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


async def read(raw: bytes, size: int) -> tuple[str, dict[str, str], bytes]:
    received = bytearray()

    async def write(data: bytes) -> None:
        received.extend(data)

    form = await read_form(cast(Incoming, Given(raw, size)), "file", write)
    return form.filename, form.fields, bytes(received)


CONTENTS = [b"", b"\r\n", b"--", b"\r\n--", f"\r\n--{BOUNDARY[:-1]}".encode(), b"\r\n" * 5000, os.urandom(100_000)]


@pytest.mark.parametrize("content", CONTENTS, ids=range(len(CONTENTS)))
@pytest.mark.parametrize("size", [1, 7, 65_536])
async def test_the_files_bytes_are_those_that_were_sent(content: bytes, size: int) -> None:
    raw = body(content[:3000] if size == 1 else content)
    filename, fields, received = await read(raw, size)
    assert received == (content[:3000] if size == 1 else content)
    assert (filename, fields) == ('a "b".png', {"meeting_id": "mtg_ä"})


async def test_a_body_may_be_cut_in_two_anywhere() -> None:
    raw = body(b"notes\r\n--")
    for at in range(1, len(raw)):
        given = Given(raw, len(raw))
        given._pieces = iter([raw[:at], raw[at:]])
        received = bytearray()

        async def write(data: bytes, received: bytearray = received) -> None:
            received.extend(data)

        await read_form(cast(Incoming, given), "file", write)
        assert received == b"notes\r\n--"


async def test_a_form_that_is_cut_anywhere_is_refused() -> None:
    raw = body(b"notes")
    for end in range(len(raw) - 4):
        with pytest.raises(UserError) as caught:
            await read(raw[:end], 50)
        assert caught.value.status == 400


async def test_headers_do_not_grow_for_ever() -> None:
    raw = f"--{BOUNDARY}\r\n".encode() + b"X-A: " + b"x" * 5_000_000
    with pytest.raises(UserError, match="bytes of headers"):
        await read(raw, 65_536)


async def test_what_taking_a_piece_raises_ends_the_reading() -> None:
    async def refuse(data: bytes) -> None:
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        await read_form(cast(Incoming, Given(body(b"x" * 100_000), 1000)), "file", refuse)
