"""Synthetic cameras and microphones: a moving picture in one colour per participant, and real speech.

Made once and kept in a cache folder. Refuses to know browsers.
"""

from __future__ import annotations

import subprocess
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "media"

# 320x180 at 15 fps: three participants who see each other cost two thirds of two cores; 640x360 costs all of them.
WIDTH, HEIGHT, FPS, SECONDS = 320, 180, 15, 4

# Limited-range BT.601, as y4m readers assume without a colour tag.
COLOURS: dict[str, tuple[int, int, int]] = {"red": (200, 30, 30), "green": (30, 160, 40), "blue": (40, 60, 210)}

SENTENCES = {
    "red": ("en-us", "Good morning everybody. Can you hear me well? I would like to start with the plan for today."),
    "green": ("en-gb", "Yes, we hear you. The numbers of last week look good, and the new room works without trouble."),
    "blue": ("en-us", "Thank you. Let us go through the list, one by one, and write down who takes which of them."),
}
SAMPLE_RATE = 48_000


@dataclass(frozen=True)
class Media:
    """Files that stand for one person's camera and microphone."""

    colour: str
    camera: Path
    """y4m, 320x180 at 15 fps, 4 s: the colour with a white square that crosses it."""
    microphone: Path
    """wav, 48 kHz stereo 16 bit, a spoken sentence."""

    @property
    def rgb(self) -> tuple[int, int, int]:
        return COLOURS[self.colour]


def _yuv(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    red, green, blue = rgb
    return (
        round(16 + 0.257 * red + 0.504 * green + 0.098 * blue),
        round(128 - 0.148 * red - 0.291 * green + 0.439 * blue),
        round(128 + 0.439 * red - 0.368 * green - 0.071 * blue),
    )


def _write_camera(path: Path, rgb: tuple[int, int, int]) -> None:
    luma, cb, cr = _yuv(rgb)
    frames = []
    side = HEIGHT // 4
    for number in range(FPS * SECONDS):
        y = np.full((HEIGHT, WIDTH), luma, np.uint8)
        u = np.full((HEIGHT // 2, WIDTH // 2), cb, np.uint8)
        v = np.full((HEIGHT // 2, WIDTH // 2), cr, np.uint8)
        # Across and back in four seconds, so that the loop has no jump.
        x = round((WIDTH - side) * abs(1 - 2 * number / (FPS * SECONDS))) // 2 * 2
        top = (HEIGHT - side) // 2
        y[top : top + side, x : x + side] = 235
        u[top // 2 : (top + side) // 2, x // 2 : (x + side) // 2] = 128
        v[top // 2 : (top + side) // 2, x // 2 : (x + side) // 2] = 128
        frames.append(b"FRAME\n" + y.tobytes() + u.tobytes() + v.tobytes())
    path.write_bytes(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg\n".encode() + b"".join(frames))


def _write_microphone(path: Path, voice: str, sentence: str) -> None:
    raw = path.with_suffix(".espeak.wav")
    subprocess.run(["espeak-ng", "-v", voice, "-s", "160", "-w", str(raw), sentence], check=True, timeout=30)
    with wave.open(str(raw)) as spoken:
        rate = spoken.getframerate()
        samples = np.frombuffer(spoken.readframes(spoken.getnframes()), np.int16)
    raw.unlink()
    length = len(samples) * SAMPLE_RATE // rate
    resampled = np.interp(np.arange(length) * rate / SAMPLE_RATE, np.arange(len(samples)), samples).astype(np.int16)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(np.repeat(resampled, 2).tobytes())


def media(colour: str) -> Media:
    """The files of a colour: "red", "green" or "blue". Made at the first call."""
    made = Media(colour, CACHE / f"{colour}.y4m", CACHE / f"{colour}.wav")
    CACHE.mkdir(parents=True, exist_ok=True)
    if not made.camera.exists():
        part = CACHE / f"{colour}.part.y4m"
        _write_camera(part, COLOURS[colour])
        part.replace(made.camera)
    if not made.microphone.exists():
        part = CACHE / f"{colour}.part.wav"
        _write_microphone(part, *SENTENCES[colour])
        part.replace(made.microphone)
    return made


def large_media() -> Media:
    """Red with noise that moves, so that an encoder needs its bits: 960x540 at 15 fps, 2 s. The smallest picture of
    which Chromium sends all three layers; at 640x360 it never starts the top one."""
    path = CACHE / "red-960.y4m"
    small = media("red")
    if not path.exists():
        width, height = 960, 540
        dice = np.random.default_rng(1)
        y, cb, cr = 80, 110, 190
        noise = dice.integers(-20, 20, (height, width))
        frames = []
        for number in range(FPS * 2):
            luma = np.full((height, width), y) + np.roll(noise, number * 8, axis=1)
            luma[: height // 6] = y
            chroma = np.full((2, height // 2, width // 2), [[[cb]], [[cr]]], np.uint8)
            frames.append(b"FRAME\n" + luma.astype(np.uint8).tobytes() + chroma.tobytes())
        part = path.with_suffix(".part")
        part.write_bytes(f"YUV4MPEG2 W{width} H{height} F{FPS}:1 Ip A1:1 C420jpeg\n".encode() + b"".join(frames))
        part.replace(path)
    return Media("red", path, small.microphone)
