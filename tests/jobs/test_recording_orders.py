"""Orders about a recording: its files, and their end."""

from __future__ import annotations

import msgspec

from appliance.jobs.recording_orders import (
    RECORDING_PROCESS,
    RECORDING_REMOVE,
    Processing,
    Removal,
    process_key,
    process_order,
    remove_order,
)


def test_each_run_is_one_job_of_the_node_that_has_the_journals() -> None:
    order = process_order(recording_id="rec_r", meeting_id="mtg_m", node="node_a", now_ms=1000)
    assert (order.type, order.node, order.meeting_id) == ("meeting.recording_process", "node_a", "mtg_m")
    assert order.idempotency_key == process_key("rec_r", 1) == "rec_r:1"
    payload = msgspec.json.decode(order.payload, type=RECORDING_PROCESS.payload)
    assert payload == Processing(recording_id="rec_r", run=1)
    again = process_order(recording_id="rec_r", meeting_id="mtg_m", node="node_a", now_ms=2000, run=2, height=360)
    assert again.idempotency_key == process_key("rec_r", 2) != order.idempotency_key
    assert msgspec.json.decode(again.payload, type=Processing).height == 360


def test_a_recording_is_removed_once_by_anybody_and_then_where_its_journals_are() -> None:
    order = remove_order(recording_id="rec_r", meeting_id="mtg_m", now_ms=1000)
    assert (order.type, order.idempotency_key, order.node) == (RECORDING_REMOVE.name, "rec_r", None)
    assert msgspec.json.decode(order.payload, type=Removal) == Removal(recording_id="rec_r")
    rest = remove_order(recording_id="rec_r", meeting_id="mtg_m", now_ms=1000, node="node_a")
    assert (rest.idempotency_key, rest.node) == ("rec_r:node_a", "node_a")
    assert remove_order(recording_id="rec_r", meeting_id="mtg_m", now_ms=1, again=7).idempotency_key == "rec_r:7"


def test_it_gives_way_and_is_patient() -> None:
    assert RECORDING_PROCESS.priority == "low" and RECORDING_PROCESS.deadline_s > 12 * 3600
