"""A chain holds as it was made; whatever is changed, removed or put in between shows at its place."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from appliance.store.audit_chain import BEGINNING, Broken, check, seal_of


@dataclass(frozen=True)
class Row:
    seq: int
    seal: str
    text: bytes


def chain(count: int) -> list[Row]:
    rows: list[Row] = []
    before = BEGINNING
    for seq in range(1, count + 1):
        text = f"row {seq}".encode()
        before = seal_of(before, seq, text)
        rows.append(Row(seq, before, text))
    return rows


def test_a_chain_holds_whole_and_in_parts() -> None:
    rows = chain(5)
    assert check(rows) == (5, rows[-1].seal)
    assert check(rows[2:], after_seq=2, before=rows[1].seal) == (5, rows[-1].seal)
    assert check([]) == (0, BEGINNING)
    assert len(rows[0].seal) == 64


@pytest.mark.parametrize(
    ("rows", "seq", "word"),
    [
        ([*chain(2), replace(chain(3)[2], text=b"other")], 3, "sealed"),
        ([chain(1)[0], *chain(3)[2:]], 2, "missing"),
        (chain(3)[1:], 1, "missing"),
        ([*chain(2), Row(3, seal_of(BEGINNING, 3, b"forged"), b"forged")], 3, "sealed"),
        ([chain(2)[0], replace(chain(2)[1], seq=1)], 2, "missing"),
    ],
)
def test_what_was_altered_shows(rows: list[Row], seq: int, word: str) -> None:
    found = check(rows)
    assert isinstance(found, Broken) and found.seq == seq and word in found.reason
