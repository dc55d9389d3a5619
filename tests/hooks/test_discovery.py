"""What packages declare is read without importing them; what is no plugin is refused with the reason."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from appliance.hooks.discovery import RefusedPluginError, checked, find, merge
from tests.support.plugins import opening, plugin


def _package(folder: Path, entry_points: str, module: str = "") -> None:
    """An installed distribution, as pip leaves it."""
    metadata = folder / "parley_sample-1.4.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: parley-sample\nVersion: 1.4\n")
    (metadata / "entry_points.txt").write_text(entry_points)
    (folder / "parley_sample_for_tests.py").write_text(module)


def test_installed_plugins_are_found_and_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = "parley.notifiers", "parley.event_listeners"
    lines = "".join(f"[{group}]\nsample = parley_sample_for_tests:plugin\n" for group in groups)
    _package(tmp_path, lines, "plugin = 'imported'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (found,) = [plugin for plugin in find() if plugin.name == "sample"]
    assert (found.package, found.version, found.unsupported) == ("parley-sample", "1.4", None)
    assert found.groups == ("parley.event_listeners", "parley.notifiers")
    assert "parley_sample_for_tests" not in sys.modules
    assert found.load() == "imported"
    monkeypatch.delitem(sys.modules, "parley_sample_for_tests")


def test_a_name_that_two_claim_is_nobodys() -> None:
    (found,) = merge([EntryPoint("a", "one:p", "parley.notifiers"), EntryPoint("a", "two:p", "parley.notifiers")])
    assert found.unsupported == "two plugins have this name: one:p, two:p"
    same = EntryPoint("a", "one:p", "parley.notifiers")
    assert merge([same, same])[0].unsupported is None  # a folder twice on the path


@pytest.mark.parametrize("name", ["Upper", "under_score", "-x", "x y", ""])
def test_names_fit_the_environment(name: str) -> None:
    (found,) = merge([EntryPoint(name, "x:y", "parley.notifiers")])
    assert found.unsupported is not None and "small letters" in found.unsupported


@pytest.mark.parametrize(
    ("loaded", "reason"),
    [
        ("a text", "names a str, not an appliance.hooks.contract.Plugin"),
        (plugin(opening(), contract=2), "built for contract 2, this version has contract 1"),
        (plugin(opening(), contract="x" * 99), "built for contract 'xxxx"),  # type: ignore[arg-type]
        (plugin(opening(), config=dict), "config is no class of settings"),  # type: ignore[arg-type]
        (plugin(None), "open is not callable"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_plugin_is_refused(loaded: Any, reason: str) -> None:
    with pytest.raises(RefusedPluginError) as caught:
        checked(loaded)
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 120


def test_a_plugin_is_taken() -> None:
    good = plugin(opening())
    assert checked(good) is good
