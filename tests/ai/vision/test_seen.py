"""What a request shows."""

import numpy as np
import pytest

from appliance.ai.vision.seen import Seen
from appliance.inference.task import Request, TaskError
from tests.ai.test_frames import frames
from tests.support.ai_sounds import picture


def test_pictures_and_frames_of_tracks() -> None:
    seen = Seen()
    assert seen.picture(Request({}, picture(np.zeros((20, 30, 3), np.uint8)))).shape == (20, 30, 3)
    first, second = frames("libvpx", 2)
    assert seen.picture(Request({"format": "vp8", "session": "a"}, first)).shape == (48, 64, 3)
    assert seen.picture(Request({"format": "vp8", "session": "a"}, second)).shape == (48, 64, 3)
    seen.close("a")
    with pytest.raises(TaskError):
        seen.picture(Request({"format": "vp8", "session": "a"}, second))


def test_a_frame_needs_its_track_and_both_have_bounds() -> None:
    seen = Seen()
    frame = frames("libvpx", 1)[0]
    for request, code in (
        (Request({"format": "vp8"}, frame), "bad_option"),
        (Request({"format": 3}, frame), "bad_option"),
        (Request({"format": "vp8", "session": "b"}, frame), "picture_too_large"),
        (Request({}, picture(np.zeros((40, 40, 3), np.uint8))), "picture_too_large"),
    ):
        with pytest.raises(TaskError) as caught:
            seen.picture(request, max_pixels=1000)
        assert caught.value.code == code


def test_several_frames_are_decoded_and_the_last_is_shown_upright() -> None:
    seen = Seen()
    sent = frames("libvpx", 4)
    options = {"format": "vp8", "session": "a", "frames": [len(frame) for frame in sent[:3]]}
    pixels = seen.picture(Request(options, b"".join(sent[:3])))
    assert pixels.mean() == pytest.approx(80, abs=4)
    turned = seen.picture(Request({"format": "vp8", "session": "a", "frames": [len(sent[3])], "turns": 1}, sent[3]))
    assert turned.shape == (64, 48, 3) and turned.mean() == pytest.approx(100, abs=4)
    for lengths in ([], [1], [0, len(sent[0])], "x", [len(sent[0]), 1.0], [True]):
        with pytest.raises(TaskError, match="frames"):
            seen.picture(Request({"format": "vp8", "session": "a", "frames": lengths}, sent[0]))
