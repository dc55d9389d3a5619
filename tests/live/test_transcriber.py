"""Which languages can be chosen, which model takes one, and why there are no captions."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from appliance.errors import UserError
from appliance.inference.client import Inference
from appliance.inference.entries import CatalogEntry
from appliance.live.transcriber import Transcriber, languages_of, model_for
from appliance.settings import CaptionsSettings
from tests.support.spoken import spelling_folder
from tests.support.still_media import StillTap


def entries(folder: Path, **languages: list[str]) -> tuple[CatalogEntry, ...]:
    return spelling_folder(folder, **languages).installed()


def test_a_model_of_one_language_recognises_none(tmp_path: Path) -> None:
    english = entries(tmp_path, quick=["en"])
    assert languages_of(english, "auto") == ("en",)
    assert model_for("auto", english) is None
    assert model_for("fr", english) is None
    assert languages_of((), "auto") == () and model_for("en", ()) is None


def test_the_preferred_language_is_first_and_the_first_model_that_knows_it_is_taken(tmp_path: Path) -> None:
    both = entries(tmp_path, quick=["en"], large=["en", "zh", "fr"])
    assert languages_of(both, "auto") == ("auto", "en", "zh", "fr")
    assert languages_of(both, "zh") == ("zh", "auto", "en", "fr")
    assert languages_of(both, "xx") == ("auto", "en", "zh", "fr")
    chosen = {language: model_for(language, both) for language in ("auto", "en", "zh")}
    assert {language: entry and entry.name for language, entry in chosen.items()} == {
        "auto": "large", "en": "quick", "zh": "large",
    }  # fmt: skip


async def test_it_says_why_there_are_no_captions(tmp_path: Path) -> None:
    models = spelling_folder(tmp_path)
    enabled = Inference(models, enabled=True, local=[])

    def ability(inference: Inference, **settings: bool) -> tuple[bool, str | None, tuple[str, ...], bool]:
        found = Transcriber(CaptionsSettings(**settings), inference, clock_us=lambda: 0).ability()
        return found.available, found.reason, found.languages, found.transcript

    assert ability(enabled) == (False, "worker_down", ("en",), True)  # it does not run
    assert ability(enabled, transcript=False)[3] is False
    told = Transcriber(CaptionsSettings(), enabled, clock_us=lambda: 0, report_at="llm.example.org").ability()
    assert told.report_at == "llm.example.org"
    assert ability(enabled, enabled=False) == (False, "ai_disabled", (), False)
    assert ability(Inference(models, enabled=False, local=[]))[1] == "ai_disabled"
    for entry in models.installed():
        models.remove(entry)
    nothing = Inference(models, enabled=True, local=[])
    assert ability(nothing) == (False, "model_not_installed", (), True)


async def test_a_language_that_no_model_knows_any_more_opens_no_voice(tmp_path: Path) -> None:
    transcriber = Transcriber(
        CaptionsSettings(), Inference(spelling_folder(tmp_path), enabled=True, local=[]), clock_us=lambda: 0
    )
    tap = StillTap()
    with pytest.raises(UserError) as refused:
        transcriber.open_voice(
            tap, participant_id="p", name="Ann", language="fr", gated=True, tell=_never, shed=lambda: None
        )
    assert refused.value.code == "captions_unavailable" and tap.closed
    assert transcriber.shed == 0


async def _never(voice: object, line: object) -> None:
    await trio.sleep_forever()
