"""What a recording's folder says of itself: whose tracks are in it, and whether it was closed.

Owns the shape of ``manifest.json`` and the way it is written: whole or not at all, also over a power cut. Refuses to
know the journals' insides. A manifest without ``closed`` is one of a server that was killed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

import msgspec

NAME = "manifest.json"
EVENTS = "events.journal"
TRACKS = "tracks"

_UNFINISHED = ".manifest.unfinished"
_JOURNAL = re.compile(r"tracks/[a-z0-9_]{1,64}\.journal")
# A meeting of a thousand tracks, with room to spare; more is not ours.
_MOST_BYTES = 16 * 1024 * 1024


class ManifestError(Exception):
    """There is no manifest, or none that can be read; the text says why."""


class TrackFile(msgspec.Struct, frozen=True, kw_only=True):
    """One published track and its journal."""

    track: str
    file: str
    """Below the recording's folder, as ``tracks/trk_….journal``."""
    participant_id: str
    name: str
    """Of the participant, as shown."""
    source: Literal["microphone", "camera", "screen", "screen_audio"]
    kind: Literal["audio", "video"]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One recording. Times in milliseconds since the Unix epoch, on the clock of the journals."""

    format: Literal[1] = 1
    recording_id: str
    meeting_id: str
    title: str
    started_at_ms: int
    stopped_at_ms: int | None = None
    closed: bool = False
    recovered: bool = False
    """It was not closed, and a later start of the server did so."""
    reason: str = ""
    """Why it ended, as "asked" or "disk full"."""
    tracks: tuple[TrackFile, ...] = ()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest of a recording's folder; OSError when the disk refuses."""
    unfinished = folder / _UNFINISHED
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(folder / NAME)
    sync_folder(folder)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a recording's folder; ManifestError."""
    try:
        with (folder / NAME).open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ManifestError(f"{NAME}: {error.strerror}") from error
    if len(data) > _MOST_BYTES:
        raise ManifestError(f"{NAME}: longer than {_MOST_BYTES} bytes")
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as error:
        raise ManifestError(f"{NAME}: {error}") from error
    for track in manifest.tracks:
        if not _JOURNAL.fullmatch(track.file):
            raise ManifestError(f"{NAME}: {track.file!r} is no journal's name")
    return manifest


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
