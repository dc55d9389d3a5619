"""Looks at a file that a stranger sent: what it is, whether it can be decoded, how it looks small.

Owns the process for the decoders and what may come back from it; `sniff` has the magic numbers, `probe_process` the
decoders. Refuses to know who sent the file. A process for each file costs about 0.3 s; what breaks in there, or never
ends, is that process alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import msgspec
import trio

from appliance.files.sniff import HEAD_BYTES, Kind, sniff

# Its processor time is bounded to a third; the rest is for a slow disk, and for meetings, which go first.
LOOK_WITHIN_S = 60.0
# At once: each takes a core, and up to half a gigabyte for a large photograph.
_PROCESSES = 2
# 320×320 pixels of WebP are 5 to 40 kB.
_MAX_FINDINGS_BYTES = 1024 * 1024
_PROGRAM = Path(__file__).with_name("probe_process.py")
# All that a Python needs to find its libraries; no secret of ours is in it.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR", "HOME")


class BrokenFileError(Exception):
    """It says that it is a picture or recording, and cannot be decoded; ``str()`` says why, for people."""


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """What a file is."""

    media_type: str
    kind: Kind
    width: int | None = None
    """Pixels, as it is to be seen."""
    height: int | None = None
    duration_ms: int | None = None
    """None: no recording, or one that does not say."""
    thumbnail: bytes = b""
    """WebP of at most 320×320 pixels; empty: none."""


class _Findings(msgspec.Struct, frozen=True):
    """The first line from the process. It has read what a stranger sent: nothing of it is taken without a bound."""

    problem: str | None = None
    media_type: str | None = None
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None


_OTHER_TYPES: dict[str, Kind] = {
    "audio/mp4": "audio",
    "audio/webm": "audio",
    "audio/x-msvideo": "audio",
    "video/ogg": "video",
}
_MOST = 2**53

_processes = trio.CapacityLimiter(_PROCESSES)


async def probe_untrusted(path: Path) -> Probed:
    """What the file is. BrokenFileError; OSError when it cannot be read."""
    descriptor = await trio.to_thread.run_sync(os.open, path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        sniffed = sniff(await trio.to_thread.run_sync(os.pread, descriptor, HEAD_BYTES, 0))
        if not sniffed.decoder:
            return Probed(media_type=sniffed.media_type, kind=sniffed.kind)
        async with _processes:
            line, _, thumbnail = (await _look(descriptor, sniffed.decoder)).partition(b"\n")
    finally:
        os.close(descriptor)
    findings = _read_untrusted(line)
    if findings.problem is not None:
        raise BrokenFileError("".join(char for char in findings.problem[:200] if char.isprintable()))
    media_type, kind = sniffed.media_type, sniffed.kind
    if findings.media_type in _OTHER_TYPES:
        media_type, kind = findings.media_type, _OTHER_TYPES[findings.media_type]
    return Probed(
        media_type=media_type,
        kind=kind,
        width=_bounded(findings.width),
        height=_bounded(findings.height),
        duration_ms=_bounded(findings.duration_ms),
        thumbnail=thumbnail if thumbnail[:4] == b"RIFF" and thumbnail[8:12] == b"WEBP" else b"",
    )


async def _look(descriptor: int, decoder: str) -> bytes:
    """What the process says; BrokenFileError when it dies or takes too long."""
    command = [sys.executable, "-I", str(_PROGRAM), decoder]
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    running = partial(
        trio.run_process,
        command,
        stdin=descriptor,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        check=False,
    )
    said = b""
    with trio.move_on_after(LOOK_WITHIN_S) as patience:
        async with trio.open_nursery() as nursery:
            process: trio.Process = await nursery.start(running)
            assert process.stdout is not None
            while len(said) <= _MAX_FINDINGS_BYTES and (part := await process.stdout.receive_some()):
                said += part
            if len(said) > _MAX_FINDINGS_BYTES:
                process.kill()
    if patience.cancelled_caught:
        raise BrokenFileError(f"it cannot be looked at within {LOOK_WITHIN_S:.0f} s")
    if process.returncode != 0:
        raise BrokenFileError("looking at it takes too much, or breaks the decoder")
    return said


def _read_untrusted(line: bytes) -> _Findings:
    try:
        return msgspec.json.decode(line, type=_Findings)
    except msgspec.DecodeError:
        raise BrokenFileError("looking at it breaks the decoder") from None


def _bounded(number: int | None) -> int | None:
    return number if number is not None and 0 <= number < _MOST else None
