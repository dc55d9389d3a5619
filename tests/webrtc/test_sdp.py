"""A stranger's SDP text: what parses, what is refused, and how long that may take."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from appliance.webrtc.sdp import MAX_LINES, MAX_SECTIONS, SdpError, parse_untrusted

OFFERS = Path(__file__).parent / "offers"
HEAD = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"


def offer(name: str) -> str:
    return (OFFERS / f"{name}.sdp").read_bytes().decode()


@pytest.mark.parametrize("name", ["chromium", "firefox", "aiortc"])
def test_offers_of_real_clients_are_read(name: str) -> None:
    description = parse_untrusted(offer(name))
    assert [s.kind for s in description.sections] == ["audio", "video", "audio", "video", "application"]
    assert description.bundle == ("0", "1", "2", "3", "4")
    assert [s.mid for s in description.sections] == list(description.bundle)
    assert not any(s.rejected for s in description.sections)


def test_port_0_is_a_refusal_unless_bundle_only() -> None:
    sections = parse_untrusted(
        HEAD + "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=bundle-only\r\n"
        "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n"
    ).sections
    assert [s.rejected for s in sections] == [False, True]


def test_lines_may_end_in_a_bare_newline() -> None:
    assert parse_untrusted(offer("chromium").replace("\r\n", "\n")) == parse_untrusted(offer("chromium"))


@pytest.mark.parametrize(
    ("text", "field", "line"),
    [
        ("", "v", 1),
        ("v=1\r\n", "v", 1),
        (HEAD + "hello\r\n", "sdp", 6),
        (HEAD + "A=x\r\n", "sdp", 6),
        (HEAD + "a=x\x00\r\n", "sdp", 6),
        (HEAD + "a=x\ry\r\n", "sdp", 6),
        (HEAD + "m=audio\r\n", "m", 6),
        (HEAD + "m=audio 70000 UDP/TLS/RTP/SAVPF 0\r\n", "m", 6),
        (HEAD + "m=audio ٣ UDP/TLS/RTP/SAVPF 0\r\n", "m", 6),
        (HEAD + "m=audio 9 UDP/TLS/RTP/SAVPF <\r\n", "m", 6),
        (HEAD + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", "mid", 6),
        (HEAD + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:a b\r\n", "mid", 7),
        (HEAD + "m=audio 9 X 0\r\na=mid:0\r\nm=audio 9 X 0\r\na=mid:0\r\n", "mid", 9),
        (HEAD + "a=" + "x" * 9000 + "\r\n", "sdp", 6),
        (HEAD + "m=audio 9 X 0\r\n" * (MAX_SECTIONS + 1), "m", 5 + MAX_SECTIONS + 1),
        ("v=0\r\n" + "a=\r\n" * MAX_LINES, "sdp", MAX_LINES + 1),
        ("v=0\r\n" + "x" * 300_000, "sdp", None),
    ],
)
def test_malformed_text_is_refused_with_its_place(text: str, field: str, line: int | None) -> None:
    with pytest.raises(SdpError) as caught:
        parse_untrusted(text)
    assert (caught.value.field, caught.value.line) == (field, line)


def test_100_000_lines_are_refused_in_50_ms() -> None:
    for text in ("v=0\r\n" + "a=b\r\n" * 100_000, "a\n" * 100_000, "v=0\n" * 65_536, "\r" * 262_144):
        before = time.perf_counter()
        with pytest.raises(SdpError):
            parse_untrusted(text)
        assert time.perf_counter() - before < 0.05


def test_any_damage_ends_in_one_error_type() -> None:
    dice = random.Random(2)
    whole = offer("firefox")
    outcomes = set()
    for _ in range(300):
        text = list(whole)
        for _ in range(dice.randint(1, 8)):
            at = dice.randrange(len(text))
            match dice.randrange(3):
                case 0:
                    text[at] = chr(dice.randrange(0x250))
                case 1:
                    del text[at : at + dice.randrange(200)]
                case _:
                    text[at:at] = text[: dice.randrange(200)]
        try:
            parse_untrusted("".join(text))
            outcomes.add("read")
        except SdpError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}
