"""A meeting whose pictures flash when their sounds begin, and where flashes and beeps are in its film.

Four people in a grid. Each second all cameras flash; the beep of a second is one person's alone, the next second the
next one's, so that one mixed track tells of everybody's. Ann's clock runs 100 ppm fast and Bob's 100 ppm slow: over
four hours they part by 2.9 s.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from appliance.recorder import boxes
from appliance.recorder.journal import Codec
from tests.support.films import beep_times, look
from tests.support.recorded import Meeting, Network, pictures

NAMES = ("Ann", "Bob", "李雷", "Dora")
HEIGHT, FPS = 360, 25
MOST_OFF_MS = 40
"""MEDIA-NOTES.md §8, of picture against sound."""
_SEED = 5
_PPM = {"Ann": 100.0, "Bob": -100.0}
_CAMERA_FPS = 10
_CAMERA = 160, 90
# Of the network, on the quickest of ways; the film shows what was sent when it could arrive first.
_DELAY_S = 0.03
# Seconds that are looked at, at the start, in the middle and at the end.
_LOOKED_AT_S = 60


def record(folder: Path, seconds: float) -> None:
    """Write the journals."""
    meeting = Meeting(folder, seconds, seed=_SEED)
    for number, name in enumerate(NAMES):
        person = meeting.join(name, network=Network(delay_s=_DELAY_S, ntp_ppm=_PPM.get(name, 0.0)))
        loop = pictures(Codec.VP8, person.colour, *_CAMERA, _CAMERA_FPS)
        meeting.video(person, "camera", loop=loop, fps=_CAMERA_FPS)
        meeting.microphone(person, silent=_others_second(number))
    meeting.write()


def _others_second(number: int) -> Callable[[float], bool]:
    return lambda at_s: int(at_s + 1e-6) % len(NAMES) != number


def find(film: Path, seconds: float) -> list[dict[str, Any]]:
    """Of each person at the start, in the middle and at the end: how far pictures and sounds are from where they were
    and from one another, in ms; medians over a minute, since a picture of the film stands for 40 ms."""
    length = min(_LOOKED_AT_S, seconds / 3)
    parts = {"start": 1.0, "middle": seconds / 2, "end": seconds - length - 1}
    found = []
    for at, from_s in parts.items():
        between = (from_s, from_s + length)
        seen = look(film, boxes.grid(HEIGHT * 16 // 9, HEIGHT, len(NAMES)), between)
        beeps = beep_times(film, between=between)
        for number, name in enumerate(NAMES):
            flashes = seen[number].flashes()
            theirs = [beep for beep in beeps if round(beep - _DELAY_S) % len(NAMES) == number]
            apart = [beep - min(flashes, key=lambda flash: abs(flash - beep)) for beep in theirs]
            found.append(
                {
                    "at": at,
                    "name": name,
                    "picture_ms": _off_ms(flashes),
                    "sound_ms": _off_ms(theirs),
                    "apart_ms": round(median(apart) * 1000, 1),
                }
            )
    return found


def _off_ms(times: list[float]) -> float:
    """From the whole seconds at which they were made, and the way they had."""
    return round(median((at - _DELAY_S + 0.5) % 1 - 0.5 for at in times) * 1000, 1)
