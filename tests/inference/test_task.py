"""The contract between the worker and tasks: the tests' own tasks keep it, and so do the catalog's."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.inference.imports import resolve
from appliance.inference.installed import ModelFolder
from appliance.inference.task import ENTRY_POINTS, LoadedModel, Request, Task, TaskError
from tests.support import inference_tasks
from tests.support.inference_world import models_folder


def test_a_request_says_its_session() -> None:
    assert Request({"session": "s"}, b"").session == "s"
    assert Request({}, b"").session is None
    assert Request({"session": 7}, b"").session is None


def test_an_error_of_a_task_has_code_and_text() -> None:
    error = TaskError("bad_audio", "sample_rate = 0: must be positive")
    assert (error.code, error.message, str(error)) == ("bad_audio",) + ("sample_rate = 0: must be positive",) * 2


def test_a_tests_task_is_a_task(tmp_path: Path) -> None:
    models = models_folder(tmp_path)
    entry = models.entry("echo")
    task: Task = inference_tasks.Echo(LoadedModel(entry, models.path(entry), {}))
    (result,) = task.run([Request({}, b"x")])
    assert not isinstance(result, TaskError)
    assert result.payload == b"x"


@pytest.mark.slow
def test_what_the_shipped_catalog_names_is_a_task() -> None:
    for entry in ModelFolder(Path("unused")).catalog:
        found = resolve(entry.processor, group=ENTRY_POINTS)
        assert found.name == entry.task, entry.name
        assert callable(found.run)
        if entry.conversion is not None:
            assert callable(resolve(entry.conversion, group="none"))
