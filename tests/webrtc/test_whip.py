"""What is derived from the offers of WHIP and WHEP clients, and their fragments of SDP."""

from __future__ import annotations

import pytest

from appliance.webrtc.offer import Publishing, Seat, read_offer
from appliance.webrtc.sdp import SdpError, parse_untrusted
from appliance.webrtc.whip import (
    MAX_FRAGMENT_LINES,
    Fragment,
    check_whole,
    fragment_of,
    ice_ufrag,
    publish_lines,
    read_fragment_untrusted,
    receive_line,
    spelled_out,
    with_credentials,
)
from tests.support.whip import fragment, offer


def test_a_publishers_lines_are_told_by_their_kind() -> None:
    both = parse_untrusted(offer("sendonly"))
    assert publish_lines(both, picture="camera", sound="microphone") == [
        Publishing("0", "microphone"), Publishing("1", "camera"),
    ]  # fmt: skip
    assert publish_lines(both, picture="screen", sound="screen_audio")[1] == Publishing("1", "screen")
    sound = parse_untrusted(offer("sendrecv", ("audio",)))
    assert publish_lines(sound, picture="camera", sound="microphone") == [Publishing("0", "microphone")]


def test_a_viewers_lines_are_one_seat() -> None:
    assert receive_line(parse_untrusted(offer("recvonly", ("video", "audio")))) == Seat(0, "1", "0")
    assert receive_line(parse_untrusted(offer("recvonly", ("audio",)))) == Seat(0, "0", None)
    picture_alone = receive_line(parse_untrusted(offer("recvonly", ("video",))))
    assert picture_alone == Seat(0, None, "0")
    read = read_offer(offer("recvonly", ("video",)), [], [picture_alone])
    assert read.receive == {"0": (0, "video")}
    with pytest.raises(SdpError) as caught:
        read_offer(offer("recvonly"), [], [Seat(0, None, None)])
    assert caught.value.field == "receive[0].audio_mid"


@pytest.mark.parametrize(
    ("direction", "kinds", "shown"),
    [
        ("recvonly", ("audio", "video"), "m-line is recvonly"),
        ("inactive", ("audio",), "m-line is inactive"),
        ("sendonly", ("audio", "audio"), "a second audio line"),
        ("sendonly", ("audio", "video", "video"), "a second video line"),
        ("sendonly", ("application",), "no audio or video line"),
    ],
)
def test_offers_that_no_publisher_makes(direction: str, kinds: tuple[str, ...], shown: str) -> None:
    with pytest.raises(SdpError, match=shown) as caught:
        publish_lines(parse_untrusted(offer(direction, kinds)), picture="camera", sound="microphone")
    assert caught.value.field == "m"


def test_a_viewer_does_not_send() -> None:
    with pytest.raises(SdpError, match="sendonly"):
        receive_line(parse_untrusted(offer("sendonly")))


def test_a_refused_line_makes_an_answer_unusable() -> None:
    check_whole("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nm=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n")
    with pytest.raises(SdpError, match="the video line has no codec"):
        check_whole("v=0\r\nm=audio 9 X 111\r\nm=video 0 UDP/TLS/RTP/SAVPF 96\r\n")


def test_the_transport_is_spelled_out_in_every_section() -> None:
    answer = (
        "v=0\r\na=group:BUNDLE 0 1\r\na=ice-lite\r\na=ice-ufrag:ours\r\na=ice-pwd:se/+ret\r\n"
        "a=fingerprint:sha-256 AB:CD\r\na=setup:passive\r\nm=audio 9 X 111\r\na=mid:0\r\nm=video 9 X 96\r\na=mid:1\r\n"
    )
    transport = "a=ice-ufrag:ours\r\na=ice-pwd:se/+ret\r\na=fingerprint:sha-256 AB:CD\r\na=setup:passive\r\n"
    assert spelled_out(answer) == (
        "v=0\r\na=group:BUNDLE 0 1\r\na=ice-lite\r\n"
        f"m=audio 9 X 111\r\n{transport}a=mid:0\r\nm=video 9 X 96\r\n{transport}a=mid:1\r\n"
    )


def test_fragments_are_read() -> None:
    assert read_fragment_untrusted(fragment("EsAw")) == Fragment("EsAw", "p" * 24)
    assert read_fragment_untrusted(fragment("EsAw").replace("\r\n", "\n")) == Fragment("EsAw", "p" * 24)
    assert read_fragment_untrusted("a=candidate:1 1 udp 1 mdns.local 9 typ host") == Fragment(None, None)
    assert read_fragment_untrusted("a=end-of-candidates\r\n") == Fragment(None, None)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "sdp"),
        ("hello", "sdp"),
        ("a=mid:0\r\n", "sdp"),
        ("a=ice-ufrag:EsAw\r\n", "ice-pwd"),
        ("a=ice-pwd:" + "p" * 24 + "\r\na=candidate:1\r\n", "ice-ufrag"),
        (fragment("E"), "ice-ufrag"),
        (fragment("EsAw") + "a=ice-ufrag:Other\r\n", "ice-ufrag"),
        (fragment("EsAw", "short"), "ice-pwd"),
        (fragment("EsAw", "<" * 24), "ice-pwd"),
        (fragment("EsAw") + "a=x\0\r\n", "sdp"),
        (fragment("EsAw") + "a=x\ry\r\n", "sdp"),
        ("a=candidate:1\r\n" * (MAX_FRAGMENT_LINES + 1), "sdp"),
        ("a=candidate:" + "1" * 20_000, "sdp"),
    ],
)
def test_fragments_of_strangers(text: str, field: str) -> None:
    with pytest.raises(SdpError) as caught:
        read_fragment_untrusted(text)
    assert caught.value.field == field


def test_a_restart_is_the_old_offer_with_other_credentials() -> None:
    old = offer("sendonly", more="a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=end-of-candidates")
    new = with_credentials(old, Fragment("EsAw", "q" * 22))
    before, after = read_offer(old, [], []), read_offer(new, [], [])
    assert (after.remote_ufrag, after.remote_password) == ("EsAw", "q" * 22)
    assert after.fingerprints == before.fingerprints
    assert [s.mid for s in after.live] == [s.mid for s in before.live]
    assert "abcd" not in new and "candidate" not in new
    assert (ice_ufrag(old), ice_ufrag(new)) == ("abcd", "EsAw")
    with pytest.raises(SdpError, match="ice-ufrag is missing"):
        ice_ufrag("v=0\r\n")


def test_our_fragment_holds_credentials_and_candidates_of_the_first_line() -> None:
    answer = (
        "v=0\r\na=group:BUNDLE 1 0\r\na=ice-lite\r\na=ice-ufrag:ours\r\na=ice-pwd:secret\r\n"
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=recvonly\r\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"
        "a=end-of-candidates\r\n"
    )
    assert fragment_of(answer) == (
        "a=ice-lite\r\na=group:BUNDLE 1 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n"
        "a=ice-ufrag:ours\r\na=ice-pwd:secret\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n"
    )
