"""What real encoders made comes out of a tap as it went in: each picture decodes to the one that was encoded."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache

import av
import numpy as np
import pytest
from av.codec.context import Flags

from appliance._dataplane import DataPlane, Tap
from appliance.recorder.journal import AFTER_LOSS, KEY_FRAME, Codec, Kind, Record, scan
from tests.support import packetisers
from tests.support.packetisers import Cutter
from tests.support.recorded import Encoded, encoded
from tests.support.rtp_publisher import RtpPublisher, wait_for

pytestmark = pytest.mark.slow

WIDTH, HEIGHT, FPS = 320, 180, 30
# Two sequences, so that a key frame comes in the middle.
SEQUENCE, COUNT = 30, 60
LOST_FRAME = 10

CODECS: dict[Codec, tuple[str, Cutter, str]] = {
    Codec.VP8: ("vp8", packetisers.vp8, "vp8"),
    Codec.VP9: ("vp9/0", packetisers.vp9, "libvpx-vp9"),
    Codec.H264: ("h264/42e01f/1", packetisers.h264, "h264"),
    Codec.AV1: ("av1/0", packetisers.av1, "libdav1d"),
}
"""Format of the data plane, who cuts frames, decoder."""


@lru_cache(2)
def scene(width: int = WIDTH, height: int = HEIGHT) -> tuple[np.ndarray, ...]:
    """A texture that moves by three pixels a picture, YUV 4:2:0: no picture is like another, and none is small."""
    chance = np.random.default_rng(3)
    coarse = chance.integers(60, 200, (height // 6 + 1, width // 2)).astype(np.uint8)
    texture = np.kron(coarse, np.ones((6, 6), np.uint8))
    pictures = []
    for number in range(COUNT):
        whole = np.full((height * 3 // 2, width), 128, np.uint8)
        whole[:height] = texture[:height, 3 * number : 3 * number + width]
        pictures.append(whole)
    return tuple(pictures)


@lru_cache(4)
def stream(codec: Codec) -> tuple[Encoded, ...]:
    whole = scene()
    parts = [whole[first : first + SEQUENCE] for first in range(0, COUNT, SEQUENCE)]
    frames = sum((encoded(codec, part, WIDTH, HEIGHT, FPS, bitrate_bps=2_000_000) for part in parts), ())
    assert [key for key, _ in frames] == [number % SEQUENCE == 0 for number in range(COUNT)]
    return frames


@contextmanager
def publishing(codec: Codec) -> Iterator[tuple[RtpPublisher, Tap]]:
    plane = DataPlane(hosts=["127.0.0.1"], port=0, workers=1, tcp=False)
    try:
        with closing(RtpPublisher(plane, CODECS[codec][0])) as publisher:
            yield publisher, publisher.open_tap()
    finally:
        plane.close()


def send(publisher: RtpPublisher, packets: list[bytes]) -> None:
    """A few, then a pause: a socket's buffer holds some hundred."""
    for number, packet in enumerate(packets):
        publisher.send(packet)
        if number % 8 == 7:
            time.sleep(0.001)


def records_until(tap: Tap, enough: Callable[[list[Record]], bool], what: str) -> list[Record]:
    found: list[Record] = []

    def look() -> bool:
        found.extend(scan(io.BytesIO(tap.take())))
        return enough(found)

    wait_for(look, what)
    return found


def frames_of(records: list[Record]) -> list[Record]:
    return [record for record in records if record.kind == Kind.FRAME]


def numbered(frames: list[Record]) -> dict[int, Record]:
    """By the picture's number, as its timestamp says."""
    return {(frame.rtp - frames[0].rtp) // 3000: frame for frame in frames}


def decode(codec: Codec, frames: list[Record]) -> list[np.ndarray]:
    """Luma; one picture for each frame."""
    decoder = av.CodecContext.create(CODECS[codec][2], "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    decoder.flags |= Flags.low_delay
    pictures = []
    for frame in frames:
        shown = decoder.decode(av.Packet(frame.payload))
        assert len(shown) == 1 and not shown[0].is_corrupt, (frame.rtp, shown)
        image = shown[0].to_ndarray()
        pictures.append(image[: shown[0].height])
    return pictures


def shows(picture: np.ndarray) -> int:
    """The number of the picture that it is nearest to. AssertionError when it is near none."""
    height, width = picture.shape
    errors = [float(((whole[:height].astype(np.float32) - picture) ** 2).mean()) for whole in scene(width, height)]
    best = int(np.argmin(errors))
    # encoders reach 38 dB and more here; any other picture of the scene has less than 16
    assert errors[best] < 255**2 / 10**3, f"{10 * np.log10(255**2 / errors[best]):.1f} dB"
    return best


def units(codec: Codec, payload: bytes) -> list[bytes]:
    """What a frame consists of, however its parts are delimited."""
    match codec:
        case Codec.H264:
            return packetisers.nal_units(payload)
        case Codec.AV1:
            return list(packetisers.obus(payload))
        case _:
            return [payload]


@pytest.mark.parametrize("codec", CODECS)
def test_what_was_encoded_is_decoded(codec: Codec) -> None:
    chance, cut = random.Random(4), CODECS[codec][1]
    with publishing(codec) as (publisher, tap):
        packets: list[tuple[bool, bytes]] = []
        for number, (key, whole) in enumerate(stream(codec)):
            packets += ((key, packet) for packet in publisher.packets(cut(whole, key, number)))
        assert len(packets) > COUNT * 1.5, "most frames are of several packets"
        for at in range(1, len(packets)):  # some overtake each other; what a key frame overtakes is not waited for
            if chance.random() < 0.2 and not packets[at][0] and not packets[at - 1][0]:
                packets[at - 1], packets[at] = packets[at], packets[at - 1]
        send(publisher, [packet for _, packet in packets])
        records = records_until(tap, lambda found: len(frames_of(found)) == COUNT, f"{COUNT} frames")
    frames = frames_of(records)
    assert len(records) == COUNT and not tap.lost
    assert [frame.rtp - frames[0].rtp for frame in frames] == [3000 * number for number in range(COUNT)]
    for frame, (key, payload) in zip(frames, stream(codec), strict=True):
        assert (frame.codec, frame.flags, frame.clock_rate) == (codec, KEY_FRAME if key else 0, 90_000)
        assert units(codec, frame.payload) == units(codec, payload)
    assert [shows(picture) for picture in decode(codec, frames)] == list(range(COUNT))


@pytest.mark.parametrize(
    ("codec", "encoder"), [(Codec.VP8, "libvpx"), (Codec.H264, "libx264"), (Codec.AV1, "libsvtav1")]
)
def test_what_another_packetiser_cut_is_decoded(codec: Codec, encoder: str) -> None:
    with publishing(codec) as (publisher, tap):
        for payloads in packetisers.by_ffmpeg(encoder, stream(codec), WIDTH, HEIGHT, FPS):
            send(publisher, publisher.packets(payloads))
        records = records_until(tap, lambda found: len(frames_of(found)) == COUNT, f"{COUNT} frames")
    frames = frames_of(records)
    assert [frame.flags for frame in frames] == [KEY_FRAME if key else 0 for key, _ in stream(codec)]
    assert [shows(picture) for picture in decode(codec, frames)] == list(range(COUNT))


@pytest.mark.parametrize("which", ["first", "middle", "last"])
@pytest.mark.parametrize("codec", CODECS)
def test_what_a_loss_spoils_is_marked_and_the_rest_is_decoded(codec: Codec, which: str) -> None:
    cut = CODECS[codec][1]
    with publishing(codec) as (publisher, tap):
        for number, (key, frame) in enumerate(stream(codec)):
            packets = publisher.packets(cut(frame, key, number))
            if number == LOST_FRAME:
                lost = {"first": 0, "middle": len(packets) // 2, "last": len(packets) - 1}[which]
                del packets[lost]
            send(publisher, packets)
        records = records_until(tap, lambda found: COUNT - 1 in numbered(frames_of(found)), "the last frame")
    assert [record.kind for record in records].count(Kind.GAP) == 1
    found = numbered(frames_of(records))
    assert LOST_FRAME not in found, "a part of it is not decodable"
    assert set(range(COUNT)) - set(found) <= set(range(LOST_FRAME, SEQUENCE))
    spoilt = {number for number, frame in found.items() if frame.flags & AFTER_LOSS}
    assert spoilt == set(found) & set(range(LOST_FRAME, SEQUENCE))
    good = sorted(set(found) - spoilt)
    assert [shows(picture) for picture in decode(codec, [found[number] for number in good])] == good


def test_the_layers_of_a_vp9_picture_are_decoded_as_its_best_one() -> None:
    sizes = [(WIDTH // 2, HEIGHT // 2), (WIDTH, HEIGHT)]
    with publishing(Codec.VP9) as (publisher, tap):
        for number in range(10):
            layers = [
                encoded(Codec.VP9, [scene(*size)[number]], *size, FPS, bitrate_bps=2_000_000)[0][1] for size in sizes
            ]
            send(publisher, publisher.packets(packetisers.vp9_layers(layers, sizes, True, number)))
        records = records_until(tap, lambda found: len(frames_of(found)) == 10, "10 frames")
    pictures = decode(Codec.VP9, frames_of(records))
    assert {picture.shape for picture in pictures} == {(HEIGHT, WIDTH)}
    assert [shows(picture) for picture in pictures] == list(range(10))
