"""From settings to the parts of inference."""

from __future__ import annotations

from pathlib import Path

import pytest
import zmq

from appliance.ai_parts import make_inference, model_folder, worker_configs
from appliance.errors import ConfigError
from appliance.inference.keys import key_pair
from appliance.settings import AiSettings, DataSettings, ModelsSettings, Settings
from tests.support.inference_world import entry_text

KEY = zmq.curve_keypair()[0].decode()


def _settings(folder: Path, **sections: object) -> Settings:
    return Settings(data=DataSettings(folder=str(folder)), **sections)  # type: ignore[arg-type]


def _no_meter(model: str, outcome: str, seconds: float) -> None:
    raise AssertionError((model, outcome, seconds))


def test_models_lie_in_the_data_folder_unless_said_otherwise(tmp_path: Path) -> None:
    assert model_folder(_settings(tmp_path)).folder == tmp_path / "models"
    elsewhere = ModelsSettings(folder=str(tmp_path / "else"))
    assert model_folder(_settings(tmp_path, models=elsewhere)).folder == tmp_path / "else"


def test_catalogs_of_ones_own_are_read(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(entry_text("mine", "Echo"))
    models = ModelsSettings(catalogs=(str(tmp_path / "mine.toml"),))
    assert model_folder(_settings(tmp_path, models=models)).entry("mine").task == "mine"
    with pytest.raises(ConfigError, match=r"models\.catalogs"):
        model_folder(_settings(tmp_path, models=ModelsSettings(catalogs=("absent.toml",))))


def test_workers_are_what_the_settings_say(tmp_path: Path) -> None:
    settings = _settings(tmp_path, ai=AiSettings(processes=3, device="cuda", threads=2))
    configs = worker_configs(settings, model_folder(settings))
    assert len(configs) == 3
    assert (configs[0].device, configs[0].threads, configs[0].secret_key) == ("cuda", 2, "")
    assert configs[0].niceness > 0, "media goes first"
    assert Path(configs[0].models_folder).is_absolute()
    pair = key_pair(tmp_path)
    (served,) = worker_configs(
        settings, model_folder(settings), endpoint="tcp://x:1", keys=pair, authorized=(KEY,), has_parent=False
    )
    assert (served.endpoint, served.secret_key, served.authorized) == ("tcp://x:1", pair.secret, (KEY,))


def test_workers_elsewhere_get_our_key(tmp_path: Path) -> None:
    settings = _settings(tmp_path, ai=AiSettings(workers=(f"tcp://10.0.0.5:8810 {KEY}", "tcp://127.0.0.1:8810")))
    inference = make_inference(settings, _no_meter)
    assert inference.enabled
    assert [remote.endpoint for remote in inference.remote] == ["tcp://10.0.0.5:8810", "tcp://127.0.0.1:8810"]
    assert inference.remote[0].curve is not None
    assert inference.remote[0].curve.public_key == key_pair(tmp_path).public
    assert inference.remote[1].curve is None


def test_switched_off_no_key_is_drawn(tmp_path: Path) -> None:
    settings = _settings(tmp_path, ai=AiSettings(enabled=False, workers=(f"tcp://10.0.0.5:8810 {KEY}",)))
    assert not make_inference(settings, _no_meter).enabled
    assert list(tmp_path.iterdir()) == []
