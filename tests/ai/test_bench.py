"""The quality that is promised of each model, with some margin, on data with known answers. Slow: it is all of them."""

import importlib
import time

import pytest

from appliance.ai.bench import Figure, figures, table
from appliance.inference.task import Task
from tests.support.ai_models import data_file, model

# model: {what is measured: (at least, at most)}
PROMISES: dict[str, dict[str, tuple[float, float]]] = {
    "silero-vad": {"speech found in 44 s read": (75, 95), "speech found in white noise": (0, 0)},
    "moonshine-tiny-en": {
        "word error rate, English, 21 s read": (0, 12),
        "speed, whole recording": (0, 0.25),
        "speed, live with partial results": (0, 0.6),
    },
    "whisper-base-int8": {
        "word error rate, English, 21 s read": (0, 10),
        "character error rate, Chinese, a short phrase": (0, 25),
        "language found, of 3 phrases of 3 to 4 s": (2, 3),
    },
    "dtln": {"SI-SDR gained": (5, 30)},
    "ge2e": {"similarity of the same voice, least": (0.82, 1), "similarity of different voices, most": (-1, 0.8)},
    "dnsmos": {"opinion of clean speech, overall": (3, 5), "opinion with noise at 5 dB, overall": (1, 2.5)},
    "blazeface": {"faces found, of 23": (22, 23), "faces found in 3 pictures without any": (0, 1)},
    "emotion": {"happy, of the smiling astronaut": (0.9, 1)},
    "face-spoof": {"real faces called spoof, of 23": (0, 0), "real faces called real, of 23": (18, 23)},
    "clip-generated": {"photographs called generated, of 12": (0, 0)},
    "zero-dce": {"PSNR after": (11, 40)},
    "esrgan-slim-x2": {"PSNR, 256 to 512 pixels": (29, 40)},
}


def measured(name: str) -> list[Figure]:
    loaded = model(name)
    module, cls = loaded.entry.processor.split(":")
    task: Task = getattr(importlib.import_module(module), cls)(loaded)
    # Of this process's own time: other work on the machine is not the model's.
    return figures(name, task, lambda role: data_file(role).read_bytes(), time.process_time, quick=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROMISES)
def test_a_model_keeps_its_promises(name: str) -> None:
    rows = measured(name)
    print(table(rows))
    found = {row.what: row.value for row in rows}
    for what, (least, most) in PROMISES[name].items():
        assert least <= found[what] <= most, f"{what}: {found[what]}"
    assert all(row.model == name for row in rows)


def test_the_table_is_aligned() -> None:
    rows = [Figure("a", "word error rate", 4.2017, "%"), Figure("model", "speed", 0.03, "RTF")]
    assert table(rows).splitlines() == ["a      word error rate  4.202 %", "model  speed             0.03 RTF"]
    assert table([]) == ""


def test_of_an_unknown_task_nothing_is_measured() -> None:
    class Odd:
        name = "odd"

        def run(self, requests: object) -> list[object]:
            raise AssertionError("it is not asked")

    assert figures("x", Odd(), lambda _: b"", time.process_time) == []
