"""Writes one recording: drains its taps into journals, a few times a second, in a thread.

Owns the recording's folder while it is written, the syncs, and the watch over the disk; refuses to know who is
recorded and why. Forwarding never waits for it: a tap keeps a bounded number of bytes, and counts what it had to drop
while the disk stood still. What was written a second ago survives a power cut.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec
import structlog
import trio

from appliance.recorder.journal import encode_note
from appliance.recorder.manifest import EVENTS, TRACKS, Manifest, TrackFile, sync_folder, write_manifest

_log = structlog.get_logger(__name__)

# A fifth of a second: what a crash may cost beyond the second between syncs, for five wake-ups a second.
_TURN_S = 0.2
_SYNC_EACH_TURNS = 5
_FULL = (errno.ENOSPC, errno.EDQUOT)
# Notes of a meeting of hundreds within one turn; more means that the disk stands still.
_MOST_NOTES = 10_000


class Tap(Protocol):
    """`_dataplane.Tap`."""

    @property
    def lost(self) -> int:
        """Records dropped because nobody took them in time."""

    @property
    def ended(self) -> bool:
        """The producer is gone; `take` may still give a rest."""

    def take(self) -> bytes:
        """Whole records since the last call."""

    def close(self) -> None:
        """No more; idempotent."""


class DiskError(Exception):
    """The recording cannot go on; the text is a reason for people, as "disk full"."""


@dataclass(eq=False, slots=True)
class _Journal:
    track: TrackFile
    tap: Tap
    descriptor: int = -1
    ending: bool = False
    """Said by trio's thread: no more after the next take."""
    ended: bool = False
    """Said by the writing one: closed."""
    lost: int = 0


class RecordingWriter:
    """One recording while it is written. The tables belong to trio's thread, each turn works on a copy."""

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        *,
        clock_us: Callable[[], int],
        min_free_bytes: int,
        limiter: trio.CapacityLimiter,
    ) -> None:
        """``folder`` is there, with its manifest (`create`). ``clock_us``: the journals' clock."""
        self._folder = folder
        self._manifest = manifest
        self._clock_us = clock_us
        self._min_free_bytes = min_free_bytes
        self._limiter = limiter
        self._journals: dict[str, _Journal] = {}
        self._notes: list[bytes] = []
        self._events = -1
        self._unsynced: set[int] = set()
        self._closing = trio.Event()
        self.bytes_written = 0
        self.lost = 0
        """Records that were dropped, in taps and among the notes."""

    @property
    def manifest(self) -> Manifest:
        """As last written."""
        return self._manifest

    def add(self, track: TrackFile, tap: Tap) -> None:
        """Write a track from now on; its journal is there with the next turn."""
        self._journals[track.track] = _Journal(track, tap)

    def end(self, track: str) -> None:
        """No more of a track: what its tap still holds is written."""
        journal = self._journals.get(track)
        if journal is not None:
            journal.tap.close()
            journal.ending = True

    def note(self, note: dict[str, Any]) -> None:
        """Remember what happened now, for layout and chapters."""
        if len(self._notes) >= _MOST_NOTES:
            self.lost += 1
            return
        self._notes.append(encode_note(self._clock_us(), msgspec.json.encode(note)))

    async def serve(self) -> None:
        """Write until `finish`. DiskError when it cannot go on; what was written stays."""
        turns = 0
        while not self._closing.is_set():
            with trio.move_on_after(_TURN_S):
                await self._closing.wait()
            turns += 1
            await self._turn(sync=turns % _SYNC_EACH_TURNS == 0)

    async def finish(self, *, stopped_at_ms: int, reason: str) -> Manifest:
        """Write what is left and close, once `serve` has ended. The manifest says what was kept."""
        self._closing.set()
        for track in self._journals:
            self.end(track)
        try:
            await self._turn(sync=True)
        except DiskError as error:
            _log.warning("recording_rest_lost", recording=self._manifest.recording_id, reason=str(error))
        closed = msgspec.structs.replace(self._manifest, stopped_at_ms=stopped_at_ms, closed=True, reason=reason)
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._close, closed, limiter=self._limiter)
        return self._manifest

    async def _turn(self, *, sync: bool) -> None:
        journals = list(self._journals.values())
        notes, self._notes = self._notes, []
        with trio.CancelScope(shield=True):  # a turn must not run beside the next one
            await trio.to_thread.run_sync(self._write, journals, notes, sync, limiter=self._limiter)
        for journal in journals:
            if journal.ended:
                del self._journals[journal.track.track]

    # --- in the thread -------------------------------------------------------------------------------------------

    def _write(self, journals: list[_Journal], notes: list[bytes], sync: bool) -> None:
        try:
            self._open([journal for journal in journals if journal.descriptor < 0])
            for journal in journals:
                if journal.ended:  # by a turn that failed later
                    continue
                ending = journal.ending or journal.tap.ended  # before the take: what came until then is in it
                self._append(journal.descriptor, journal.tap.take())
                self.lost += journal.tap.lost - journal.lost
                journal.lost = journal.tap.lost
                if ending:
                    self._end(journal)
            self._append(self._events, b"".join(notes))
            if sync:
                self._sync()
        except OSError as error:
            raise _disk_error(error) from error

    def _open(self, added: list[_Journal]) -> None:
        if self._events < 0:
            self._events = _open_journal(self._folder / EVENTS)
        if not added:
            return
        for journal in added:
            journal.descriptor = _open_journal(self._folder / journal.track.file)
        sync_folder(self._folder / TRACKS)
        tracks = (*self._manifest.tracks, *(journal.track for journal in added))
        self._manifest = msgspec.structs.replace(self._manifest, tracks=tracks)
        write_manifest(self._folder, self._manifest)

    def _append(self, descriptor: int, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            written = os.write(descriptor, rest)
            self.bytes_written += written
            rest = rest[written:]
            self._unsynced.add(descriptor)

    def _end(self, journal: _Journal) -> None:
        os.fdatasync(journal.descriptor)
        self._unsynced.discard(journal.descriptor)
        os.close(journal.descriptor)
        journal.ended = True

    def _sync(self) -> None:
        for descriptor in self._unsynced:
            os.fdatasync(descriptor)
        self._unsynced.clear()
        if free_bytes(self._folder) < self._min_free_bytes:
            raise DiskError("disk full")

    def _close(self, manifest: Manifest) -> None:
        for journal in self._journals.values():  # of a turn that failed
            if journal.descriptor >= 0 and not journal.ended:
                os.close(journal.descriptor)
        self._journals.clear()
        if self._events >= 0:
            os.close(self._events)
            self._events = -1
        self._manifest = manifest
        try:
            write_manifest(self._folder, manifest)
        except OSError as error:  # the next start finds it open and recovers it
            _log.error("recording_not_closed", recording=manifest.recording_id, error=str(error))


def create(root: Path, manifest: Manifest, *, min_free_bytes: int) -> Path:
    """Make the folder of a new recording; called in a thread. DiskError, and there is none."""
    folder = root / manifest.recording_id
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if free_bytes(root) < min_free_bytes:
            raise DiskError("disk full")
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise _disk_error(error) from error
    try:
        (folder / TRACKS).mkdir(mode=0o700)
        write_manifest(folder, manifest)
        sync_folder(root)
    except OSError as error:
        discard(folder)
        raise _disk_error(error) from error
    return folder


def discard(folder: Path) -> None:
    """Remove the folder of a recording that does not begin after all; called in a thread."""
    try:
        shutil.rmtree(folder)
    except OSError as error:  # the reason why it does not begin is the one to tell
        _log.warning("recording_folder_left", folder=folder.name, error=str(error))


def free_bytes(folder: Path) -> int:
    """What this process may still write there; OSError."""
    numbers = os.statvfs(folder)
    return numbers.f_bavail * numbers.f_frsize


def _open_journal(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _disk_error(error: OSError) -> DiskError:
    return DiskError("disk full" if error.errno in _FULL else f"disk failed: {error.strerror}")
