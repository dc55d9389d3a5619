"""Rows become what administrators read: times as texts, payloads as JSON, latencies as means."""

from __future__ import annotations

from appliance.api.admin_shapes import audit_view, plugin_view
from appliance.hooks.dispatch import PluginStatus, Statistics
from tests.support import stored_rows as rows


def test_an_audit_row_keeps_its_words_and_has_a_readable_time() -> None:
    view = audit_view(rows.audit_entry("aud_1", at_ms=1_000, detail="安"))
    assert (view.id, view.at, view.detail) == ("aud_1", "1970-01-01T00:00:01.000Z", "安")


def test_latencies_of_a_plugin_are_means_and_absent_without_calls() -> None:
    status = PluginStatus(name="mail", version="1", package="p", groups=(), state="enabled")
    assert plugin_view(status).statistics.latency_mean_ms is None
    numbers = Statistics(calls=2, succeeded=2, latency_total_s=0.5, latency_max_s=0.4)
    busy = PluginStatus(name="mail", version="1", package="p", groups=(), state="enabled", statistics=numbers)
    found = plugin_view(busy).statistics
    assert (found.latency_mean_ms, found.latency_max_ms) == (250.0, 400.0)
