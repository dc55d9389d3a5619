"""Handshake fragments that would have OpenSSL set much aside are refused, all others pass."""

from __future__ import annotations

import random

import pytest

from appliance.webrtc.dtls_fragments import MAX_MESSAGE_BYTES, is_bounded_untrusted
from tests.support.dtls_link import fragment, record


@pytest.mark.parametrize(
    ("datagram", "bounded"),
    [
        (fragment(0, total=500, offset=100, body=bytes(200)), True),
        (fragment(0, total=MAX_MESSAGE_BYTES, offset=0, body=b""), True),
        (fragment(0, total=MAX_MESSAGE_BYTES + 1, offset=0, body=b""), False),
        (fragment(3, total=2**24 - 1, offset=2**24 - 2, body=b"x"), False),
        (fragment(0, total=100, offset=99, body=b"xx"), False),
        (fragment(0, total=0, offset=0, body=b""), True),
        # behind another fragment of the record, behind another record
        (record(fragment(0, total=5, body=bytes(5))[13:] + fragment(1, total=9000)[13:]), False),
        (record(b"\1", kind=20) + fragment(1, total=9000), False),
        # encrypted; no handshake; no record; cut off
        (record(fragment(0, total=9000)[13:], epoch=1), True),
        (record(fragment(0, total=9000)[13:], kind=23), True),
        (b"\x16" + bytes(300), True),
        (fragment(0, total=9000)[:20], True),
        (b"", True),
    ],
)
def test_a_message_has_a_longest_length(datagram: bytes, bounded: bool) -> None:
    assert is_bounded_untrusted(datagram) is bounded


def test_any_bytes_are_looked_at_once() -> None:
    chance = random.Random(7)
    for _ in range(500):
        start = fragment(chance.randrange(4), total=chance.randrange(9000), body=chance.randbytes(chance.randrange(60)))
        datagram = bytearray(start * chance.randrange(1, 4))
        for _ in range(chance.randrange(6)):
            datagram[chance.randrange(len(datagram))] = chance.randrange(256)
        is_bounded_untrusted(bytes(datagram[: chance.randrange(len(datagram) + 1)]))
