"""Text is cut into sentences and words that count, in English and Chinese."""

from __future__ import annotations

import pytest

from appliance.reports.sentences import is_cjk, length, sentences, terms


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("  \n ", []),
        ("No stop", ["No stop"]),
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Dr. Smith has 3.5 hours. Yes.", ["Dr. Smith has 3.5 hours.", "Yes."]),
        ("As e.g. Ben says. J. Miller came.", ["As e.g. Ben says.", "J. Miller came."]),
        ("He said “stop.” Then he left.", ["He said “stop.”", "Then he left."]),
        ("早上好！图纸改好了。“好的。”请看", ["早上好！", "图纸改好了。", "“好的。”", "请看"]),
        ("We ship it. 好的。Fine", ["We ship it.", "好的。", "Fine"]),
    ],
)
def test_sentences_end_where_they_end(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


def test_words_that_say_nothing_are_left_out() -> None:
    assert terms("Yeah, I think the Drawings are Ben’s drawings, isn't it?") == ["drawings", "ben", "drawings"]
    assert terms("是的，我们的图纸已经改好了") == ["图纸", "纸已", "经改", "改好"]
    assert terms("发给Ben看") == ["发给", "ben"]
    assert terms("") == []


def test_length_is_in_words_and_half_of_it_in_characters() -> None:
    assert length("The stairs are wide.") == 4
    assert length("楼梯很宽。") == 2
    assert is_cjk("ok 好") and not is_cjk("ok")
