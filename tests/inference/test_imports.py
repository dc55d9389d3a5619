"""Code that a catalog names."""

from __future__ import annotations

import pytest

from appliance.inference.imports import resolve
from appliance.inference.installed import ModelError
from tests.support.inference_tasks import Echo


def test_it_is_found_by_its_path() -> None:
    assert resolve("tests.support.inference_tasks:Echo", group="none") is Echo


def test_it_is_found_by_an_entry_point() -> None:
    from importlib.metadata import entry_points

    point = next(iter(entry_points(group="console_scripts")))
    assert resolve(point.name, group="console_scripts") is not None


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tests.support.absent:Echo", "No module named 'tests.support.absent'"),
        ("tests.support.inference_tasks:Absent", "has no Absent"),
        ("absent", "no entry points 'absent' in parley.nothing; there are: none"),
    ],
)
def test_what_is_not_there_is_named(name: str, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        resolve(name, group="parley.nothing")
