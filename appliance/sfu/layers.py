"""Which simulcast layer a picture of a given size on a screen deserves.

Pure. The server does not learn a camera's size from the SDP, so layers are reasoned about as halvings of a 720p
picture: that is what the web UI captures, and a wrong guess costs one step of sharpness, not the picture.
"""

from __future__ import annotations

# The web UI asks getUserMedia for 1280×720; each layer below the top halves both sides ("q" ÷4, "h" ÷2, "f").
TOP_WIDTH = 1280
TOP_HEIGHT = 720
# Scaling a layer up by a quarter is not seen in a moving picture; beyond it the next layer is worth its bits.
_STRETCH = 1.25
# Chromium's VP8 and H.264 simulcast layers have three temporal layers at 1/4, 1/2 and the whole frame rate of 30.
_TOP_FPS = 30
# Of a track that names none in its SDP: one layer, or spatial layers inside one stream, of which browsers make three at
# most. The data plane knows how many there are and takes the nearest below.
UNTOLD_LAYERS = 3
ALL_TEMPORAL = 7  # more than any stream has: the data plane's "everything"


def choose_layer(*, width: int, height: int, layers: int) -> int:
    """0-based layer for a picture shown at ``width`` × ``height`` device pixels, of a producer with ``layers``."""
    wanted = max(width / TOP_WIDTH, height / TOP_HEIGHT)
    for layer in range(layers - 1):
        if wanted <= _STRETCH / 2 ** (layers - 1 - layer):
            return layer
    return max(0, layers - 1)


def choose_temporal(max_fps: int) -> int:
    """Highest temporal layer for a wanted frame rate: 0 is a quarter of the frames, 1 half, ALL_TEMPORAL all."""
    if max_fps * 4 <= _TOP_FPS:
        return 0
    if max_fps * 2 <= _TOP_FPS:
        return 1
    return ALL_TEMPORAL
