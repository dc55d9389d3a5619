"""Graphs at a Triton server: its client against a server of the protocol, and a whole worker that uses both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from appliance.inference.installed import ModelError
from appliance.inference.replies import InferenceError
from appliance.inference.runtime import check_tensors
from appliance.inference.triton import open_triton
from tests.support.inference_world import models_folder, running
from tests.support.kserve import serving_kserve
from tests.support.waiting import until

pytestmark = pytest.mark.slow

ROWS = np.arange(8, dtype=np.float32).reshape(2, 4)


def test_a_graph_that_is_there_is_run_there(tmp_path: Path) -> None:
    entry = models_folder(tmp_path).entry("identity")
    with serving_kserve("identity.model") as triton:
        session = open_triton(triton.url, entry, entry.files[0])
        assert session is not None
        check_tensors(entry, entry.files[0], session)
        assert [tensor.name for tensor in session.get_outputs()] == ["y"]
        for names in (["y"], None):
            (out,) = session.run(names, {"x": ROWS})
            assert np.array_equal(out, 2 * ROWS)
        triton.break_down()
        with pytest.raises(ModelError, match="out of memory") as caught:
            session.run(None, {"x": ROWS})
        assert caught.value.code == "model_unavailable"


def test_a_graph_that_is_not_there_stays_here(tmp_path: Path) -> None:
    entry = models_folder(tmp_path).entry("identity")
    with serving_kserve("another.model") as triton:
        assert open_triton(triton.url, entry, entry.files[0]) is None


def test_tensors_that_are_not_the_catalogs_are_refused(tmp_path: Path) -> None:
    entry = models_folder(tmp_path).entry("identity")
    with serving_kserve("identity.model", datatype="INT64", columns=5) as triton:
        session = open_triton(triton.url, entry, entry.files[0])
        assert session is not None
        with pytest.raises(ModelError, match=r"input 'x' is tensor\(int64\) instead of tensor\(float\); input 'x' has"):
            check_tensors(entry, entry.files[0], session)


def test_nobody_who_answers_is_said(tmp_path: Path) -> None:
    entry = models_folder(tmp_path).entry("identity")
    with pytest.raises(ModelError, match="Triton at http") as caught:
        open_triton("http://127.0.0.1:9", entry, entry.files[0])
    assert caught.value.code == "model_unavailable"


async def test_a_worker_uses_both(tmp_path: Path) -> None:
    with serving_kserve("identity.model") as triton:
        async with running(models_folder(tmp_path), worker={"triton_url": triton.url}) as inference:
            reply = await inference.infer("identity", ROWS[1].tobytes())
            assert np.array_equal(np.frombuffer(reply.payload, np.float32), 2 * ROWS[1]), "it doubles there"
            assert (await inference.infer("echo", b"here")).payload == b"here"
            models = lambda: {model.name: model for model in inference.list_models()}  # noqa: E731
            await until(lambda: models()["identity"].providers == ("Triton",))
            triton.break_down()
            with pytest.raises(InferenceError, match="out of memory") as caught:
                await inference.infer("identity", ROWS[0].tobytes())
            assert caught.value.code == "model_unavailable"
