"""A key frame says all that a container needs to know."""

from __future__ import annotations

import io
import random

import av
import pytest

from appliance.recorder.journal import Codec
from appliance.recorder.muxing import MICROSECONDS, MuxingError, add_video, packet_of, template_of
from tests.support.recorded import pictures


@pytest.mark.parametrize("codec", [Codec.VP8, Codec.VP9, Codec.H264, Codec.AV1])
def test_frames_of_every_codec_are_muxed_as_they_are(codec: Codec) -> None:
    frames = pictures(codec, (90, 200), 320, 180)[:10]
    kind = "matroska" if codec is Codec.H264 else "webm"
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        with template_of(codec, frames[0][1]) as template:
            assert (template.width, template.height) == (320, 180)
            stream = add_video(container, template)
        for number, (is_key, payload) in enumerate(frames):
            container.mux(packet_of(stream, payload, number * 40_000, MICROSECONDS, is_key=is_key))
    file.seek(0)
    with av.open(file) as container:
        decoded = list(container.decode(video=0))
    assert len(decoded) == 10
    assert (decoded[0].width, decoded[0].height, decoded[9].time) == (320, 180, 0.36)


@pytest.mark.parametrize("codec", [*Codec, 77])
def test_garbage_is_no_key_frame(codec: int) -> None:
    chance = random.Random(codec)
    for length in (0, 1, 7, 40, 3000):
        with pytest.raises(MuxingError), template_of(codec, chance.randbytes(length)):
            pass
