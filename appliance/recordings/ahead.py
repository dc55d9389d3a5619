"""The job that makes the film of a recording while it goes on, part by part, when that was asked for.

Owns when there is something to do, and what people see of it. It holds no place while it waits, and leaves the worker
processes to finished recordings. Nothing depends on it: what it did not make, or made of what turned out to be stale,
`processing` makes.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import structlog

from appliance.jobs.places import JobContext, TryAgainError
from appliance.jobs.recording_orders import RECORDING_AHEAD, Ahead
from appliance.jobs.registry import Registry
from appliance.recorder.compose_process import ComposedAhead, ComposeOptions, compose_ahead
from appliance.recordings.shelf import Shelf, Told
from appliance.settings import RecordingSettings
from appliance.store import jobs, recordings
from appliance.store.recordings import Layout, Progress, Recording

_log = structlog.get_logger(__name__)

STAGE = "live"
"""Of `Progress` while it goes on."""
# While all worker processes are busy with something else, or the disk is nearly full.
_BUSY_S = 20.0


def add_ahead(
    registry: Registry,
    shelf: Shelf,
    settings: RecordingSettings,
    *,
    told: Told = lambda recording: None,
    compose: Callable[[str, ComposeOptions], ComposedAhead] = compose_ahead,
    retry_s: float = RECORDING_AHEAD.retry_s,
) -> None:
    """Bind `RECORDING_AHEAD`. ``compose``: `recorder.compose_process.compose_ahead`, or what stands in for it."""

    async def make(context: JobContext, payload: Ahead) -> str:
        made_ms = 0
        while True:
            recording = await shelf.database.read(recordings.by_id, payload.recording_id)
            if recording is None or recording.status not in ("recording", "paused"):
                return "the recording is over"
            if registry.processes.is_full:
                raise TryAgainError("all worker processes are busy", _BUSY_S, counts=False)
            if await shelf.is_short(settings.min_free_bytes):  # what is left is the recording's own
                raise TryAgainError("too little is free on the disk", _BUSY_S, counts=False)
            options = compose_options(settings, recording.layout)
            made = await registry.processes.run(compose, str(shelf.folder(recording.id)), options)
            if made.is_over:
                return "the recording is over"
            if made.made_ms != made_ms:
                made_ms = made.made_ms
                await say(context, recording, made)
            if made.wait_s > 0:
                raise TryAgainError("so much was not recorded yet", made.wait_s, counts=False)

    async def say(context: JobContext, recording: Recording, made: ComposedAhead) -> None:
        share = min(made.made_ms / max(made.recorded_ms, 1), 1.0)
        progress = Progress(share=round(share, 4), stage=STAGE, time_left_s=None)
        context.progress(share, STAGE)
        if await shelf.database.run(recordings.set_made, recording.id, progress):
            _log.debug("recording_made_ahead", recording=recording.id, made_ms=made.made_ms)
            now = await shelf.database.read(recordings.by_id, recording.id)
            if now is not None:
                told(now)

    registry.task(msgspec.structs.replace(RECORDING_AHEAD, retry_s=retry_s), make)


def compose_options(settings: RecordingSettings, layout: Layout) -> ComposeOptions:
    """How a recording's film is made when nobody says otherwise."""
    return ComposeOptions(
        layout=layout,
        height=settings.height,
        fps=settings.fps,
        format=settings.format,
        encoder=settings.encoder,
    )


async def end_ahead(shelf: Shelf, recording_id: str) -> None:
    """Have the job end, if there is one; returns when its process is gone, which writes into the folder."""
    job = await shelf.database.read(jobs.by_key, RECORDING_AHEAD.name, recording_id)
    if job is None or job.state not in ("waiting", "running"):
        return
    await shelf.database.run(jobs.cancel, job.id, shelf.now_ms())
    await shelf.wait_not_running(RECORDING_AHEAD.name, recording_id)
