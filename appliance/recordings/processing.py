"""The job that makes a recording's files: runs the composition, tells how far it is, stores what came out.

Owns the order of steps and what people are told when they fail; refuses to know media: `recorder.compose_process` gets
a folder and leaves files. Everything before `set_ready` may happen again after a crash; the run's number in the row
says whether it is still wanted. Objects are announced in the row, stored, and shown by `set_ready`; those that another
attempt left are deleted, by this or, should it be killed, by `removal`.

While too little is free on the disk nothing is made, because meetings that are being recorded need what is left: the
recording has failed for now, and the job waits without an attempt being counted.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog
import trio

from appliance.files.storage import StorageUnavailableError
from appliance.ids import new_id
from appliance.jobs.places import JobContext, TryAgainError, WorkerDiedError
from appliance.jobs.recording_orders import RECORDING_PROCESS, Processing
from appliance.jobs.registry import Registry
from appliance.recorder.compose_process import Composed, ComposedTrack, ComposeOptions, compose
from appliance.recorder.composed import Spoken
from appliance.recorder.progress import Said
from appliance.recordings.ahead import compose_options, end_ahead
from appliance.recordings.shelf import OUT, Shelf, Told
from appliance.settings import RecordingSettings
from appliance.store import recording_runs, recordings, transcripts
from appliance.store.database import DatabaseUnavailableError
from appliance.store.recordings import Chapter, Outputs, Progress, Recording, Track

_log = structlog.get_logger(__name__)

Compose = Callable[[str, ComposeOptions, str], Composed]
"""`recorder.compose_process.compose`, or what stands in for it: a function of a module, run in another process."""

# How far it is, for people who watch: the worker process writes it down about as often.
_LOOK_EACH_S = 1.0
_PROGRESS = "progress.json"
# The captions of what was said last come a moment after the stop.
_LAST_WORDS_MS = 3000
# The worker process writes a line; more is not ours.
_PROGRESS_BYTES = 4096
# A film for which the disk was too small took that much; more is not free at once.
_SHORT_S = 600.0
_MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".jpg": "image/jpeg",
    ".vtt": "text/vtt",
}
# What people read of a reason; an encoder may explain itself at length.
_REASON_CHARACTERS = 200
_SOUNDS = frozenset({"microphone", "screen_audio"})


class _DiskShortError(Exception):
    """Too little is free by now; the composition was ended."""


@dataclass(frozen=True, kw_only=True)
class _File:
    """One file that came out, and the object that it becomes."""

    path: Path
    key: str
    media_type: str
    bytes: int


def add_processing(
    registry: Registry,
    shelf: Shelf,
    settings: RecordingSettings,
    *,
    at_once: int,
    told: Told = lambda recording: None,
    compose: Compose = compose,
    retry_s: float = RECORDING_PROCESS.retry_s,
) -> None:
    """Bind `RECORDING_PROCESS`. ``at_once``: most at the same time, as many as there are worker processes."""
    work = _Work(shelf, settings, registry, told, compose)
    registry.task(msgspec.structs.replace(RECORDING_PROCESS, at_once=at_once, retry_s=retry_s), work.process)


class _Work:
    def __init__(
        self, shelf: Shelf, settings: RecordingSettings, registry: Registry, told: Told, compose: Compose
    ) -> None:
        self._shelf = shelf
        self._database = shelf.database
        self._settings = settings
        self._registry = registry
        self._told = told
        self._compose = compose

    async def process(self, context: JobContext, payload: Processing) -> str:
        """The job."""
        recording_id, run = payload.recording_id, payload.run
        held = await self._shelf.journals_bytes(recording_id)
        if held is None:
            await self._database.run(recording_runs.set_journals_gone, recording_id)
            await self._fail(recording_id, run, "what was recorded is not on the server's disk any more")
            return "no journals"
        if await self._is_short():
            raise await self._postponed(recording_id, run)
        recording = await self._database.run(recording_runs.begin_run, recording_id, run, bytes=held)
        if recording is None:
            return "not wanted any more"
        self._told(recording)
        await end_ahead(self._shelf, recording_id)
        try:
            return await self._make(context, payload, recording)
        except _DiskShortError:
            await self._shelf.remove_made(recording_id)
            raise await self._postponed(recording_id, run, after_s=_SHORT_S) from None
        except Exception as error:
            if context.attempt >= context.max_attempts:
                await self._fail(recording_id, run, reason_of(error))
            raise

    async def _make(self, context: JobContext, payload: Processing, recording: Recording) -> str:
        folder = self._shelf.folder(recording.id)
        options = msgspec.structs.replace(self._options(payload, recording), spoken=await self._spoken(recording))
        composed = await self._composed(context, recording, options, folder)
        files, outputs = await trio.to_thread.run_sync(_outputs, recording, composed, folder / OUT)
        if not await self._database.run(recording_runs.announce, recording.id, recording.run, outputs.keys):
            return "not wanted any more"
        await self._shelf.remove_loose(recording)  # of an attempt that was killed
        await self._say(context, recording, Progress(share=1.0, stage="storing", time_left_s=None))
        for file in files:
            await self._shelf.files.put_file(file.key, file.path, file.media_type)
        now_ms = self._shelf.now_ms()
        if not await self._database.run(recording_runs.set_ready, recording.id, recording.run, outputs, now_ms):
            await self._shelf.remove_loose(msgspec.structs.replace(recording, loose_keys=tuple(outputs.keys)))
            return "not wanted any more"
        _log_ready(recording, composed, outputs)
        ready = await self._tell(recording.id)
        if ready is not None:
            await self._shelf.remove_loose(ready)  # of an attempt that was lost, and ran beside this one
        await self._shelf.remove_journals(recording)
        return "ready"

    def _options(self, payload: Processing, recording: Recording) -> ComposeOptions:
        options = compose_options(self._settings, recording.layout)
        return msgspec.structs.replace(
            options, height=payload.height or options.height, format=payload.format or options.format
        )

    async def _spoken(self, recording: Recording) -> tuple[Spoken, ...]:
        """What the meeting's live captions have of the recording's time."""
        stopped_ms = recording.stopped_at_ms or self._shelf.now_ms()
        span = recording.meeting_id, recording.started_at_ms, stopped_ms
        segments = await self._database.read(transcripts.between, *span)
        if segments:
            wait_ms = stopped_ms + _LAST_WORDS_MS - self._shelf.now_ms()
            await trio.sleep(max(0, wait_ms) / 1000)
            segments = await self._database.read(transcripts.between, *span)
        return tuple(
            Spoken(segment.start_ms, segment.end_ms, segment.participant_id, segment.name, segment.text)
            for segment in segments
        )

    async def _composed(
        self, context: JobContext, recording: Recording, options: ComposeOptions, folder: Path
    ) -> Composed:
        """Run the composition, and look each second how far it is. Cancelled, its process is killed.

        Of the errors one is ours: _DiskShortError.
        """
        said = folder / _PROGRESS
        composed: Composed | None = None
        failure: Exception | None = None
        async with trio.open_nursery() as beside:
            beside.start_soon(self._watch, context, recording, said, beside.cancel_scope)
            try:
                composed = await self._registry.processes.run(self._compose, str(folder), options, str(said))
            except Exception as error:  # as it is, not in a group
                failure = error
            beside.cancel_scope.cancel()
        if failure is not None:
            raise failure
        if composed is None:  # nor did it fail: `_watch` ended it
            raise _DiskShortError
        return composed

    async def _watch(
        self, context: JobContext, recording: Recording, path: Path, composition: trio.CancelScope
    ) -> None:
        before: Progress | None = None
        while True:
            await trio.sleep(_LOOK_EACH_S)
            if await self._is_short():
                composition.cancel()
            progress = await trio.to_thread.run_sync(_read_progress, path)
            if progress is not None and progress != before:
                before = progress
                await self._say(context, recording, progress)

    async def _say(self, context: JobContext, recording: Recording, progress: Progress) -> None:
        context.progress(progress.share, progress.stage)
        try:
            await self._database.run(recording_runs.set_progress, recording.id, recording.run, progress)
        except DatabaseUnavailableError:
            return  # the film matters, and what is said next is newer
        self._told(msgspec.structs.replace(recording, progress=progress))

    async def _is_short(self) -> bool:
        return await self._shelf.is_short(self._settings.min_free_bytes)

    async def _postponed(self, recording_id: str, run: int, after_s: float | None = None) -> TryAgainError:
        """To raise once people know why there is no film yet."""
        least = f"{self._settings.min_free_bytes // 2**20} MiB"
        reason = f"less than {least} is free on the server's disk; it is tried again by itself"
        await self._fail(recording_id, run, reason)
        return TryAgainError(reason, after_s, counts=False)

    async def _fail(self, recording_id: str, run: int, reason: str) -> None:
        now_ms = self._shelf.now_ms()
        if await self._database.run(recordings.fail, recording_id, error=reason, now_ms=now_ms, run=run):
            _log.warning("recording_failed", recording=recording_id, reason=reason)
            await self._tell(recording_id)

    async def _tell(self, recording_id: str) -> Recording | None:
        recording = await self._database.read(recordings.by_id, recording_id)
        if recording is not None:
            self._told(recording)
        return recording


def _log_ready(recording: Recording, composed: Composed, outputs: Outputs) -> None:
    _log.info(
        "recording_ready",
        recording=recording.id,
        bytes=outputs.bytes,
        encoder=composed.encoder,
        refused_encoders=list(composed.refused_encoders),
        loudness_lufs=composed.loudness_lufs,
        parts=composed.segments,
        parts_made_before=composed.segments_taken,
    )
    if composed.broken_tracks or composed.missing_glyphs:
        _log.warning(
            "recording_with_flaws",
            recording=recording.id,
            broken_tracks=list(composed.broken_tracks),
            missing_glyphs=composed.missing_glyphs,
        )


def _read_progress(path: Path) -> Progress | None:
    """What the worker process said last; None when it said nothing yet."""
    try:
        with path.open("rb") as file:
            said = msgspec.json.decode(file.read(_PROGRESS_BYTES), type=Said)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return Progress(share=said.share, stage=said.stage, time_left_s=said.time_left_s)


def _outputs(recording: Recording, composed: Composed, out: Path) -> tuple[list[_File], Outputs]:
    """The files that are there and what the row says of them. FileNotFoundError when the film is not.

    Each attempt has names of its own: what a killed one left is told from what its successor stores.
    """
    base = "recordings/" + new_id(f"{recording.id}_{recording.run}")
    film = next((path for path in (out / "meeting.mp4", out / "meeting.webm") if path.is_file()), out / "meeting.mp4")
    video = _file(film, base + film.suffix)
    optional = {name: out / name for name in ("thumbnail.jpg", "captions.vtt")}
    beside = {name: _file(path, base + path.suffix) for name, path in optional.items() if path.is_file()}
    made: list[tuple[_File, ComposedTrack]] = []
    for track in composed.tracks:
        path = out / track.file
        if not path.resolve().is_relative_to(out.resolve()):
            raise ValueError(f"the file of track {track.track} lies outside: {track.file!r}")
        file = _file(path, f"{base}_{track.track}{path.suffix}", sound=track.source in _SOUNDS)
        made.append((file, track))
    files = [*(file for file, _ in made), *beside.values(), video]
    thumbnail, captions = beside.get("thumbnail.jpg"), beside.get("captions.vtt")
    outputs = Outputs(
        duration_ms=composed.duration_ms,
        bytes=sum(file.bytes for file in files),
        video_key=video.key,
        video_type=video.media_type,
        thumbnail_key=None if thumbnail is None else thumbnail.key,
        captions_key=None if captions is None else captions.key,
        tracks=tuple(_track(file, track) for file, track in made),
        chapters=tuple(Chapter(start_ms=chapter.start_ms, title=chapter.title) for chapter in composed.chapters),
    )
    return files, outputs


def _file(path: Path, key: str, *, sound: bool = False) -> _File:
    media_type = _MEDIA_TYPES[path.suffix]
    if sound:
        media_type = media_type.replace("video/", "audio/")
    return _File(path=path, key=key, media_type=media_type, bytes=path.stat().st_size)


def _track(file: _File, track: ComposedTrack) -> Track:
    return Track(
        id=track.track,
        participant_id=track.participant_id,
        name=track.name,
        source=track.source,
        codec=track.codec,
        key=file.key,
        media_type=file.media_type,
        bytes=file.bytes,
        start_ms=track.start_ms,
        duration_ms=track.duration_ms,
    )


def reason_of(error: Exception) -> str:
    """Why no files could be made, for people; the traceback is the dead job's."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full"
    if isinstance(error, StorageUnavailableError):
        return "the storage of files does not answer"
    if isinstance(error, WorkerDiedError):
        return "the process that makes the film was killed, as for want of memory"
    if type(error).__module__.startswith("appliance.recorder."):  # its texts are for people
        return f"the film could not be made: {error}"[:_REASON_CHARACTERS]
    return f"the film could not be made ({type(error).__name__})"
