"""What answers about transcripts hold."""

from __future__ import annotations

from msgspec import structs

from appliance.api.transcript_shapes import found_segment_view, segment_view
from appliance.store.transcripts import FoundSegment, Segment


def test_times_are_texts_and_a_found_phrase_names_its_meeting() -> None:
    segment = Segment(
        id="cap_1", meeting_id="mtg_1", participant_id="prt_1", name="Ann", start_ms=1500, end_ms=2500, text="hi",
        language="en",
    )  # fmt: skip
    view = segment_view(segment)
    assert (view.start_time, view.end_time) == ("1970-01-01T00:00:01.500Z", "1970-01-01T00:00:02.500Z")
    found = found_segment_view(FoundSegment(**structs.asdict(segment), code="abc", title="Monday"))
    assert (found.meeting_id, found.meeting_code, found.meeting_title) == ("mtg_1", "abc", "Monday")
    shared = {name: getattr(found, name) for name in view.__struct_fields__}
    assert shared == structs.asdict(view)
