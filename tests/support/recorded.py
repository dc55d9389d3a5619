"""Recordings' folders without a meeting: journals of known pictures and beeps, with clocks and a network of their own.

Each second begins with a flash and a beep of `FLASH_S`. A camera shows its person's colour with a bar that moves. Times
are seconds of the server's clock from the recording's start; what is sent at a time arrives a delay later.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np

from appliance.recorder.journal import AFTER_LOSS, KEY_FRAME, Codec, Kind, Record, encode, encode_note
from appliance.recorder.manifest import EVENTS, Manifest, TrackFile, write_manifest

START_US = 1_800_000_000_000_000
FLASH_S = 0.12
BEEP_HZ = 1000
# Luma of a camera's ground, its bar and its flash; chroma says who it is.
GROUND, BAR, FLASH = 80, 140, 220
COLOURS = {"Ann": (90, 200), "Bob": (200, 90), "李雷": (80, 80), "Dora": (190, 190)}
"""(U, V)."""
# What must be heard before it can be sent.
PACKET_S = 0.02
_NTP_UNIX_S = 2_208_988_800

Encoded = tuple[bool, bytes]
"""(whether it is a key frame, payload)."""
_ENCODERS: dict[Codec, tuple[str, dict[str, str]]] = {
    Codec.VP8: ("libvpx", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
    Codec.VP9: ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
    Codec.H264: ("libx264", {"preset": "ultrafast", "tune": "zerolatency"}),
    Codec.AV1: ("libsvtav1", {"preset": "11", "crf": "40", "svtav1-params": "pred-struct=1:lp=1"}),
}


@lru_cache(64)
def pictures(
    codec: Codec, colour: tuple[int, int], width: int = 320, height: int = 180, fps: int = 25, seconds: int = 2
) -> tuple[Encoded, ...]:
    """A camera's frames from a whole second on, beginning with a key frame; to be repeated."""
    frames = []
    for number in range(fps * seconds):
        second, part = divmod(number, fps)
        whole = np.empty((height * 3 // 2, width), np.uint8)
        whole[:height] = FLASH if part < round(FLASH_S * fps) else GROUND
        bar = (number * width // (fps * seconds)) // 2 * 2
        whole[height // 4 : height * 3 // 4, bar : bar + width // 16] = BAR
        chroma = whole[height:].reshape(-1)
        chroma[: len(chroma) // 2], chroma[len(chroma) // 2 :] = colour
        del second
        frames.append(whole)
    return encoded(codec, frames, width, height, fps)


def encoded(
    codec: Codec, frames: Iterable[np.ndarray], width: int, height: int, fps: int, *, bitrate_bps: int = 1_000_000
) -> tuple[Encoded, ...]:
    """YUV 4:2:0 pictures, the first a key frame."""
    name, options = _ENCODERS[codec]
    encoder = av.CodecContext.create(name, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, fps), Fraction(fps)
    encoder.thread_count, encoder.gop_size = 1, 1000
    if codec is not Codec.AV1:
        encoder.bit_rate = bitrate_bps
    encoder.options = options
    packets = []
    for number, whole in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(whole, format="yuv420p")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return tuple((packet.is_keyframe, _without_delimiter(codec, bytes(packet))) for packet in packets)


def _without_delimiter(codec: Codec, payload: bytes) -> bytes:
    return payload[2:] if codec is Codec.AV1 and payload[:2] == b"\x12\x00" else payload


@lru_cache(8)
def beeps(seconds: int = 2, *, hz: int = BEEP_HZ, level: float = 0.3, stereo: bool = False) -> tuple[Encoded, ...]:
    """Opus frames of 20 ms from a whole second on; to be repeated."""
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    channels = 2 if stereo else 1
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "stereo" if stereo else "mono", "s16"
    encoder.bit_rate = 64_000
    time = np.arange(48_000 * (seconds + 1)) / 48_000
    loud = (time % 1.0 < FLASH_S) & (time >= 0)
    sound = (np.sin(2 * np.pi * hz * time) * loud * level * 32767).astype(np.int16)
    packets = []
    for at in range(0, len(sound), 960):
        piece = np.repeat(sound[at : at + 960], channels)[None]
        frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="stereo" if stereo else "mono")
        frame.sample_rate, frame.pts = 48_000, at
        packets += encoder.encode(frame)
    # The second one: a decoder that has just begun fades in.
    return tuple((True, bytes(packet)) for packet in packets[50 : 50 + 50 * seconds])


@dataclass
class Network:
    """Of one person."""

    delay_s: float = 0.03
    jitter_s: float = 0.01
    ntp_ahead_s: float = 1234.5
    ntp_ppm: float = 0.0
    reported: Callable[[float], bool] = lambda at_s: True


@dataclass
class Person:
    """Somebody in the meeting."""

    participant_id: str
    name: str
    network: Network

    @property
    def colour(self) -> tuple[int, int]:
        """Chroma of their camera."""
        return COLOURS.get(self.name, (128, 128))


@dataclass
class Meeting:
    """A recording to be written."""

    folder: Path
    seconds: float
    title: str = "Weekly 会议"
    seed: int = 1
    people: list[Person] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._notes: list[tuple[float, dict[str, Any]]] = []
        self._tracks: list[TrackFile] = []
        (self.folder / "tracks").mkdir(parents=True)

    def note(self, at_s: float, kind: str, **fields: Any) -> None:
        """An entry of the events journal."""
        self._notes.append((at_s, {"type": kind, **fields}))

    def join(self, name: str, at_s: float = 0.0, network: Network | None = None) -> Person:
        """Somebody comes."""
        person = Person(f"prt_{len(self.people)}", name, network or Network())
        self.people.append(person)
        self.note(at_s, "joined", participant_id=person.participant_id, name=name)
        return person

    def leave(self, person: Person, at_s: float) -> None:
        """Somebody goes."""
        self.note(at_s, "left", participant_id=person.participant_id)

    def camera(self, person: Person, begin_s: float = 0.0, end_s: float | None = None, **how: Any) -> str:
        """Their camera; ``how`` as of `video` and ``codec``, ``size``, ``fps``."""
        return self.video(person, "camera", begin_s, end_s, **how)

    def video(
        self,
        person: Person,
        source: str,
        begin_s: float = 0.0,
        end_s: float | None = None,
        *,
        codec: Codec = Codec.VP8,
        size: tuple[int, int] = (320, 180),
        fps: int = 25,
        loop: tuple[Encoded, ...] | None = None,
        **how: Any,
    ) -> str:
        """A track of pictures from ``begin_s``, a whole second, to ``end_s``."""
        loop = loop or pictures(codec, person.colour, *size, fps)
        end_s = self.seconds if end_s is None else end_s
        frames = (
            (begin_s + number / fps, *loop[number % len(loop)]) for number in range(round((end_s - begin_s) * fps))
        )
        return self.track(person, source, codec, 90_000, frames, end_s, **how)

    def microphone(
        self,
        person: Person,
        begin_s: float = 0.0,
        end_s: float | None = None,
        *,
        source: str = "microphone",
        loop: tuple[Encoded, ...] | None = None,
        silent: Callable[[float], bool] = lambda at_s: False,
        **how: Any,
    ) -> str:
        """Beeps from ``begin_s``, a whole second, to ``end_s``; nothing is sent while ``silent``."""
        loop = loop or beeps()
        end_s = self.seconds if end_s is None else end_s
        frames = (
            (begin_s + number * 0.02, *loop[number % len(loop)])
            for number in range(round((end_s - begin_s) * 50))
            if not silent(begin_s + number * 0.02)
        )
        return self.track(person, source, Codec.OPUS, 48_000, frames, end_s, **how)

    def track(
        self,
        person: Person,
        source: str,
        codec: Codec,
        rate: int,
        frames: Iterable[tuple[float, bool, bytes]],
        end_s: float,
        *,
        rtp_ppm: float = 0.0,
        first_rtp: int = 2**32 - 200_000,
        layer: Callable[[float], int] = lambda at_s: 0,
        change: Callable[[Record], Record | None] = lambda record: record,
        between: Iterable[tuple[float, Kind]] = (),
    ) -> str:
        """A track of (time, key, payload); ``change`` may alter or drop each record, ``between`` adds mutes."""
        name = f"trk_{len(self._tracks)}"
        network = person.network
        arrived: list[tuple[float, Record]] = []
        begin_s: float | None = None
        next_report_s = 0.0

        def rtp(at_s: float, of_layer: int) -> int:
            return first_rtp + 777_777 * of_layer + round(at_s * rate * (1 + (rtp_ppm + network.ntp_ppm) / 1e6))

        for at_s, is_key, payload in frames:
            begin_s = at_s if begin_s is None else begin_s
            of_layer = layer(at_s)
            record = Record(
                kind=Kind.FRAME,
                codec=codec,
                flags=KEY_FRAME if is_key else 0,
                layer=of_layer,
                at_us=0,
                rtp=rtp(at_s, of_layer),
                clock_rate=rate,
                payload=payload,
            )
            ready_s = at_s + (PACKET_S if codec is Codec.OPUS else 0.0)
            arrived.append((ready_s + network.delay_s + self._chance.expovariate(1 / network.jitter_s), record))
            if at_s >= next_report_s:
                next_report_s = at_s + 1.0
                if network.reported(at_s):
                    ntp_s = START_US / 1e6 + network.ntp_ahead_s + at_s * (1 + network.ntp_ppm / 1e6)
                    ntp = round(ntp_s * 2**32) + (_NTP_UNIX_S << 32)
                    clock = Record(
                        kind=Kind.CLOCK,
                        layer=of_layer,
                        at_us=0,
                        rtp=rtp(at_s, of_layer),
                        clock_rate=rate,
                        payload=ntp.to_bytes(8, "little"),
                    )
                    arrived.append((at_s + network.delay_s, clock))
        arrived += [(at_s + network.delay_s, Record(kind=kind, at_us=0)) for at_s, kind in between]
        if codec is not Codec.OPUS:
            arrived = list(_video_in_order(arrived))
        with (self.folder / "tracks" / f"{name}.journal").open("wb") as journal:
            for arrival_s, record in sorted(arrived, key=lambda item: item[0]):
                changed = change(msgspec.structs.replace(record, at_us=START_US + round(arrival_s * 1e6)))
                if changed is not None:
                    journal.write(encode(changed))
        self._tracks.append(
            TrackFile(
                track=name,
                file=f"tracks/{name}.journal",
                participant_id=person.participant_id,
                name=person.name,
                source=source,  # type: ignore[arg-type]
                kind="audio" if codec is Codec.OPUS else "video",
            )
        )
        who = {"participant_id": person.participant_id, "source": source, "track": name}
        self.note(begin_s or 0.0, "published", **who)
        if end_s < self.seconds:
            self.note(end_s + network.delay_s, "unpublished", **who)
        return name

    def write(self, *, closed: bool = True) -> Path:
        """The manifest and the events; the folder."""
        with (self.folder / EVENTS).open("wb") as journal:
            for at_s, note in sorted(self._notes, key=lambda item: item[0]):
                journal.write(encode_note(START_US + round(at_s * 1e6), msgspec.json.encode(note)))
        manifest = Manifest(
            recording_id="rec_1",
            meeting_id="mtg_1",
            title=self.title,
            started_at_ms=START_US // 1000,
            stopped_at_ms=START_US // 1000 + round(self.seconds * 1000) if closed else None,
            closed=closed,
            tracks=tuple(self._tracks),
        )
        write_manifest(self.folder, manifest)
        return self.folder


def _video_in_order(arrived: list[tuple[float, Record]]) -> Iterator[tuple[float, Record]]:
    """As the data plane hands video over: a frame that was held up holds up those behind it."""
    last_s = 0.0
    for arrival_s, record in arrived:
        last_s = max(last_s, arrival_s) if record.kind == Kind.FRAME else last_s
        yield (last_s if record.kind == Kind.FRAME else arrival_s), record


def lost(record: Record) -> Record:
    """As after a loss."""
    return msgspec.structs.replace(record, flags=record.flags | AFTER_LOSS)
