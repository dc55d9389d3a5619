"""Byte-level byte-pair tokens, as GPT-2 and Whisper use them. Pure.

Owns reading a ``tokenizer.json`` and the way between tokens and text. Rejected: the package ``tokenizers``, 20 MB with
what it brings along, for a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec


def _byte_characters() -> dict[str, int]:
    """GPT-2's printable character for each byte."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    table = {chr(byte): byte for byte in printable}
    table.update({chr(256 + n): byte for n, byte in enumerate(b for b in range(256) if b not in printable)})
    return table


_BYTE_OF = _byte_characters()
_CHARACTER_OF = {byte: character for character, byte in _BYTE_OF.items()}


class BytePairs:
    """A vocabulary. Special tokens (``<|zh|>``) have ids and no text."""

    def __init__(self, path: Path) -> None:
        """ValueError when the file is not a byte-pair ``tokenizer.json``."""
        try:
            document: dict[str, Any] = msgspec.json.decode(path.read_bytes())
            model = document["model"]
            vocabulary: dict[str, int] = model["vocab"]
            merges = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in model["merges"]]
            special: dict[str, int] = {token["content"]: token["id"] for token in document["added_tokens"]}
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path.name}: not a byte-pair vocabulary: {error}") from None
        self._ids = vocabulary
        self._special = special
        self._ranks = {merge: rank for rank, merge in enumerate(merges)}
        self._bytes = {
            number: bytes(_BYTE_OF[c] for c in token)
            for token, number in vocabulary.items()
            if token not in special and all(c in _BYTE_OF for c in token)
        }

    def special(self, token: str) -> int:
        """The id of a special token. ValueError when there is none."""
        if token not in self._special:
            raise ValueError(f"the vocabulary has no {token}")
        return self._special[token]

    def special_tokens(self) -> dict[str, int]:
        """All of them."""
        return dict(self._special)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text; special tokens are left out, bytes that are no UTF-8 become U+FFFD."""
        return b"".join(self._bytes.get(token, b"") for token in tokens).decode("utf-8", "replace")

    def encode_word(self, word: str) -> list[int]:
        """Tokens of a text that is taken as one word: the pairs that were merged first in training are merged first."""
        parts = [_CHARACTER_OF[byte] for byte in word.encode()]
        while len(parts) > 1:
            pairs = [(self._ranks.get((a, b)), n) for n, (a, b) in enumerate(pairwise(parts))]
            ranked = [(rank, n) for rank, n in pairs if rank is not None]
            if not ranked:
                break
            _, at = min(ranked)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return [self._ids[part] for part in parts]
