"""What is kept of what was found."""

from __future__ import annotations

from appliance.live.camera import Suspected
from appliance.live.findings import Accusation
from appliance.live.vision_rows import OpenSpan, alert_row, alert_told, span_row, span_told


def test_a_span_never_ends_before_it_began() -> None:
    span = OpenSpan("Ann", "happy", 0.71234, 1000, "emotion")
    row = span_row(span, "mtg_1", "prt_1", 3000)
    assert (row.start_ms, row.end_ms, row.label, row.name) == (1000, 3000, "happy", "Ann")
    assert span_row(span, "mtg_1", "prt_1", 900).end_ms == 1000
    told = span_told(span, row)
    assert (told.result_id, told.emotion, told.score, told.model) == (row.id, "happy", 0.712, "emotion")


def test_an_alert_names_its_model_and_where_the_face_is() -> None:
    found = Suspected(Accusation(kind="face_spoof", score=0.91239, box=(1, 2, 3, 4)), "face-spoof", 5000, b"jpeg")
    row = alert_row(found, "mtg_1", "prt_1", "Ann")
    assert (row.kind, row.score, row.model) == ("face_spoof", 0.912, "face-spoof")
    assert (row.box, row.at_ms) == ((1, 2, 3, 4), 5000)
    assert row.has_evidence
    told = alert_told(row)
    assert told.alert and (told.kind, told.result_id, told.score) == ("face", row.id, 0.912)
