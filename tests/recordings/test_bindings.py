"""A server does every kind of job that is ordered about a recording."""

from __future__ import annotations

from pathlib import Path

from appliance.jobs.recording_orders import RECORDING_AHEAD, RECORDING_PROCESS, RECORDING_REMOVE
from appliance.jobs.registry import Registry
from appliance.recordings.bindings import add_recording_jobs
from appliance.settings import RecordingSettings
from tests.support.shelves import open_house


async def test_every_order_finds_somebody(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path) as house:
        registry = Registry(processes=3)
        add_recording_jobs(registry, house.shelf, RecordingSettings(), at_once=3, told=house.told.append)
        ordered = {kind.name for kind in (RECORDING_AHEAD, RECORDING_PROCESS, RECORDING_REMOVE)}
        assert set(registry.bindings) == {*ordered, "recordings.keep"}
        assert registry.bindings[RECORDING_PROCESS.name].type.at_once == 3
