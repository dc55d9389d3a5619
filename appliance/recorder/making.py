"""The stages of making a recording's files, each taken up where a killed process left it.

Owns the folder ``out`` and what is kept in ``out/.work`` between attempts: the finished tracks and the mixed sound. The
film's pictures are `footage`'s. Other options, or other journals, begin anew; files get their names when whole.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import av
import msgspec

from appliance.recorder.captions import usable, vtt
from appliance.recorder.chapters import chapters_of
from appliance.recorder.composed import (
    Composed,
    ComposedChapter,
    ComposedTrack,
    ComposeOptions,
)
from appliance.recorder.encoders import Chosen, choose
from appliance.recorder.film import join, write_thumbnail
from appliance.recorder.footage import SEGMENTS, Footage, alone, bounded, shoot, size_of
from appliance.recorder.frames import Frame
from appliance.recorder.manifest import TrackFile
from appliance.recorder.material import Material, read_material
from appliance.recorder.mix import Sound, measure_lufs, write_sound
from appliance.recorder.muxing import NAMES, MuxingError
from appliance.recorder.progress import Progress
from appliance.recorder.sound import Voice
from appliance.recorder.tracks import write_track

SUMMARY = "summary.json"
THUMBNAIL = "thumbnail.jpg"
CAPTIONS = "captions.vtt"
_WORK = ".work"
# Counts up when what an earlier version left there is of no use.
_VERSION = 3
# What each stage takes of a minute of four people at 720p; measured by tests/load/compose.py.
_STAGES = {"reading": 2.0, "tracks": 2.0, "sound": 8.0, "video": 85.0, "writing": 3.0}

T = TypeVar("T")


class _Heard(msgspec.Struct, frozen=True):
    """What was learnt when the sound was mixed."""

    lufs: float | None
    channels: int
    broken: tuple[str, ...]


class _Track(msgspec.Struct, frozen=True):
    """A finished track; None when there was nothing in it."""

    made: ComposedTrack | None
    broken: bool = False


def make(folder: Path, options: ComposeOptions, progress_path: Path) -> Composed:
    """See `compose_process.compose`."""
    options = bounded(options)
    progress = Progress(progress_path, _STAGES)
    progress.begin("reading")
    material = read_material(folder, progress.reach)
    out = _prepared(folder, options, material)
    done = _read(out / _WORK / "done.json", Composed)
    if done is not None and (out / f"meeting.{options.format}").exists():
        return done
    with alone(folder / SEGMENTS) as segments:
        composed = _Making(material, options, out, segments, progress).run()
        _write(out / SUMMARY, composed)
        shutil.rmtree(out / _WORK / "kept", ignore_errors=True)
        _write(out / _WORK / "done.json", composed)
        shutil.rmtree(segments, ignore_errors=True)
    return composed


def _prepared(folder: Path, options: ComposeOptions, material: Material) -> Path:
    """The folder ``out``, emptied unless it holds the beginnings of the same."""
    out = folder / "out"
    key = hashlib.sha256(msgspec.json.encode((_VERSION, options, material.manifest, sorted(_sizes(folder)))))
    mark = out / _WORK / "of"
    if not mark.exists() or mark.read_text() != key.hexdigest():
        shutil.rmtree(out, ignore_errors=True)
        (out / _WORK).mkdir(mode=0o700, parents=True)
        mark.write_text(key.hexdigest())
    (out / _WORK / "kept").mkdir(exist_ok=True)
    return out


def _sizes(folder: Path) -> Iterator[tuple[str, int]]:
    for path in folder.rglob("*.journal"):
        yield path.name, path.stat().st_size


class _Making:
    """One run through the stages."""

    def __init__(
        self, material: Material, options: ComposeOptions, out: Path, segments: Path, progress: Progress
    ) -> None:
        self._material = material
        self._options = options
        self._out = out
        self._kept = out / _WORK / "kept"
        self._segments = segments
        self._progress = progress
        self._duration_us = material.time.duration_us
        self._width, self._height = size_of(options)
        self._broken: set[str] = set()

    def run(self) -> Composed:
        tracks = self._tracks()
        heard = self._sound()
        chosen, footage = self._pictures()
        self._broken |= footage.broken | set(heard.broken)
        chapters = chapters_of(self._material.cast)
        self._write_film(chosen, heard, chapters, footage)
        return Composed(
            duration_ms=self._duration_us // 1000,
            width=self._width,
            height=self._height,
            video_codec=NAMES[chosen.codec],
            encoder=chosen.name,
            tracks=tuple(tracks),
            chapters=tuple(chapters),
            bytes=sum(path.stat().st_size for path in _files(self._out)),
            loudness_lufs=heard.lufs,
            broken_tracks=tuple(sorted(self._broken)),
            missing_glyphs="".join(sorted(footage.missing_glyphs)),
            refused_encoders=chosen.refused,
            segments=len(footage.paths),
            segments_taken=footage.taken,
        )

    def _tracks(self) -> list[ComposedTrack]:
        self._progress.begin("tracks")
        found = []
        tracks = self._material.tracks("audio") + self._material.tracks("video")
        for number, track in enumerate(tracks):
            memo = self._kept / f"{track.track}.json"
            finished = _read(memo, _Track)
            if finished is None:
                finished = self._track(track, number / len(tracks), 1 / len(tracks))
                _write(memo, finished)
            if finished.broken:
                self._broken.add(track.track)
            if finished.made is not None:
                found.append(finished.made)
        return sorted(found, key=lambda made: (made.start_ms, made.track))

    def _track(self, track: TrackFile, begin: float, weight: float) -> _Track:
        def watched(frames: Iterator[Frame]) -> Iterator[Frame]:
            for frame in frames:
                self._progress.reach(begin + weight * frame.at_us / max(self._duration_us, 1))
                yield frame

        codec = self._material.surveys[track.track].codec
        try:
            return _Track(write_track(track, codec, watched(self._material.frames(track)), self._out))
        except MuxingError:  # what its publisher sent is no video: it costs that track, and is said
            return _Track(None, broken=True)

    def _sound(self) -> _Heard:
        self._progress.begin("sound")
        memo = self._kept / "sound.json"
        heard = _read(memo, _Heard)
        if heard is not None:
            return heard
        tracks = self._material.tracks("audio")
        channels = 2 if any(track.source == "screen_audio" for track in tracks) else 1
        voices: dict[str, list[Voice]] = {}

        def sound(track: TrackFile) -> Sound:
            def opened(channels: int) -> Voice:
                voice = Voice(self._material.frames(track), channels)
                voices.setdefault(track.track, []).append(voice)
                return voice

            return Sound(self._material.begins_us(track), opened)

        sounds = [sound(track) for track in tracks]
        whole = max(self._duration_us, 1)
        lufs = measure_lufs(sounds, whole, channels, lambda at_us: self._progress.reach(0.35 * at_us / whole))
        unfinished = self._kept / "sound.unfinished"
        write_sound(
            unfinished,
            sounds,
            whole,
            channels=channels,
            lufs=lufs,
            kind=self._options.format,
            report=lambda at_us: self._progress.reach(0.35 + 0.65 * at_us / whole),
        )
        unfinished.rename(self._kept / "sound")
        broken = tuple(name for name, heard_from in voices.items() if any(voice.broken for voice in heard_from))
        heard = _Heard(lufs, channels, broken)
        _write(memo, heard)
        return heard

    def _pictures(self) -> tuple[Chosen, Footage]:
        self._progress.begin("video")
        options = self._options
        chosen = choose(options.encoder, options.format, self._width, self._height, options.fps)
        try:
            return chosen, self._shoot(chosen)
        except av.FFmpegError as error:  # a graphics card that was taken away, or does not take another film
            software = choose("", options.format, self._width, self._height, options.fps)
            if software.name == chosen.name:
                raise
            refused = (*chosen.refused, f"{chosen.name}: {error}")
        chosen = Chosen(software.name, software.codec, refused)
        return chosen, self._shoot(chosen)

    def _shoot(self, chosen: Chosen) -> Footage:
        return shoot(self._segments, self._material, self._options, chosen, report=self._progress.reach)

    def _write_film(self, chosen: Chosen, heard: _Heard, chapters: list[ComposedChapter], footage: Footage) -> None:
        self._progress.begin("writing")
        options = self._options
        duration_ms = self._duration_us // 1000
        captions = usable((*options.captions, *self._material.captions(options.spoken)), duration_ms)
        if captions:
            _write_whole(self._out / CAPTIONS, vtt(captions).encode())
        film = self._out / f"meeting.{options.format}"
        unfinished = self._out / ".meeting.unfinished"
        join(
            unfinished,
            kind=options.format,
            codec=chosen.codec,
            segments=footage.paths,
            fps=options.fps,
            sound=self._kept / "sound",
            channels=heard.channels,
            captions=captions,
            chapters=chapters,
            title=self._material.manifest.title,
            duration_ms=duration_ms,
            report=lambda number: self._progress.reach(0.95 * number / footage.count),
        )
        thumbnail = self._out / ".thumbnail.unfinished"
        write_thumbnail(unfinished, thumbnail, self._duration_us // 4)
        thumbnail.rename(self._out / THUMBNAIL)
        unfinished.rename(film)


def _files(out: Path) -> Iterator[Path]:
    """What was made."""
    return (path for path in out.rglob("*") if path.is_file() and _WORK not in path.parts)


def _read(path: Path, kind: type[T]) -> T | None:
    """What an earlier process kept, if it did."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _write(path: Path, kept: msgspec.Struct) -> None:
    _write_whole(path, msgspec.json.encode(kept))


def _write_whole(path: Path, data: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_bytes(data)
    unfinished.rename(path)
