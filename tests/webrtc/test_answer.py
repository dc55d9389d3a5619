"""Answers: what is agreed, and that an independent reader of SDP (aiortc's) finds the same in the text."""

from __future__ import annotations

from pathlib import Path

import aiortc.sdp
import pytest

from appliance.webrtc.answer import Candidate, LocalTransport, NegotiatedSession, SeatStreams, compose_answer
from appliance.webrtc.offer import Publishing, Seat, read_offer
from appliance.webrtc.sdp import SdpError, parse_untrusted

OFFERS = Path(__file__).parent / "offers"
PUBLISH = [Publishing("0", "microphone"), Publishing("1", "camera")]
RECEIVE = [Seat(7, "2", "3")]
LOCAL = LocalTransport(
    ufrag="0123456789abcdef",
    password="0123456789abcdef0123456789abcdef",
    fingerprint="sha-256 " + ":".join(["AB"] * 32),
    candidates=(
        Candidate("192.0.2.1", 8801, tcp=False),
        Candidate("2001:db8::1", 8801, tcp=False),
        Candidate("192.0.2.1", 8801, tcp=True),
    ),
    origin=77,
    version=3,
)
SEATS = {7: SeatStreams(audio=1001, video=1002, video_rtx=1003)}


def text_of(name: str) -> str:
    return (OFFERS / f"{name}.sdp").read_bytes().decode()


def answer(
    text: str,
    publish: list[Publishing] = PUBLISH,
    receive: list[Seat] = RECEIVE,
    video_codecs: tuple[str, ...] = ("vp8", "vp9", "h264", "av1"),
) -> tuple[str, NegotiatedSession]:
    return compose_answer(read_offer(text, publish, receive), local=LOCAL, seats=SEATS, video_codecs=video_codecs)


@pytest.mark.parametrize("name", ["chromium", "firefox", "aiortc"])
def test_another_reader_finds_our_answer_whole(name: str) -> None:
    text, agreed = answer(text_of(name))
    read = aiortc.sdp.SessionDescription.parse(text)
    assert [m.kind for m in read.media] == ["audio", "video", "audio", "video", "application"]
    assert [m.direction for m in read.media[:4]] == ["recvonly", "recvonly", "sendonly", "sendonly"]
    assert read.group[0].items == ["0", "1", "2", "3", "4"]
    for media in read.media:
        assert media.ice.iceLite and media.ice.usernameFragment == LOCAL.ufrag and media.ice.password == LOCAL.password
        assert media.dtls is not None and media.dtls.role == "server"
        assert [f"{f.algorithm} {f.value}" for f in media.dtls.fingerprints] == [LOCAL.fingerprint]
    found = [(c.ip, c.port, c.protocol, c.type, c.tcpType) for c in read.media[0].ice_candidates]
    assert found == [
        ("192.0.2.1", 8801, "udp", "host", None),
        ("2001:db8::1", 8801, "udp", "host", None),
        ("192.0.2.1", 8801, "tcp", "host", "passive"),
    ]
    priorities = {c.ip + c.protocol: c.priority for c in read.media[0].ice_candidates}
    assert priorities["2001:db8::1udp"] > priorities["192.0.2.1udp"] > priorities["192.0.2.1tcp"]
    assert not any(m.ice_candidates for m in read.media[1:])
    seat = read.media[3]
    assert seat.msid == "seat-7 seat-7-video"
    assert [g.items for g in seat.ssrc_group] == [[1002, 1003]]
    assert read.media[4].sctp_port == 5000
    assert agreed.sctp is not None
    assert parse_untrusted(text).bundle == ("0", "1", "2", "3", "4")


def test_what_is_agreed_with_chromium() -> None:
    _, agreed = answer(text_of("chromium"))
    assert [(p.payload_type, p.format, p.rtx_payload_type) for p in agreed.payloads] == [
        (111, "opus", None),
        (63, "red/opus", None),
        (96, "vp8", 97),
        (98, "vp9/0", 99),
        (108, "h264/42e01f/1", 109),
        (45, "av1/0", 46),
        (116, "h264/4d001f/1", 117),
    ]
    assert agreed.extensions == {
        "audio_level": 1,
        "transport_cc": 3,
        "mid": 4,
        "playout_delay": 5,
        "video_orientation": 13,
        "rid": 10,
        "repaired_rid": 11,
        "dependency_descriptor": 12,
    }
    microphone, camera = agreed.producers
    assert (microphone.source, microphone.mid, microphone.rids, len(microphone.ssrcs)) == ("microphone", "0", (), 1)
    assert (camera.source, camera.mid, camera.rids, camera.ssrcs) == ("camera", "1", ("q", "h", "f"), ())
    assert [(c.seat, c.kind, c.mid, c.ssrc, c.rtx_ssrc) for c in agreed.consumers] == [
        (7, "audio", "2", 1001, None),
        (7, "video", "3", 1002, 1003),
    ]


def test_simulcast_is_accepted_in_words() -> None:
    text, _ = answer(text_of("firefox"))
    assert "a=rid:q recv\r\na=rid:h recv\r\na=rid:f recv\r\na=simulcast:recv q;h;f\r\n" in text


def test_transport_feedback_lines_are_kept_where_offered() -> None:
    """Without them browsers stay near 300 kb/s and never send the top layer."""
    text, _ = answer(text_of("chromium"))
    for payload_type in (111, 96, 98, 108, 45):
        assert f"a=rtcp-fb:{payload_type} transport-cc\r\n" in text
    assert "a=rtcp-fb:96 nack pli\r\n" in text and "a=rtcp-fb:96 ccm fir\r\n" in text
    assert "goog-remb" not in text


def test_layer_names_are_never_sent_to_a_receiver() -> None:
    text, _ = answer(text_of("chromium"))
    receiving = parse_untrusted(text).sections[3]
    uris = [value.partition(" ")[2] for value, _ in receiving.attributes["extmap"]]
    assert not any("stream-id" in uri for uri in uris)
    assert "rid" not in receiving.attributes


def described(text: str) -> list[bool]:
    """Whether each section has the dependency descriptor."""
    sections = parse_untrusted(text).sections
    return [any("dependency-desc" in value for value, _ in s.attributes.get("extmap", ())) for s in sections]


def test_dependency_descriptors_are_taken_for_codecs_that_need_them() -> None:
    """VP8's own descriptor loses its fields where Chromium may send the other one; a seat takes whatever comes."""
    offer = text_of("chromium")
    for first, publishing in (("vp8", False), ("vp9", True), ("h264", False), ("av1", True)):
        text, agreed = answer(offer, video_codecs=(first, "vp8"))
        assert described(text) == [False, publishing, False, True, False]
        assert agreed.extensions["dependency_descriptor"] == 12
    text, _ = answer(text_of("firefox"), video_codecs=("av1", "vp8"))
    assert described(text) == [False, True, False, False, False]  # it sends them only
    assert "a=extmap:8/recvonly https://aomediacodec" in text


def test_without_mixed_headers_no_dependency_descriptor() -> None:
    """A structure does not fit into the one-byte form."""
    offer = text_of("chromium").replace("a=extmap-allow-mixed\r\n", "")
    text, agreed = answer(offer, video_codecs=("vp9",))
    assert not any(described(text)) and "dependency_descriptor" not in agreed.extensions


def test_firefox_one_way_extensions_keep_their_way() -> None:
    text, agreed = answer(text_of("firefox"))
    publishing, receiving = parse_untrusted(text).sections[1], parse_untrusted(text).sections[3]
    assert "9/recvonly" in [value.partition(" ")[0] for value, _ in publishing.attributes["extmap"]]
    assert not any("stream-id" in value for value, _ in receiving.attributes["extmap"])
    assert agreed.extensions["rid"] == 9


def test_preferred_codec_comes_first_on_publish_lines() -> None:
    text, _ = answer(text_of("chromium"), video_codecs=("h264", "vp8"))
    assert parse_untrusted(text).sections[1].formats[:2] == ("108", "109")
    assert parse_untrusted(text).sections[3].formats[:2] == ("96", "97")


def test_screen_sound_is_told_apart_from_a_microphone() -> None:
    text, _ = answer(text_of("chromium"), publish=[Publishing("0", "screen_audio")])
    assert "a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;maxaveragebitrate=128000\r\n" in text


def test_lines_that_nobody_claims_are_inactive_and_stay_in_the_bundle() -> None:
    text, agreed = answer(text_of("chromium"), publish=[], receive=[])
    assert agreed.producers == () and agreed.consumers == ()
    sections = parse_untrusted(text).sections
    assert [s.direction for s in sections[:4]] == ["inactive"] * 4
    assert all(s.port == 9 for s in sections)


def test_a_stopped_line_is_refused_and_leaves_the_bundle() -> None:
    text = text_of("chromium").replace("BUNDLE 0 1 2 3 4", "BUNDLE 0 2 3 4").replace("m=video 9", "m=video 0", 1)
    reply, agreed = answer(text)
    sections = parse_untrusted(reply).sections
    assert sections[1].port == 0 and parse_untrusted(reply).bundle == ("0", "2", "3", "4")
    assert [p.source for p in agreed.producers] == ["microphone"]


def test_candidates_move_when_the_first_line_is_refused() -> None:
    text = text_of("chromium").replace("BUNDLE 0 1 2 3 4", "BUNDLE 1 2 3 4").replace("m=audio 9", "m=audio 0", 1)
    sections = parse_untrusted(answer(text, publish=[PUBLISH[1]])[0]).sections
    assert "candidate" not in sections[0].attributes and len(sections[1].attributes["candidate"]) == 3


def test_an_inactive_publish_line_gives_no_producer() -> None:
    text = text_of("chromium").replace("a=sendonly", "a=inactive", 1)
    assert [p.source for p in answer(text)[1].producers] == ["camera"]


def test_a_second_data_line_is_refused() -> None:
    text = text_of("chromium")
    second = text[text.index("m=application") :].replace("a=mid:4", "a=mid:5")
    reply, _ = answer(text.replace("BUNDLE 0 1 2 3 4", "BUNDLE 0 1 2 3 4 5") + second)
    assert [s.port for s in parse_untrusted(reply).sections] == [9, 9, 9, 9, 9, 0]


def test_an_offer_without_a_codec_of_ours_is_refused() -> None:
    text = text_of("chromium").replace("opus/48000", "speex/48000").replace("webrtc-datachannel", "x")
    for codec in ("VP8", "VP9", "H264", "AV1"):
        text = text.replace(f" {codec}/90000", " THEORA/90000")
    with pytest.raises(SdpError, match="no m-line has a codec"):
        answer(text)


def test_extension_that_changes_its_number_between_lines_is_dropped_there() -> None:
    text = text_of("chromium")
    at = text.index("a=mid:3")
    text = text[:at] + text[at:].replace("a=extmap:13 urn", "a=extmap:14 urn").replace(
        "a=extmap:14 urn:ietf", "a=extmap:13 urn:ietf"
    )
    reply, agreed = answer(text)
    assert agreed.extensions["video_orientation"] == 13
    assert "3gpp" not in str(parse_untrusted(reply).sections[3].attributes["extmap"])


def test_one_extension_number_has_one_meaning() -> None:
    """Audio says 3 is the transport sequence number; a video line that gives 3 to its MID gets no MID."""
    text = text_of("chromium")
    at = text.index("m=video")
    text = text[:at] + text[at:].replace("a=extmap:3 http", "a=extmap:99 http").replace(
        "a=extmap:4 urn", "a=extmap:3 urn"
    )
    reply, agreed = answer(text)
    assert agreed.extensions["transport_cc"] == 3 and agreed.extensions["mid"] == 4
    kept = parse_untrusted(reply).sections[1].attributes["extmap"]
    assert not any("sdes:mid" in value or "transport-wide" in value for value, _ in kept)


def test_encrypted_header_extensions_are_not_agreed() -> None:
    """RFC 6904: the SFU reads and rewrites extensions, so none is agreed to be encrypted."""
    plain = "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid"
    encrypted = plain.replace("extmap:4 ", "extmap:13 urn:ietf:params:rtp-hdrext:encrypt ")
    text = text_of("chromium").replace(plain, f"{plain}\r\n{encrypted}")
    reply, agreed = answer(text)
    assert text.count(encrypted) == 4 and agreed.extensions["mid"] == 4
    assert plain in reply and "encrypt" not in reply
