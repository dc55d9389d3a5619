"""Opus RED (RFC 2198) between real browsers: both ways, beside a listener without it, and worth its bits when a tenth
of the packets is lost."""

from __future__ import annotations

import time

import pytest

from tests.e2e.test_media_path import Person, stage
from tests.support.browser import chromium, wait_until
from tests.support.media import media
from tests.support.netns import firewall

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LOSS = """table inet t { chain c { type filter hook input priority 0;
meta l4proto udp numgen random mod 100 < 10 drop;
}
}
"""
RED_FIRST, OPUS_ONLY = ["audio/red", "audio/opus"], ["audio/opus"]


def sound(person: Person) -> dict[str, float]:
    """Of the voice on the one seat: samples received, made up, made up of silence; blocks that were not needed."""
    (report,) = [r for r in person.stats("inbound-rtp") if r["kind"] == "audio"]
    names = ("totalSamplesReceived", "concealedSamples", "silentConcealedSamples", "packetsDiscarded")
    return {name: report[name] for name in names}


def energy(person: Person) -> float:
    return sum(r.get("totalAudioEnergy", 0.0) for r in person.stats("inbound-rtp"))


def test_redundancy_is_passed_on_taken_out_and_repairs() -> None:
    with stage() as (sfu, url, playwright), chromium(playwright, media("green")) as browser:
        speaker = Person(sfu, browser.new_page(), url, "speaker")
        speaker.page.evaluate("(types) => media.preferSound(types)", RED_FIRST)
        speaker.publish(simulcast=False)
        speaker.negotiate(1)
        listeners = []
        for name, types in (("redundant", RED_FIRST), ("plain", OPUS_ONLY)):
            listener = Person(sfu, browser.new_page(), url, name)
            listener.page.evaluate("(types) => media.preferSound(types)", types)
            listener.publish(simulcast=False)
            listener.negotiate(1)
            sfu.bind(listener.session, 0, speaker.session)
            listeners.append(listener)
        redundant, plain = listeners
        for publisher in listeners:  # the other way, one after the other
            sfu.bind(speaker.session, 0, publisher.session)
            before = energy(speaker)
            wait_until(lambda before=before: energy(speaker) > before + 1e-3, f"{publisher.name} is heard", within_s=20)
        wait_until(lambda: min(map(energy, listeners)) > 0, "both hear", within_s=20)
        # Chromium's statistics name the codec in the blocks; blocks that were not needed are discarded packets.
        wait_until(lambda: sound(redundant)["packetsDiscarded"] > 50, "redundant blocks arrive", within_s=10)
        assert sound(plain)["packetsDiscarded"] == 0
        firewall(LOSS)
        before = [sound(p) for p in listeners]
        time.sleep(12)
        after = [sound(p) for p in listeners]
        firewall("")
        concealed = []
        for a, b in zip(after, before, strict=True):
            spoken = a["totalSamplesReceived"] - b["totalSamplesReceived"]
            made_up = a["concealedSamples"] - b["concealedSamples"]
            silent = a["silentConcealedSamples"] - b["silentConcealedSamples"]
            concealed.append((made_up - silent) / spoken)
        print(f"made up at 10 % loss each way: {concealed[0]:.1%} with RED, {concealed[1]:.1%} without")
        assert concealed[0] < concealed[1] * 0.6
        for person in (speaker, redundant, plain):
            assert person.page.console_errors() == []
