"""A journal is read back whatever happened to it: damage costs the records that it hit."""

from __future__ import annotations

import io
import random

import pytest

from appliance.recorder.journal import (
    AFTER_LOSS,
    KEY_FRAME,
    MAX_PAYLOAD,
    Codec,
    Kind,
    Record,
    encode,
    encode_note,
    scan,
)


def _records(count: int, seed: int = 1) -> list[Record]:
    chance = random.Random(seed)
    return [
        Record(
            kind=Kind.FRAME,
            codec=Codec.VP8,
            flags=KEY_FRAME if n % 10 == 0 else AFTER_LOSS,
            layer=n % 3,
            generation=n // 50,
            at_us=1_700_000_000_000_000 + n,
            rtp=-5 + 3000 * n,
            clock_rate=90_000,
            payload=chance.randbytes(chance.choice((0, 1, 40, 1200, 70_000))),
        )
        for n in range(count)
    ]


def _bare(records: list[Record]) -> list[tuple[int, bytes]]:
    return [(record.at_us, record.payload) for record in records]


def test_what_was_written_is_read() -> None:
    written = _records(100)
    data = b"".join(map(encode, written))
    read = list(scan(io.BytesIO(data)))
    assert _bare(read) == _bare(written)
    assert read[-1].end == len(data)
    assert (read[0].flags, read[1].flags, read[1].layer, read[99].generation) == (KEY_FRAME, AFTER_LOSS, 1, 1)
    assert (read[0].rtp, read[0].clock_rate, read[0].codec, read[0].kind) == (-5, 90_000, Codec.VP8, Kind.FRAME)


def test_the_longest_payload_fits_and_a_longer_one_is_damage() -> None:
    longest = Record(kind=Kind.FRAME, at_us=1, payload=bytes(MAX_PAYLOAD))
    longer = Record(kind=Kind.FRAME, at_us=2, payload=bytes(MAX_PAYLOAD + 1))
    after = Record(kind=Kind.FRAME, at_us=3, payload=b"x")
    data = encode(longest) + encode(longer) + encode(after)
    assert [record.at_us for record in scan(io.BytesIO(data))] == [1, 3]


@pytest.mark.parametrize("seed", range(20))
def test_a_flipped_bit_costs_one_record(seed: int) -> None:
    written = _records(30, seed)
    pieces = [encode(record) for record in written]
    data = bytearray(b"".join(pieces))
    at = random.Random(seed).randrange(len(data))
    data[at] ^= 1 << seed % 8
    hit, start = 0, 0
    for number, piece in enumerate(pieces):
        if start <= at < start + len(piece):
            hit = number
        start += len(piece)
    assert _bare(list(scan(io.BytesIO(data)))) == _bare(written[:hit] + written[hit + 1 :])


def test_a_torn_end_costs_the_last_record() -> None:
    written = _records(5)
    data = b"".join(map(encode, written))
    last = len(encode(written[-1]))
    for cut in {1, min(39, last - 1), last - 1}:
        assert _bare(list(scan(io.BytesIO(data[:-cut])))) == _bare(written[:-1])


def test_rubbish_holds_nothing() -> None:
    chance = random.Random(3)
    assert list(scan(io.BytesIO(b""))) == []
    assert list(scan(io.BytesIO(chance.randbytes(300_000)))) == []
    assert list(scan(io.BytesIO(b"PRJ1" * 10_000))) == []


def test_zeros_of_a_file_that_was_never_synced_are_passed_over() -> None:
    written = _records(2)
    data = encode(written[0]) + bytes(20_000_000) + encode(written[1])
    assert _bare(list(scan(io.BytesIO(data)))) == _bare(written)


def test_a_note_is_a_record() -> None:
    (record,) = scan(io.BytesIO(encode_note(7, b"{}")))
    assert (record.kind, record.at_us, record.payload) == (Kind.NOTE, 7, b"{}")
