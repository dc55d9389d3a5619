"""``parley models bench --quality`` on models that need no network: real weights, and a data source that is away."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.__main__ import main
from appliance.model_bench import NotMeasuredError, measure
from appliance.settings import DataSettings, ModelsSettings, Settings
from tests.support.inference_world import entry_text, models_folder
from tests.test_main import _place  # the same place for commands

__all__ = ["_place"]

pytestmark = pytest.mark.slow


def test_what_nothing_is_known_to_measure_of_has_no_figures(tmp_path: Path) -> None:
    models = models_folder(tmp_path, (entry_text("echo", "Echo"), entry_text("broken", "Unmakeable")))
    catalogs = (str(tmp_path / "catalog.toml"),)
    settings = Settings(
        data=DataSettings(folder=str(tmp_path)), models=ModelsSettings(folder=str(models.folder), catalogs=catalogs)
    )
    said: list[str] = []
    measure(settings, [models.entry("echo")], said.append, quick=True)
    assert "onnxruntime" in said[0] and said[1:] == [""]
    with pytest.raises(NotMeasuredError, match="not measured: broken"):
        measure(settings, [models.entry("echo"), models.entry("broken")], said.append, quick=True)
    assert "broken: the tokenizer has no end" in said


def test_without_the_data_it_says_so(
    _place: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "nowhere")
    monkeypatch.setenv("PATH", "")
    assert main(["models", "pull", "emotion"]) == 0
    assert main(["models", "bench", "emotion", "--quality", "--quick"]) == 1
    captured = capsys.readouterr()
    assert "| emotion | emotion | " in captured.out
    assert "emotion: scikit-image" in captured.out and "cannot be downloaded" in captured.out
    assert captured.err == "parley: not measured: emotion\n"
