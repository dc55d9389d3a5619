"""Quality and speed of models, on data with known answers: what ``parley models bench`` prints.

Owns what is measured of each task. It asks a task by requests, as the inference worker does, so whatever does the task
can be measured, plugins' models too. Pure: whoever calls it brings the data of `bench_data` and a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from appliance.ai.bench_data import BENCH_DATA, TEXTS, TWO_CITIES
from appliance.ai.measures import (
    character_error_rate,
    psnr_db,
    sharpness,
    si_sdr_db,
    with_noise,
    word_error_rate,
)
from appliance.ai.pictures import Pixels, decode_picture_untrusted, encode_picture, scaled
from appliance.ai.sound import RATE_HZ, Samples, decode_audio_untrusted
from appliance.inference.task import Request, Result, Task, TaskError

Data = Callable[[str], bytes]
"""A file of `BENCH_DATA` by its role."""
Clock = Callable[[], float]
"""Seconds; of the processor, where the machine has other work to do."""


@dataclass(frozen=True)
class Figure:
    """One measured thing."""

    model: str
    what: str
    value: float
    unit: str
    """ "%", "dB", "ms", "RTF" (real-time factor: seconds of work for a second of sound), or empty."""


PHOTOGRAPHS = tuple(source.role for source in BENCH_DATA if source.source.endswith((".png", ".jpg")))
FACES = {"astronaut": 1, "faces_1": 3, "faces_2": 3, "faces_3": 3, "faces_4": 4, "faces_5": 5, "faces_6": 4}
"""Photographs, and how many faces BlazeFace's size can find in each, counted by eye: 23 in all."""
FACELESS = ("coffee", "motorcycle_left", "hubble_deep_field")
DESPAIR_S = 21
"""Where a sentence of ``two_cities`` ends."""
PIECE = RATE_HZ // 10
"""Of a live stream: 100 ms."""


def figures(model: str, task: Task, data: Data, clock: Clock, *, quick: bool = False) -> list[Figure]:
    """What is measured of a model's task; empty for a task that nothing is known to measure of.

    ``quick``: with less speech, for who wants to know whether it works and not how well exactly.

    Raises TaskError when the task refuses good data, and what the task raises.
    """
    measured = _MEASURES.get(task.name)
    return [] if measured is None else [Figure(model, *row) for row in measured(_Asked(task, data, clock, quick))]


def table(rows: Iterable[Figure]) -> str:
    """Of figures, for people."""
    cells = [(row.model, row.what, f"{row.value:.4g}", row.unit) for row in rows]
    widths = [max((len(cell[n]) for cell in cells), default=0) for n in range(3)]
    return "\n".join(
        f"{model:<{widths[0]}}  {what:<{widths[1]}}  {value:>{widths[2]}} {unit}".rstrip()
        for model, what, value, unit in cells
    )


Row = tuple[str, float, str]


class _Asked:
    """A task, and how long its answers took."""

    def __init__(self, task: Task, data: Data, clock: Clock, quick: bool) -> None:
        self._task, self._data, self._clock = task, data, clock
        self.quick = quick
        self.took_s = 0.0
        """By the last answer."""

    def __call__(self, options: dict[str, Any], payload: bytes) -> Result:
        before = self._clock()
        (answer,) = self._task.run([Request(options, payload)])
        self.took_s = self._clock() - before
        if isinstance(answer, TaskError):
            raise answer
        return answer

    def file(self, role: str) -> bytes:
        return self._data(role)

    def samples(self, role: str) -> Samples:
        return decode_audio_untrusted(self._data(role), "wav")

    def pixels(self, role: str) -> Pixels:
        return decode_picture_untrusted(self._data(role))

    def pcm(self, samples: Samples, **options: Any) -> Result:
        form = {"format": "pcm_f32", "sample_rate": RATE_HZ, **options}
        return self(form, samples.astype("<f4").tobytes())


def _asr(ask: _Asked) -> Iterator[Row]:
    samples = ask.samples("two_cities")
    said = TWO_CITIES
    if ask.quick:
        samples, said = samples[: DESPAIR_S * RATE_HZ], said[: said.index("despair") + len("despair")]
    heard = ask.pcm(samples, language="en").values
    length_s = len(samples) / RATE_HZ
    yield f"word error rate, English, {length_s:.0f} s read", 100 * word_error_rate(said, heard["text"]), "%"
    yield "speed, whole recording", ask.took_s / length_s, "RTF"
    yield from _live(ask)
    try:
        zh = ask({"language": "zh"}, ask.file("zh_nihao_shijie")).values["text"]
    except TaskError as error:
        if error.code != "bad_option":
            raise
        return
    yield "character error rate, Chinese, a short phrase", 100 * character_error_rate(TEXTS["zh_nihao_shijie"], zh), "%"
    spoken = [role for role in (source.role for source in BENCH_DATA) if role.endswith("_pangrama")]
    spoken = spoken[: 3 if ask.quick else None]
    right = sum(ask({}, ask.file(role)).values["language"] == role[:2] for role in spoken)
    yield f"language found, of {len(spoken)} phrases of 3 to 4 s", right, ""


def _live(ask: _Asked) -> Iterator[Row]:
    """The beginning of it as a stream, one piece after the other."""
    samples = ask.samples("two_cities")[: (9 if ask.quick else DESPAIR_S) * RATE_HZ]
    partials_ms, finals_ms, total_s = list[float](), list[float](), 0.0
    for at in range(0, len(samples), PIECE):
        last = at + PIECE >= len(samples)
        said = ask.pcm(samples[at : at + PIECE], session="bench", at_ms=at * 1000 / RATE_HZ, language="en", last=last)
        kinds = {caption["kind"] for caption in said.values["captions"]}
        total_s += ask.took_s
        if "final" in kinds:
            finals_ms.append(ask.took_s * 1000)
        elif "partial" in kinds:
            partials_ms.append(ask.took_s * 1000)
    yield "speed, live with partial results", total_s / (len(samples) / RATE_HZ), "RTF"
    if partials_ms:
        yield "partial result, longest", max(partials_ms), "ms"
    if finals_ms:
        yield "final result, longest", max(finals_ms), "ms"


def _vad(ask: _Asked) -> Iterator[Row]:
    speech = ask({}, ask.file("two_cities")).values
    yield "speech found in 44 s read", 100 * speech["speech_ms"] / speech["duration_ms"], "%"
    yield "speed", ask.took_s / (speech["duration_ms"] / 1000), "RTF"
    noise = with_noise(np.full(10 * RATE_HZ, 1e-3, np.float32), -30)
    yield "speech found in white noise", 100 * ask.pcm(noise).values["speech_ms"] / 10_000, "%"


def _denoise(ask: _Asked) -> Iterator[Row]:
    clean = ask.samples("two_cities")[RATE_HZ : 13 * RATE_HZ]
    noisy = with_noise(clean, 5)
    answer = ask.pcm(noisy, output="pcm_f32")
    got = np.frombuffer(answer.payload, "<f4")
    yield "SI-SDR of speech in white noise at 5 dB, after", si_sdr_db(clean, got), "dB"
    yield "SI-SDR gained", si_sdr_db(clean, got) - si_sdr_db(clean, noisy), "dB"
    yield "speed", ask.took_s / 12, "RTF"


def _speaker(ask: _Asked) -> Iterator[Row]:
    reading, play, counting = (ask.samples(role) for role in ("two_cities", "beckett", "en_counting"))
    pieces = {
        "reader": [reading[RATE_HZ : 8 * RATE_HZ], reading[20 * RATE_HZ : 26 * RATE_HZ]],
        "actor": [play[: 5 * RATE_HZ], play[5 * RATE_HZ :]],
        "counter": [counting, ask.samples("en_quick_brown_fox")],
    }
    known = [(name, np.array(ask.pcm(piece).values["embedding"])) for name, both in pieces.items() for piece in both]
    pairs = [(a, b, float(x @ y)) for n, (a, x) in enumerate(known) for b, y in known[n + 1 :]]
    yield "similarity of the same voice, least", min(likeness for a, b, likeness in pairs if a == b), ""
    yield "similarity of different voices, most", max(likeness for a, b, likeness in pairs if a != b), ""
    yield "speed, 3 s", ask.took_s * 1000, "ms"


def _quality(ask: _Asked) -> Iterator[Row]:
    clean = ask.samples("two_cities")[RATE_HZ : 11 * RATE_HZ]
    yield "opinion of clean speech, overall", ask.pcm(clean).values["opinion"]["overall"], ""
    yield "speed", ask.took_s / 10, "RTF"
    noisy = ask.pcm(with_noise(clean, 5)).values
    yield "opinion with noise at 5 dB, overall", noisy["opinion"]["overall"], ""
    yield "opinion with noise at 5 dB, background", noisy["opinion"]["background"], ""


def _faces(ask: _Asked) -> Iterator[Row]:
    found, took_s = 0, 0.0
    for role, count in FACES.items():
        found += min(len(ask({}, ask.file(role)).values["faces"]), count)
        took_s += ask.took_s
    yield f"faces found, of {sum(FACES.values())}", found, ""
    dull = sum(len(ask({}, ask.file(role)).values["faces"]) for role in FACELESS)
    yield f"faces found in {len(FACELESS)} pictures without any", dull, ""
    yield "speed, with decoding, 2.6 megapixels", took_s / len(FACES) * 1000, "ms"


def _emotion(ask: _Asked) -> Iterator[Row]:
    (face,) = ask({}, ask.file("astronaut")).values["faces"]
    yield "happy, of the smiling astronaut", face["scores"]["happy"], ""
    small = encode_picture(scaled(ask.pixels("astronaut"), 256, 256), "jpeg")
    ask({}, small)
    yield "speed, one face of 256 × 256 pixels", ask.took_s * 1000, "ms"


def _spoof(ask: _Asked) -> Iterator[Row]:
    said = [face["verdict"] for role in FACES for face in ask({}, ask.file(role)).values["faces"]]
    yield f"real faces called real, of {len(said)}", said.count("real"), ""
    yield f"real faces called spoof, of {len(said)}", said.count("spoof"), ""


def _synthesis(ask: _Asked) -> Iterator[Row]:
    said, took_s = [], 0.0
    for role in PHOTOGRAPHS:
        said.append(ask({}, ask.file(role)).values["verdict"])
        took_s += ask.took_s
    yield f"photographs called generated, of {len(said)}", said.count("generated"), ""
    yield f"photographs of which nothing is said, of {len(said)}", said.count("unsure"), ""
    yield "speed", took_s / len(said) * 1000, "ms"


def _low_light(ask: _Asked) -> Iterator[Row]:
    true = ask.pixels("astronaut")
    grain = np.random.default_rng(0).normal(0, 2.5, true.shape)
    dark = np.clip(true * 0.15 + grain, 0, 255).round().astype(np.uint8)
    bright = decode_picture_untrusted(ask({}, encode_picture(dark, "png")).payload)
    yield "PSNR of a picture at 15 % of its light, before", psnr_db(true, dark), "dB"
    yield "PSNR after", psnr_db(true, bright), "dB"
    yield "speed, 512 × 512 pixels with PNG", ask.took_s * 1000, "ms"


def _upscale(ask: _Asked) -> Iterator[Row]:
    true = ask.pixels("astronaut")
    small = scaled(true, 256, 256, Image.Resampling.BICUBIC)
    large = decode_picture_untrusted(ask({}, encode_picture(small, "png")).payload)
    bicubic = scaled(small, 512, 512, Image.Resampling.BICUBIC)
    yield "PSNR, 256 to 512 pixels", psnr_db(true, large), "dB"
    yield "PSNR of bicubic interpolation", psnr_db(true, bicubic), "dB"
    yield "sharpness, of the original's", 100 * sharpness(large) / sharpness(true), "%"
    yield "sharpness of bicubic interpolation", 100 * sharpness(bicubic) / sharpness(true), "%"
    yield "speed", ask.took_s * 1000, "ms"


_MEASURES: dict[str, Callable[[_Asked], Iterator[Row]]] = {
    "asr": _asr,
    "vad": _vad,
    "denoise": _denoise,
    "speaker": _speaker,
    "quality": _quality,
    "faces": _faces,
    "emotion": _emotion,
    "spoof": _spoof,
    "synthesis": _synthesis,
    "low_light": _low_light,
    "upscale": _upscale,
}
