"""Times are written as people of each language and zone read them; texts of people are tamed."""

from __future__ import annotations

import msgspec
import pytest
from parley_email.words import WORDS, Words, header_text, one_line, paragraphs, plain, time_span, web_address

# 31 December 2026, 23:30 UTC.
LATE_MS = 1_798_759_800_000
HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("zone", "locale", "text"),
    [
        ("UTC", "en", "Thursday, 31 December 2026, 23:30–Friday, 1 January 2027 00:30 (UTC)"),
        ("America/New_York", "en", "Thursday, 31 December 2026, 18:30–19:30 (America/New_York)"),
        ("Asia/Shanghai", "zh-CN", "2027年1月1日 星期五 07:30–08:30（Asia/Shanghai）"),
        ("Mars/Olympus", "en", "Thursday, 31 December 2026, 23:30–Friday, 1 January 2027 00:30 (UTC)"),
        ("../../etc/passwd", "zh-CN", "2026年12月31日 星期四 23:30–2027年1月1日 星期五 00:30（UTC）"),
        ("America", "en", "Thursday, 31 December 2026, 23:30–Friday, 1 January 2027 00:30 (UTC)"),
    ],
)
def test_times(zone: str, locale: str, text: str) -> None:
    assert time_span(LATE_MS, LATE_MS + HOUR_MS, zone, locale) == text  # type: ignore[arg-type]


def test_every_language_has_every_word() -> None:
    for words in WORDS.values():
        for name in Words.__struct_fields__:
            assert getattr(words, name), name
        assert "{name}" in words.greeting and "{host}" in words.footer
    assert msgspec.structs.asdict(WORDS["en"]).keys() == msgspec.structs.asdict(WORDS["zh-CN"]).keys()


def test_headers_begin_no_encoded_words() -> None:
    assert header_text("=?utf-8?q?=0D=0A?=") == "= ?utf-8?q?=0D=0A?="


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "//x", "https://x y", "https://x\r\n", "https://bü.cher", "ftp://x", None]
)
def test_links_lead_to_pages_only(url: str | None) -> None:
    assert web_address(url) is None
    assert web_address("https://x/" + "a" * 500) is not None


def test_lines_and_paragraphs() -> None:
    assert one_line(" a\r\n\tb\u2029c\x07 ") == "a b c"
    assert len(one_line("x" * 10_000)) == 200
    assert plain("a\r\nb\rc\x00") == "a\nb\nc"
    assert paragraphs("one\nmore\r\n\r\n  \n two ") == ["one\nmore", "two"]
