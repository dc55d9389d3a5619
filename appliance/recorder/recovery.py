"""Closes what a killed server left open: each journal is cut behind its last good record, the manifest says so.

Owns the decision where a recording ended; refuses to know databases. Run in a thread, before anything is written.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from appliance.recorder.journal import scan
from appliance.recorder.manifest import EVENTS, Manifest, ManifestError, TrackFile, read_manifest, write_manifest

REASON = "the server was killed"


class RecoveryError(Exception):
    """Nothing can be made of the folder; the text says why."""


def recover(folder: Path) -> Manifest:
    """Close a recording's folder, and return its manifest; one that is closed is left as it is.

    RecoveryError when the manifest cannot be read, OSError of the disk.
    """
    try:
        manifest = read_manifest(folder)
    except ManifestError as error:
        raise RecoveryError(str(error)) from error
    if manifest.closed:
        return manifest
    last_us = manifest.started_at_ms * 1000
    found: list[TrackFile] = []
    for track in manifest.tracks:
        end_us = _cut(folder / track.file)
        if end_us is not None:
            found.append(track)
            last_us = max(last_us, end_us)
    last_us = max(last_us, _cut(folder / EVENTS) or 0)
    closed = msgspec.structs.replace(
        manifest,
        stopped_at_ms=last_us // 1000,
        closed=True,
        recovered=True,
        reason=REASON,
        tracks=tuple(found),
    )
    write_manifest(folder, closed)
    return closed


def _cut(path: Path) -> int | None:
    """Cut a journal behind its last good record; that record's time, None when there is no file or no record."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "r+b") as file:
        end, last_us = 0, None
        for record in scan(file):
            end, last_us = record.end, max(record.at_us, last_us or 0)
        if end != os.fstat(file.fileno()).st_size:
            file.truncate(end)
            os.fsync(file.fileno())
    return last_us
