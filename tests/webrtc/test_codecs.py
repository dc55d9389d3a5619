"""Which payload types are taken, and under which names."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.webrtc.codecs import (
    AV1,
    H264,
    H264_CONSTRAINED_HIGH,
    H264_HIGH,
    H264_MAIN,
    OPUS,
    RED,
    VP8,
    VP9,
    answer_parameters,
    canonical_format,
    offered_codecs,
    order_by_preference,
    session_codecs,
)
from appliance.webrtc.sdp import SdpError, Section, parse_untrusted

OFFERS = Path(__file__).parent / "offers"


def sections(name: str) -> dict[str, Section]:
    return {s.mid: s for s in parse_untrusted((OFFERS / f"{name}.sdp").read_bytes().decode()).sections}


def section(*lines: str, formats: str = "96", kind: str = "video") -> Section:
    text = f"v=0\nm={kind} 9 UDP/TLS/RTP/SAVPF {formats}\na=mid:0\n" + "".join(f"a={line}\n" for line in lines)
    return parse_untrusted(text).sections[0]


@pytest.mark.parametrize(
    ("name", "mid", "expected"),
    [
        ("chromium", "0", {OPUS: (111, None), RED: (63, None)}),
        ("chromium", "1", {VP8: (96, 97), H264: (108, 109), H264_MAIN: (116, 117), AV1: (45, 46), VP9: (98, 99)}),
        ("chromium", "3", {VP8: (96, 97), VP9: (98, 99), H264: (108, 109), H264_MAIN: (116, 117), AV1: (45, 46)}),
        ("firefox", "0", {OPUS: (109, None)}),
        ("firefox", "1", {VP8: (120, 124), VP9: (121, 125), AV1: (99, 100)}),
        ("aiortc", "0", {OPUS: (96, None)}),
        ("aiortc", "1", {VP8: (97, 98), H264: (101, 102)}),
    ],
)
def test_payload_types_of_real_clients(name: str, mid: str, expected: dict[str, tuple[int, int | None]]) -> None:
    table = session_codecs([offered_codecs(sections(name)[mid])])
    assert {f: (c.payload_type, c.rtx_payload_type) for f, c in table.items()} == expected


@pytest.mark.parametrize(
    ("name", "clock", "channels", "parameters", "expected"),
    [
        ("OPUS", 48000, 2, {}, (OPUS, 0)),
        ("opus", 48000, 1, {}, None),
        ("opus", 16000, 2, {}, None),
        ("red", 48000, 2, {"111/111": ""}, (RED, 0)),
        ("red", 48000, 2, {"111/111/111": ""}, (RED, 0)),
        ("red", 48000, 2, {"111/110": ""}, None),
        ("red", 48000, 2, {}, None),
        ("red", 90000, None, {"96/96": ""}, None),
        ("VP9", 90000, None, {}, (VP9, 0)),
        ("VP9", 90000, None, {"profile-id": "2"}, None),
        ("AV1", 90000, None, {"profile": "1"}, None),
        ("H264", 90000, None, {"packetization-mode": "1", "profile-level-id": "42E01F"}, (H264, 0)),
        ("H264", 90000, None, {"packetization-mode": "1", "profile-level-id": "42c034"}, (H264, 0)),
        ("H264", 90000, None, {"packetization-mode": "1", "profile-level-id": "42001f"}, (H264, 1)),
        ("H264", 90000, None, {"packetization-mode": "1"}, (H264, 1)),
        ("H264", 90000, None, {"packetization-mode": "1", "profile-level-id": "4de01f"}, (H264, 1)),
        ("H264", 90000, None, {"packetization-mode": "1", "profile-level-id": "4D001F"}, (H264_MAIN, 0)),
        ("H264", 90000, None, {"packetization-mode": "1", "profile-level-id": "640c1f"}, (H264_CONSTRAINED_HIGH, 0)),
        ("H264", 90000, None, {"packetization-mode": "1", "profile-level-id": "640034"}, (H264_HIGH, 0)),
        ("H264", 90000, None, {"packetization-mode": "1", "profile-level-id": "64101f"}, None),
        ("H264", 90000, None, {"packetization-mode": "1", "profile-level-id": "f4001f"}, None),
        ("H264", 90000, None, {"packetization-mode": "0", "profile-level-id": "64001f"}, None),
        ("H264", 90000, None, {"packetization-mode": "1", "profile-level-id": "42zz1f"}, None),
        ("H264", 90000, None, {"profile-level-id": "42e01f"}, None),
        ("H265", 90000, None, {}, None),
    ],
)
def test_canonical_names(
    name: str, clock: int, channels: int | None, parameters: dict[str, str], expected: tuple[str, int] | None
) -> None:
    assert canonical_format(name, clock, channels, parameters) == expected


def test_feedback_is_what_both_know_and_the_wildcard_counts() -> None:
    codec = offered_codecs(section("rtpmap:96 VP8/90000", "rtcp-fb:* nack", "rtcp-fb:96 goog-remb"))[0]
    assert codec.feedback == ("nack",)


def test_preference_orders_what_it_names_and_keeps_the_rest_behind() -> None:
    codecs = offered_codecs(sections("chromium")["1"])
    by_payload = [c for c in codecs if c.payload_type in (96, 98, 45, 108)]
    assert [c.format for c in order_by_preference(by_payload, ["av1", "vp8"])] == [AV1, VP8, H264, VP9]


def test_shared_sound_is_stereo_without_gaps() -> None:
    opus = offered_codecs(sections("firefox")["0"])[0]
    assert answer_parameters(opus, music=False) == "minptime=10;useinbandfec=1;usedtx=1"
    assert "stereo=1" in answer_parameters(opus, music=True)
    assert "usedtx" not in answer_parameters(opus, music=True)


def test_redundant_sound_goes_where_its_opus_goes() -> None:
    lines = ("rtpmap:111 opus/48000/2", "rtpmap:63 red/48000/2", "fmtp:63 111/111")
    taken = offered_codecs(section(*lines, formats="63 111", kind="audio"))
    assert [(c.format, answer_parameters(c, music=False)) for c in taken] == [
        (RED, "111/111"),
        (OPUS, "minptime=10;useinbandfec=1;usedtx=1"),
    ]
    assert offered_codecs(section(*lines, formats="63", kind="audio")) == []
    other = offered_codecs(section("rtpmap:109 opus/48000/2", formats="109", kind="audio"))
    assert list(session_codecs([other, taken])) == [OPUS]


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (section("rtpmap:96 VP8"), "rtpmap"),
        (section("rtpmap:200 VP8/90000"), "rtpmap"),
        (section("rtpmap:96 VP8/90000", "fmtp:x y=1"), "fmtp"),
        (section("rtpmap:96 VP8/90000", "rtcp-fb:999 nack"), "rtcp-fb"),
        (section("rtpmap:72 VP8/90000", formats="72"), "m"),
        (section("rtpmap:96 VP8/90000", formats="128"), "m"),
    ],
)
def test_malformed_lines_name_their_field(bad: Section, field: str) -> None:
    with pytest.raises(SdpError) as caught:
        offered_codecs(bad)
    assert caught.value.field == field


def test_one_payload_type_has_one_meaning_in_a_bundle() -> None:
    first = offered_codecs(section("rtpmap:96 VP8/90000"))
    second = offered_codecs(section("rtpmap:96 opus/48000/2", kind="audio"))
    with pytest.raises(SdpError, match="two formats"):
        session_codecs([first, second])


def test_a_repair_payload_type_is_not_another_formats() -> None:
    first = offered_codecs(section("rtpmap:96 VP8/90000", "rtpmap:97 rtx/90000", "fmtp:97 apt=96", formats="96 97"))
    second = offered_codecs(section("rtpmap:97 opus/48000/2", kind="audio", formats="97"))
    with pytest.raises(SdpError, match="payload type 97 means two formats"):
        session_codecs([first, second])
