"""Which jobs of recordings there are, bound together. Owns nothing else."""

from __future__ import annotations

from appliance.jobs.registry import Registry
from appliance.recordings.ahead import add_ahead
from appliance.recordings.processing import add_processing
from appliance.recordings.removal import add_removal
from appliance.recordings.retention import add_retention
from appliance.recordings.shelf import Shelf, Told
from appliance.settings import RecordingSettings


def add_recording_jobs(
    registry: Registry, shelf: Shelf, settings: RecordingSettings, *, at_once: int, told: Told
) -> None:
    """Bind them. ``at_once``: as many films as there are worker processes. ``told``: see `shelf.Told`."""
    add_ahead(registry, shelf, settings, told=told)
    add_processing(registry, shelf, settings, at_once=at_once, told=told)
    add_removal(registry, shelf)
    add_retention(registry, shelf, settings, told=told)
