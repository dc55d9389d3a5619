"""Times on the wire."""

from __future__ import annotations

from datetime import datetime

import pytest

from appliance.api.times import to_ms, to_text, to_text_or_none
from appliance.errors import UserError


def test_milliseconds_to_text_and_back() -> None:
    assert to_text(0) == "1970-01-01T00:00:00.000Z"
    assert to_text(1_900_000_000_123) == "2030-03-17T17:46:40.123Z"
    assert to_text_or_none(None) is None and to_text_or_none(1) == "1970-01-01T00:00:00.001Z"
    assert to_ms(datetime.fromisoformat("2030-03-17T18:46:40.123456+01:00"), "t") == 1_900_000_000_123


def test_before_1970_is_refused() -> None:
    with pytest.raises(UserError, match="start_time lies before 1970") as caught:
        to_ms(datetime.fromisoformat("1969-12-31T23:59:59Z"), "start_time")
    assert caught.value.field == "start_time"
    assert to_ms(datetime.fromisoformat("9999-12-31T23:59:59Z"), "t") == 253_402_300_799_000
