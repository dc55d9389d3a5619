"""Byte-level tokens, on a vocabulary small enough to read."""

import json
from pathlib import Path

import pytest

from appliance.ai.speech.byte_pairs import BytePairs


def vocabulary(tmp_path: Path, **changes: object) -> Path:
    path = tmp_path / "tokenizer.json"
    document = {
        "model": {
            "vocab": {"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġab": 4, "å": 5, "¥": 6, "½": 7},
            "merges": ["a b", ["Ġ", "ab"]],
        },
        "added_tokens": [{"content": "<|end|>", "id": 9}],
    }
    path.write_text(json.dumps(document | changes))
    return path


def test_pairs_are_merged_in_the_order_of_training(tmp_path: Path) -> None:
    pairs = BytePairs(vocabulary(tmp_path))
    assert pairs.encode_word("ab") == [3]
    assert pairs.encode_word(" ab") == [4]
    assert pairs.encode_word("ba") == [1, 0]
    assert pairs.decode([4, 9, 3]) == " abab"


def test_characters_are_made_of_bytes(tmp_path: Path) -> None:
    pairs = BytePairs(vocabulary(tmp_path))
    assert pairs.encode_word("好") == [5, 6, 7]
    assert pairs.decode([5, 6, 7]) == "好"
    assert pairs.decode([5, 6]) == "\N{REPLACEMENT CHARACTER}"


def test_special_tokens_have_no_text(tmp_path: Path) -> None:
    pairs = BytePairs(vocabulary(tmp_path))
    assert pairs.special("<|end|>") == 9
    assert pairs.special_tokens() == {"<|end|>": 9}
    assert pairs.decode([9]) == ""
    with pytest.raises(ValueError, match=r"no <\|zh\|>"):
        pairs.special("<|zh|>")


@pytest.mark.parametrize("changes", [{"model": 1}, {"model": {}}, {"added_tokens": [1]}])
def test_another_file_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a byte-pair vocabulary"):
        BytePairs(vocabulary(tmp_path, **changes))
