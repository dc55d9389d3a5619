"""Every kind has its words in both languages; times are in somebody's own zone."""

from __future__ import annotations

import re

import pytest

from appliance.reactions.words import _WORDS, KINDS, known_zone, length_text, text, time_text, when

VALUES = {
    name: f"<{name}>"
    for name in (
        *("username", "address", "agent", "time", "title", "organizer", "when", "code"),
        *("length", "reason", "name"),
    )
}


@pytest.mark.parametrize("kind", KINDS)
def test_both_languages_say_the_same_things(kind: str) -> None:
    assert set(_WORDS[kind]) == {"en", "zh-CN"}
    names = [set(re.findall(r"\{(\w+)\}", "".join(words))) for words in _WORDS[kind].values()]
    assert names[0] == names[1] <= VALUES.keys()
    english, chinese = text(kind, "en", **VALUES), text(kind, "zh-CN", **VALUES)
    assert english != chinese and "{" not in "".join(english + chinese)
    assert "\n" not in english.title + chinese.title
    assert bool(english.url_label) == bool(chinese.url_label)


def test_every_text_is_of_a_kind() -> None:
    assert set(_WORDS) == set(KINDS)


def test_what_people_typed_is_not_a_pattern() -> None:
    assert text("meeting.cancelled", "en", title="{0}{title}", when="").title == "Cancelled: {0}{title}"


def test_times_are_in_the_readers_zone() -> None:
    at_ms = 1_893_492_000_000  # 2030-01-01T10:00:00Z
    assert time_text(at_ms, "Asia/Shanghai", "zh-CN") == "2030年1月1日 18:00（Asia/Shanghai）"
    assert time_text(at_ms, "Europe/Berlin", "en") == "2030-01-01 11:00 (Europe/Berlin)"
    assert time_text(at_ms, "Nowhere/Land", "en") == "2030-01-01 10:00 (UTC)"
    assert when(None, "UTC", "en") == "" and when(at_ms, "UTC", "en") == ", 2030-01-01 10:00 (UTC)"


def test_lengths_are_as_on_a_player() -> None:
    assert [length_text(ms) for ms in (0, 7400, 247_000, 3_900_000, 36_061_000)] == [
        *("0:00", "0:07", "4:07", "1:05:00", "10:01:01"),
    ]


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "Europe", "x\x00y"])
def test_a_zone_that_is_none_is_utc(name: str) -> None:
    assert known_zone(name) == "UTC"
