"""Rows of what was found, as answers hold them."""

from __future__ import annotations

import msgspec

from appliance.api.vision_shapes import alert_view, emotions_views
from tests.store.test_vision import ALERT, SPAN


def test_an_alert_says_when_and_where() -> None:
    view = alert_view(ALERT)
    assert (view.id, view.at, view.box, view.has_evidence) == ("alt_1", "1970-01-01T00:00:01.000Z", ALERT.box, True)


def test_expressions_are_of_each_person_with_their_shares() -> None:
    sad = msgspec.structs.replace(SPAN, id="emo_2", label="sad", start_ms=4000, end_ms=10_000)
    ben = msgspec.structs.replace(SPAN, id="emo_3", participant_id="prt_2", name="Ben", start_ms=5000, end_ms=5000)
    first, second = emotions_views([SPAN, sad, ben])
    assert (first.name, first.spans) == ("Ann", [(1000, 3000, "happy"), (4000, 10_000, "sad")])
    assert first.shares == {"happy": 0.25, "sad": 0.75}
    assert (second.name, second.shares) == ("Ben", {})
    assert emotions_views([]) == []
