"""Text of many scripts is drawn; what no font has is said."""

from __future__ import annotations

import pytest

from appliance.recorder.typeface import Typeface, clean


@pytest.fixture(scope="module")
def face() -> Typeface:
    return Typeface(20)


@pytest.mark.parametrize(
    "text",
    [
        "Ann",
        "Łukasz Żółć",
        "Nguyễn Thị",
        "Дмитрий",
        "Γιώργος",
        "李雷和韩梅梅",
        "अनन्या",
        "محمد",
        "אבי",
        "สมชาย",
        "歐陽龍",
        "さくら",
        "Ann 李雷",
    ],
)
def test_names_are_drawn(face: Typeface, text: str) -> None:
    mask = face.mask(text, 1000)
    assert mask.width > 5 * len(text)
    assert mask.getextrema()[1] > 200
    assert not face.missing & set(text)


def test_different_characters_look_different(face: Typeface) -> None:
    masks = {face.mask(character, 100).tobytes() for character in "李雷韩梅王伟芳娜敏静"}
    assert len(masks) == 10


def test_what_nobody_has_is_remembered_and_takes_a_place() -> None:
    face = Typeface(20)
    assert face.mask("a𒀀b", 1000).width > face.mask("ab", 1000).width  # cuneiform
    assert face.missing == {"𒀀"}


def test_long_text_is_cut(face: Typeface) -> None:
    assert face.mask("Bartholomew " * 20, 150).width <= 150
    assert face.mask("Bartholomew", 1).width >= 1
    assert face.mask("", 100).width == 1


def test_nothing_moves_other_text() -> None:
    assert clean("  a\n\tb\x00\u200bc \ud800") == "ab\u200bc"
