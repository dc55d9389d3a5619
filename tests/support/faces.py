"""Cameras with a face in front of them: a photograph as VP8, as a tap's records; a models folder with what looks at it.

Owns the picture and its coding; refuses to know what is found. No labelled attack is at hand: in `models_that_watch`
with ``accusing`` the spoof model's bounds are such that the real face counts as one.
"""

from __future__ import annotations

import io
import time
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
from PIL import Image

from appliance.inference.client import Inference
from appliance.inference.installed import ModelFolder
from appliance.inference.worker_config import WorkerConfig
from appliance.recorder.journal import KEY_FRAME, Codec, Kind, Record, encode
from tests.support.ai_models import CATALOG, data_file, install

SIDE = 512
_SUMMARY = 'summary = "Whether a face is a picture of one.'


@cache
def face_frames(count: int = 30) -> tuple[bytes, ...]:
    """VP8 of a smiling face that holds still: a key frame, and what depends on it."""
    with Image.open(io.BytesIO(data_file("astronaut").read_bytes())) as photograph:
        pixels = np.asarray(photograph.convert("RGB").resize((SIDE, SIDE)), np.uint8)
    return vp8(pixels, count)


@cache
def empty_frames(count: int = 30) -> tuple[bytes, ...]:
    """VP8 of a wall."""
    return vp8(np.full((SIDE, SIDE, 3), 120, np.uint8), count)


def vp8(pixels: np.ndarray, count: int) -> tuple[bytes, ...]:
    """The picture, again and again."""
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = SIDE, SIDE, "yuv420p", Fraction(1, 30)
    encoder.bit_rate = 2_000_000
    encoder.options = {"deadline": "realtime", "lag-in-frames": "0", "cpu-used": "8", "g": "10000"}
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
    return tuple(bytes(packet) for _ in range(count) for packet in encoder.encode(frame))


def records(frames: tuple[bytes, ...], *, key: bool = True, at_us: int | None = None) -> bytes:
    """What a tap gives of them. ``key``: the first is a key frame."""
    at_us = time.time_ns() // 1000 if at_us is None else at_us
    return b"".join(
        encode(
            Record(
                kind=Kind.FRAME,
                codec=Codec.VP8,
                flags=KEY_FRAME if key and number == 0 else 0,
                at_us=at_us + number * 1000,
                rtp=number * 3000,
                clock_rate=90_000,
                payload=frame,
            )
        )
        for number, frame in enumerate(frames)
    )


def models_that_watch(folder: Path, *names: str, accusing: bool = False) -> ModelFolder:
    """A models folder with these of the catalog."""
    catalog = folder / "catalog.toml"
    text = CATALOG.read_text()
    if accusing:
        assert text.count(_SUMMARY) == 1
        text = text.replace(_SUMMARY, f"options = {{ real_from = 1.1, spoof_below = 1.05 }}\n{_SUMMARY}")
    catalog.write_text(text)
    models = ModelFolder(folder / "models", [catalog])
    install(models, *names)
    return models


def inference_on(models: ModelFolder) -> Inference:
    """With one worker process on one thread."""
    catalogs = (str(models.folder.parent / "catalog.toml"),)
    config = WorkerConfig(
        endpoint="", models_folder=str(models.folder), catalogs=catalogs, device="cpu", threads=1
    )
    return Inference(models, enabled=True, local=[config])
