"""Compositions without media: plain functions that run in the worker process in the place of the real one.

The folder says what happens: ``script`` names a function below; none makes the files at once.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

import msgspec

from appliance.recorder.compose_process import Composed, ComposeOptions

TRACKS = (
    ("trk_mic", "microphone", "opus", "tracks/trk_mic.webm"),
    ("trk_cam", "camera", "h264", "tracks/trk_cam.mkv"),
)


def compose(folder: str, options: ComposeOptions, progress_path: str) -> Composed:
    """What the real one does to a folder, without its work."""
    (Path(folder) / "options.json").write_bytes(msgspec.json.encode(options))
    (Path(folder) / "process").write_text(str(os.getpid()))
    script = Path(folder) / "script"
    match script.read_text() if script.exists() else "":
        case "slow":
            say(progress_path, 0.25, "video")
            time.sleep(60)
        case "slow once":
            script.unlink()
            say(progress_path, 0.25, "video")
            time.sleep(60)
        case "garbage":
            Path(progress_path).write_bytes(b'{"share": 7, "stage"')
            time.sleep(0.2)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "disk full":
            raise OSError(errno.ENOSPC, "no space left on device")
        case "broken":
            raise ValueError("a frame that nobody can read")
        case "broken once":
            script.unlink()
            raise ValueError("a frame that nobody can read")
        case "no film":
            return _make(Path(folder), options, film=False)
        case "outside":
            return _make(Path(folder), options, outside=True)
        case "flawed":
            return msgspec.structs.replace(
                _make(Path(folder), options),
                loudness_lufs=-31.5,
                broken_tracks=("trk_cam",),
                missing_glyphs="ĳ",
                refused_encoders=("h264_nvenc: no card",),
            )
    return _make(Path(folder), options)


def say(progress_path: str, share: float, stage: str) -> None:
    """As the real one: whole or not at all."""
    unfinished = Path(progress_path + ".new")
    unfinished.write_bytes(msgspec.json.encode({"share": share, "stage": stage, "time_left_s": 12}))
    unfinished.rename(progress_path)


def _make(folder: Path, options: ComposeOptions, *, film: bool = True, outside: bool = False) -> Composed:
    out = folder / "out"
    (out / "tracks").mkdir(parents=True, exist_ok=True)
    if film:
        (out / f"meeting.{options.format}").write_bytes(b"film" * 100)
    (out / "thumbnail.jpg").write_bytes(b"picture")
    tracks = []
    for track, source, codec, file in TRACKS:
        (out / file).write_bytes(b"track" * 10)
        tracks.append(
            {
                "track": track,
                "participant_id": "par_a",
                "name": "Ann",
                "source": source,
                "codec": codec,
                "file": "../../../etc/passwd" if outside else file,
                "bytes": 50,
                "start_ms": 100,
                "duration_ms": 900,
            }
        )
    return msgspec.convert(
        {
            "duration_ms": 1000,
            "width": 1280,
            "height": options.height,
            "video_codec": "h264",
            "encoder": "double",
            "tracks": tracks,
            "chapters": [{"start_ms": 0, "title": "Ann"}],
            "bytes": 507,
        },
        type=Composed,
    )
