"""A face sent as VP8 over SRTP, forwarded by the real data plane, looked at by the real models in a real worker."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest
import trio

from appliance._dataplane import DataPlane
from appliance.live.camera import Camera, Felt, Suspected
from tests.support import packetisers
from tests.support.faces import face_frames, inference_on, models_that_watch
from tests.support.rtp_publisher import RtpPublisher

pytestmark = pytest.mark.slow

WITHIN_S = 40.0
FPS = 10


def _send(publisher: RtpPublisher, number: int) -> None:
    """A picture: the key frame first, then what depends on it."""
    frames = face_frames(30)
    payloads = packetisers.vp8(frames[min(number, len(frames) - 1)], number == 0, number)
    for place, packet in enumerate(publisher.packets(payloads, ticks=90_000 // FPS)):
        publisher.send(packet)
        if place % 8 == 7:  # a socket's buffer holds some hundred
            time.sleep(0.001)


async def test_its_expression_is_told_and_an_accusation_has_the_frame(tmp_path: Path) -> None:
    inference = inference_on(models_that_watch(tmp_path, "emotion", "face-spoof", accusing=True))
    told: list[Felt | Suspected] = []
    done = trio.Event()

    async def tell(_camera: Camera, found: Felt | Suspected) -> None:
        told.append(found)
        if {type(one) for one in told} == {Felt, Suspected}:
            done.set()

    async def film(publisher: RtpPublisher) -> None:
        number = 0
        while True:
            _send(publisher, number)
            number += 1
            await trio.sleep(1 / FPS)

    plane = DataPlane(hosts=["127.0.0.1"], port=0, workers=1, tcp=False)
    with closing(plane), closing(RtpPublisher(plane, "vp8")) as publisher:
        async with trio.open_nursery() as nursery:
            await nursery.start(inference.serve)
            await inference.wait_up()
            camera = Camera(
                inference,
                lambda: publisher.open_tap(1024 * 1024),
                participant_id="prt_1",
                name="Ann",
                models=[("emotion", "emotion"), ("spoof", "face-spoof")],
                tell=tell,
                shed=lambda task: None,
            )
            nursery.start_soon(camera.serve)
            await trio.sleep(0.2)  # the tap is there before the key frame
            nursery.start_soon(film, publisher)
            with trio.fail_after(WITHIN_S):
                await done.wait()
            camera.end()
            nursery.cancel_scope.cancel()
    felt = next(one for one in told if isinstance(one, Felt))
    assert felt.label == "happy"
    suspected = next(one for one in told if isinstance(one, Suspected))
    assert suspected.accusation.kind == "face_spoof" and suspected.evidence.startswith(b"\xff\xd8\xff")
    assert abs(suspected.at_ms - time.time() * 1000) < 10_000
