"""Taps of what real clients publish: aiortc encodes, the journal's frames are decoded again."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Coroutine
from fractions import Fraction
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
import trio

from appliance._dataplane import Tap
from tests.support.peer import Peer
from tests.support.sfu_bench import RED, SfuBench, sfu_bench, until

pytestmark = pytest.mark.slow

FRAME, CLOCK, GAP, MUTED, UNMUTED = 1, 2, 3, 4, 5
_HEADER = struct.Struct("<IIIBBBBIqqI")
_DECODERS = {1: "opus", 2: "vp8", 4: "h264"}


class Entry(NamedTuple):
    kind: int
    codec: int
    flags: int
    at_us: int
    rtp: int
    clock_rate: int
    payload: bytes


def read(journal: bytes) -> list[Entry]:
    """Every record, written from the plan alone and not with the recorder's reader."""
    entries, at = [], 0
    while at < len(journal):
        magic, crc, length, kind, codec, flags, layer, generation, at_us, rtp, rate = _HEADER.unpack_from(journal, at)
        end = at + _HEADER.size + length
        assert (magic, crc) == (0x314A5250, zlib.crc32(journal[at + 8 : end]))
        assert (layer, generation) == (0, 0)
        entries.append(Entry(kind, codec, flags, at_us, rtp, rate, journal[at + _HEADER.size : end]))
        at = end
    return entries


def run(test: Callable[[SfuBench], Coroutine[Any, Any, None]], **media: Any) -> None:
    async def main() -> None:
        with trio.fail_after(40):
            async with sfu_bench(**media) as bench:
                await test(bench)

    trio.run(main)


async def frames_of(tap: Tap, count: int) -> list[Entry]:
    entries: list[Entry] = []

    def enough() -> bool:
        entries.extend(read(tap.take()))
        return sum(entry.kind == FRAME for entry in entries) >= count

    await until(enough, f"{count} frames")
    return entries


def decode(entries: list[Entry]) -> list[Any]:
    frames = [entry for entry in entries if entry.kind == FRAME]
    decoder: Any = av.CodecContext.create(_DECODERS[frames[0].codec], "r")
    decoded = []
    for entry in frames:
        packet = av.Packet(entry.payload)
        packet.pts, packet.time_base = entry.rtp, Fraction(1, entry.clock_rate)
        decoded += decoder.decode(packet)
    return decoded + decoder.decode(None)


@pytest.mark.parametrize(("codecs", "codec"), [(("vp8",), 2), (("h264",), 4)])
def test_pictures_and_sound_can_be_decoded(codecs: tuple[str, ...], codec: int) -> None:
    async def test(b: SfuBench) -> None:
        red = await b.join("red", Peer(colour=RED, tone_hz=440))
        picture, sound = red.open_tap("camera", 8 << 20), red.open_tap("microphone", 1 << 20)
        seen, heard = await frames_of(picture, 40), await frames_of(sound, 60)
        first = next(entry for entry in seen if entry.kind == FRAME)
        assert (first.codec, first.flags & 3, first.clock_rate) == (codec, 1, 90_000)
        assert GAP not in {entry.kind for entry in seen + heard}
        images = decode(seen)
        assert len(images) >= 38
        colour = np.asarray(images[-1].to_ndarray(format="rgb24")).mean(axis=(0, 1))
        assert all(abs(a - b) < 40 for a, b in zip(colour, RED, strict=True)), colour
        samples = np.concatenate([frame.to_ndarray().ravel() for frame in decode(heard)])
        assert np.abs(samples).mean() > 0.01
        assert all(entry.clock_rate == 48_000 and entry.flags == 1 for entry in heard if entry.kind == FRAME)
        # aiortc reports each second: one moment on both timelines
        clocks = [next((e for e in await frames_of(tap, 60) if e.kind == CLOCK), None) for tap in (picture, sound)]
        assert all(clock is not None and len(clock.payload) == 8 for clock in clocks)
        assert abs(b.sfu.plane.now_us() - first.at_us) < 30e6

    run(test, video_codecs=codecs)


def test_mute_and_the_end_are_told() -> None:
    async def test(b: SfuBench) -> None:
        peer = Peer(colour=RED, tone_hz=440)
        red = await b.join("red", peer)
        with pytest.raises(LookupError, match="publishes no screen"):
            red.open_tap("screen", 1 << 20)
        picture, sound = red.open_tap("camera", 8 << 20), red.open_tap("microphone", 1 << 20)
        await frames_of(picture, 5)
        await frames_of(sound, 5)
        for source in ("camera", "microphone"):
            red.mute(source, True)  # type: ignore[arg-type]
        await trio.sleep(0.3)
        for source in ("camera", "microphone"):
            red.mute(source, False)  # type: ignore[arg-type]
        for tap in (picture, sound):
            entries = await frames_of(tap, 10)
            kinds = [entry.kind for entry in entries]
            muted = kinds.index(MUTED)
            assert kinds[muted + 1] == UNMUTED and GAP not in kinds
            assert entries[muted + 1].at_us - entries[muted].at_us > 250_000
            after = next(entry for entry in entries[muted:] if entry.kind == FRAME)
            assert after.flags & 1
        assert not (picture.ended or sound.ended)
        await until(lambda: b.sfu.statistics()["taps"] == 2, "taps are counted")
        await red.close()
        await until(lambda: picture.ended and sound.ended, "the end")
        await until(lambda: b.sfu.statistics()["taps"] == 0, "no taps are left")
        with pytest.raises(LookupError):
            red.open_tap("camera", 1 << 20)

    run(test)
