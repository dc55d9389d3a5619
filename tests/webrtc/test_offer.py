"""Offers against the lists that say what their m-lines are for."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.webrtc.offer import Publishing, Sctp, Seat, read_offer, sctp_of, signalled_ssrcs, simulcast_rids
from appliance.webrtc.sdp import SdpError, parse_untrusted

OFFERS = Path(__file__).parent / "offers"
PUBLISH = [Publishing("0", "microphone"), Publishing("1", "camera")]
RECEIVE = [Seat(0, "2", "3")]


def text_of(name: str) -> str:
    return (OFFERS / f"{name}.sdp").read_bytes().decode()


@pytest.mark.parametrize(("name", "fingerprints"), [("chromium", 1), ("firefox", 1), ("aiortc", 3)])
def test_offers_of_real_clients(name: str, fingerprints: int) -> None:
    offer = read_offer(text_of(name), PUBLISH, RECEIVE)
    assert offer.publish["1"].source == "camera"
    assert offer.receive == {"2": (0, "audio"), "3": (0, "video")}
    assert len(offer.fingerprints) == fingerprints
    assert offer.fingerprints[0][0] == "sha-256"
    assert f"a=ice-ufrag:{offer.remote_ufrag}" in text_of(name)
    assert f"a=ice-pwd:{offer.remote_password}" in text_of(name)


@pytest.mark.parametrize(
    ("publish", "receive", "field"),
    [
        ([Publishing("9", "camera")], [], "publish[0].mid"),
        ([Publishing("0", "camera")], [], "publish[0].mid"),
        ([Publishing("4", "camera")], [], "publish[0].mid"),
        ([Publishing("1", "camera"), Publishing("3", "camera")], [], "publish[1].source"),
        ([Publishing("1", "camera"), Publishing("1", "screen")], [], "publish[1].mid"),
        (PUBLISH, [Seat(0, "0", None)], "receive[0].audio_mid"),
        (PUBLISH, [Seat(0, "2", "2")], "receive[0].video_mid"),
        (PUBLISH, [Seat(0, "2", "1")], "receive[0].video_mid"),
        ([], [Seat(0, "0", None), Seat(0, "2", None)], "receive[1].seat"),
    ],
)
def test_lists_that_do_not_fit_the_offer(publish: list[Publishing], receive: list[Seat], field: str) -> None:
    with pytest.raises(SdpError) as caught:
        read_offer(text_of("chromium"), publish, receive)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("a=ice-ufrag:", "a=ice-ufra:", "ice-ufrag"),
        ("a=ice-ufrag:", "a=ice-ufrag:<>", "ice-ufrag"),
        ("a=ice-pwd:", "a=ice-pwd:x", "ice-pwd"),
        ("a=setup:actpass", "a=setup:passive", "setup"),
        ("a=fingerprint:sha-256", "a=fingerprint:sha-1", "fingerprint"),
        ("a=fingerprint:sha-256", "a=fingerprint:sha-512", "fingerprint"),
        ("a=fingerprint:sha-256 ", "a=fingerprint:sha-256 z", "fingerprint"),
        ("a=rtcp-mux\r\n", "", "rtcp-mux"),
        ("BUNDLE 0 1 2 3 4", "BUNDLE 0 1 2 3", "group"),
        ("UDP/TLS/RTP/SAVPF", "RTP/AVP", "m"),
        ("m=audio 9", "m=audio 0", "publish"),
    ],
)
def test_what_an_offer_must_hold(old: str, new: str, field: str) -> None:
    text = text_of("chromium")
    assert old in text
    if field == "ice-pwd":
        text = text.replace("a=ice-pwd:" + read_offer(text, [], []).remote_password, "a=ice-pwd:tooshort")
    elif field == "publish":
        # A refused m-line is answered as such; publishing on it gives no track and is no error.
        assert "0" not in [s.mid for s in read_offer(text.replace(old, new), PUBLISH, RECEIVE).live]
        return
    else:
        text = text.replace(old, new)
    with pytest.raises(SdpError) as caught:
        read_offer(text, PUBLISH, RECEIVE)
    assert caught.value.field == field


def section(*lines: str) -> str:
    return "v=0\nm=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:0\n" + "".join(f"a={line}\n" for line in lines)


@pytest.mark.parametrize(
    ("lines", "rids"),
    [
        (["rid:q send", "rid:h send", "rid:f send", "simulcast:send q;h;f"], ("q", "h", "f")),
        (["rid:f send", "rid:h send", "rid:q send", "simulcast:send f;~h;q"], ("q", "h", "f")),
        (["rid:h send", "rid:l send", "rid:m send", "simulcast:send h;m;l"], ("l", "m", "h")),
        (["rid:a send", "rid:b send", "simulcast:recv x send a,b;b"], ("a", "b")),
        (["rid:a send", "rid:b send", "rid:c send", "rid:d send", "simulcast:send a;b;c;d"], ("a", "b", "c")),
        (["simulcast:recv a"], ()),
        ([], ()),
    ],
)
def test_layers_from_lowest_to_highest(lines: list[str], rids: tuple[str, ...]) -> None:
    assert simulcast_rids(parse_untrusted(section(*lines)).sections[0]) == rids


@pytest.mark.parametrize(
    "line", ["simulcast:send q", "simulcast:q", "simulcast:", "simulcast:send a;a", "simulcast:send ;"]
)
def test_malformed_simulcast(line: str) -> None:
    with pytest.raises(SdpError, match="simulcast"):
        simulcast_rids(parse_untrusted(section("rid:a send", line)).sections[0])


def test_ssrc_pairs() -> None:
    def of(*lines: str) -> tuple[tuple[int, int | None], ...]:
        return signalled_ssrcs(parse_untrusted(section(*lines)).sections[0])

    assert of("ssrc-group:FID 5 6", "ssrc:5 cname:x") == ((5, 6),)
    assert of("ssrc:7 cname:x", "ssrc:8 cname:x") == ((7, None),)
    assert of() == ()
    for bad in ("ssrc:4294967296 cname:x", "ssrc:0 cname:x", "ssrc:x", "ssrc-group:FID 1 -2"):
        with pytest.raises(SdpError):
            of(bad)


def test_sctp_parameters_have_defaults_and_bounds() -> None:
    def of(*lines: str) -> Sctp:
        text = "v=0\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:0\n" + "".join(f"a={x}\n" for x in lines)
        return sctp_of(parse_untrusted(text).sections[0])

    assert of() == Sctp(5000, 65_536)
    assert of("sctp-port:5001", "max-message-size:0") == Sctp(5001, 0)
    for bad in ("sctp-port:65536", "sctp-port:-1", "max-message-size:1e9", "max-message-size:99999999999999999999"):
        with pytest.raises(SdpError):
            of(bad)
