"""How many looks it takes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from appliance.ai.vision.emotion import EMOTIONS
from appliance.live.findings import (
    AGREEING,
    EXPRESSIONS,
    Accusation,
    Expressions,
    Look,
    Suspicion,
    expression_of,
    generated_of,
    spoof_of,
)

HAPPY, SAD, NOBODY = Look("happy", 0.9), Look("sad", 0.6), Look(None, 0.0)


def test_the_labels_are_the_models() -> None:
    assert EXPRESSIONS == EMOTIONS


def labels(*looks: Look) -> list[str | None]:
    seen = Expressions()
    return [seen.label for look in looks if seen.see(look) or True]


def test_two_looks_that_agree_make_an_expression() -> None:
    assert labels(HAPPY, HAPPY, SAD, HAPPY, SAD, SAD) == [None, "happy", "happy", "happy", "happy", "sad"]
    seen = Expressions()
    assert [seen.see(HAPPY) for _ in range(4)] == [False, True, False, False]


def test_one_look_without_a_face_says_nothing_and_three_end_it() -> None:
    assert labels(HAPPY, HAPPY, NOBODY, HAPPY, NOBODY, NOBODY, NOBODY, HAPPY) == [
        None, "happy", "happy", "happy", "happy", "happy", None, None,
    ]  # fmt: skip


def face(side: int, **more: Any) -> dict[str, Any]:
    return {"box": [0, 0, side, side], "score": 0.9, **more}


def test_the_largest_face_is_the_persons() -> None:
    far_right = {"box": [400, 0, 20, 20], "emotion": "sad", "confidence": 0.9}
    two = [far_right, face(90, emotion="happy", confidence=0.7)]
    assert expression_of({"faces": two}) == Look("happy", 0.7)
    assert expression_of({"faces": [face(20, emotion="unsure", confidence=0.3)]}) == Look(None, 0.3)
    assert expression_of({"faces": []}) == Look(None, 0.0)


def test_what_a_model_abstains_from_accuses_nobody() -> None:
    def judged(verdict: str, antispoof: float = 0.1, liveness: float = 0.1) -> dict[str, Any]:
        return face(90, verdict=verdict, antispoof=antispoof, liveness=liveness)

    assert spoof_of({"faces": [judged("unsure"), judged("real", 0.9, 0.9)]}) is None
    found = spoof_of({"faces": [judged("real", 0.9, 0.9), judged("spoof", 0.1, 0.3), judged("spoof", 0.0, 0.1)]})
    assert found is not None and found.kind == "face_spoof" and found.score == pytest.approx(0.95)
    assert found.box == (0, 0, 90, 90)
    assert generated_of({"verdict": "unsure", "probability": 0.8}) is None
    assert generated_of({"verdict": "generated", "probability": 0.97}) == Accusation(
        kind="generated_picture", score=0.97
    )


@pytest.mark.parametrize("read", [expression_of, spoof_of, generated_of])
def test_another_answer_is_refused(read: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        read({"faces": [{"box": "x"}]})


def test_an_alert_needs_looks_in_a_row() -> None:
    accused, suspicion = Accusation(kind="face_spoof", score=0.9), Suspicion()
    assert [suspicion.see(accused) for _ in range(AGREEING - 1)] == [False] * (AGREEING - 1)
    assert not suspicion.see(None)
    assert [suspicion.see(accused) for _ in range(AGREEING + 1)] == [False] * (AGREEING - 1) + [True, False]
