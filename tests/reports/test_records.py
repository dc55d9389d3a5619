"""A report is kept as JSON and read again, also one of an older version."""

from __future__ import annotations

import msgspec
import pytest

from appliance.reports.extractive import extractive
from appliance.reports.records import Report, decode, encode
from tests.support.said import REVIEW


def test_what_is_kept_is_what_was_made() -> None:
    report = extractive(REVIEW, [])
    assert decode(encode(report)) == report


def test_an_older_report_is_read_and_rubbish_is_not() -> None:
    older = '{"method":"extractive","begins_at_ms":1,"ends_at_ms":2,"phrases":3}'
    assert decode(older) == Report(method="extractive", begins_at_ms=1, ends_at_ms=2, phrases=3)
    with pytest.raises(msgspec.ValidationError):
        decode('{"method":"guessed","begins_at_ms":1,"ends_at_ms":2,"phrases":3}')
