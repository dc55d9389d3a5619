"""The data plane's numbers as structs."""

from __future__ import annotations

import msgspec
import pytest

from appliance.sfu.readings import SessionReading, decode, quality

SNAPSHOT = b"""{"workers": [{"worker": 0, "port": 8801, "packets_in": 1, "packets_out": 2, "bytes_in": 3,
"bytes_out": 4, "stun_in": 5, "stun_rejected": 0, "junk": 0, "policed": 0, "srtp_errors": 0, "replayed": 0,
"unknown_ids": 0, "sessions": 1, "rooms": 1, "send_drops": 0, "cpu_s": 0.25, "of_tomorrow": 1}],
"sessions": [{"session": 7, "connected": true, "address": "127.0.0.1:5", "transport": "udp", "rtt_ms": 12.6,
"uplink_loss": 0.5, "downlink_loss": 0.0}],
"producers": [{"producer": 9, "layers": [{"rid": "q", "ssrc": 5, "packets": 1, "bytes": 2, "bitrate_bps": 3,
"lost": 0, "flowing": true}]}],
"consumers": [{"consumer": 11, "producer": null, "layer": null, "packets": 0, "bytes": 0, "bitrate_bps": 0,
"rtx": 0}]}"""


def test_a_snapshot_is_read() -> None:
    read = decode(SNAPSHOT)
    assert read.workers[0].cpu_s == 0.25
    assert read.sessions[0].rtt_ms == 12.6
    assert read.producers[0].layers[0].flowing
    assert read.consumers[0].producer is None


def test_a_snapshot_of_another_shape_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(b'{"workers": []}')


def test_quality_is_of_the_newest_reading() -> None:
    measured = quality(decode(SNAPSHOT).sessions[0], connected=True)
    assert (measured.rtt_ms, measured.uplink_loss, measured.connected) == (13, 0.5, True)
    assert quality(SessionReading(session=1, connected=True, uplink_loss=-0.1), connected=True).uplink_loss == 0.0
    unknown = quality(None, connected=False)
    assert (unknown.rtt_ms, unknown.uplink_loss, unknown.connected) == (None, 0.0, False)
