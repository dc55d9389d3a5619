"""A WebRTC client in Python (aiortc): publishes synthetic sound and pictures, fills receive seats, counts frames.

Everything here runs in an asyncio loop; from trio call it through an AsyncioThread. Refuses to know signaling: it
makes `messages.Offer`s and takes answers. `loopback_candidates` must be in force: aioice skips 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import fractions
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import aioice.ice
import av
import numpy as np
from aiortc import (
    MediaStreamError,
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpTransceiver,
    RTCSessionDescription,
)

from appliance.signaling import messages

# Small enough that a dozen peers encode and decode on two cores.
WIDTH, HEIGHT, FPS = 160, 90, 15
SAMPLE_RATE, SAMPLES = 48_000, 960


@contextmanager
def loopback_candidates(address: str = "127.0.0.1") -> Iterator[None]:
    """aioice gathers only this address."""
    before = aioice.ice.get_host_addresses
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [address]
    try:
        yield
    finally:
        aioice.ice.get_host_addresses = before


class Picture(MediaStreamTrack):
    """A colour with a brighter bar that moves: (red, green, blue)."""

    kind = "video"

    def __init__(self, colour: tuple[int, int, int]) -> None:
        super().__init__()
        self._colour = colour
        self._number = 0
        self._began: float | None = None

    async def recv(self) -> av.VideoFrame:
        loop = asyncio.get_running_loop()
        if self._began is None:
            self._began = loop.time()
        await asyncio.sleep(max(0.0, self._began + self._number / FPS - loop.time()))
        image = np.full((HEIGHT, WIDTH, 3), self._colour, dtype=np.uint8)
        left = self._number * 4 % (WIDTH - 8)
        image[:8, left : left + 8] = 255
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = self._number * 90_000 // FPS, fractions.Fraction(1, 90_000)
        self._number += 1
        return frame


class Tone(MediaStreamTrack):
    """A sine wave in 20 ms frames; silence while ``quiet``."""

    kind = "audio"

    def __init__(self, frequency_hz: float) -> None:
        super().__init__()
        self.quiet = False
        self._frequency = frequency_hz
        self._at = 0
        self._began: float | None = None

    async def recv(self) -> av.AudioFrame:
        loop = asyncio.get_running_loop()
        if self._began is None:
            self._began = loop.time()
        await asyncio.sleep(max(0.0, self._began + self._at / SAMPLE_RATE - loop.time()))
        times = (self._at + np.arange(SAMPLES)) / SAMPLE_RATE
        wave = np.zeros(SAMPLES) if self.quiet else 12_000 * np.sin(2 * math.pi * self._frequency * times)
        frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, self._at, fractions.Fraction(1, SAMPLE_RATE)
        self._at += SAMPLES
        return frame


@dataclass
class Received:
    """What arrived on one line of one seat."""

    frames: int = 0
    colour: tuple[int, int, int] = (0, 0, 0)
    """Mean of the newest picture."""
    width: int = 0
    energy: float = 0.0
    """Mean square of all samples, summed over frames."""
    loud: float = 0.0
    """Mean square of the newest frame."""


@dataclass
class Seat:
    number: int
    audio: RTCRtpTransceiver
    video: RTCRtpTransceiver | None
    heard: Received = field(default_factory=Received)
    seen: Received = field(default_factory=Received)


class Peer:
    """One client. Methods belong to the asyncio loop; counters may be read from anywhere."""

    def __init__(
        self,
        *,
        colour: tuple[int, int, int] | None = None,
        tone_hz: float | None = None,
        seats: int = 0,
        audio_seats: int = 0,
        channels: bool = True,
    ) -> None:
        self._colour = colour
        self._tone_hz = tone_hz
        self._wanted = (seats, audio_seats)
        self._with_channels = channels
        self._negotiation = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._pc: RTCPeerConnection | None = None
        self._published: dict[messages.Source, RTCRtpTransceiver] = {}
        self.seats: list[Seat] = []
        self.channels: dict[str, RTCDataChannel] = {}
        self.messages: list[tuple[str, str | bytes]] = []
        self.tone: Tone | None = None

    @property
    def state(self) -> str:
        """connectionState of the peer connection."""
        return self._pc.connectionState if self._pc is not None else "new"

    async def offer(self, *, seats: int | None = None, audio_seats: int | None = None) -> messages.Offer:
        """The next offer, with this many seats in all; never fewer than before."""
        if self._pc is None:
            self._pc = self._connection()
        want_both, want_audio = self._wanted
        want_both, want_audio = max(want_both, seats or 0), max(want_audio, audio_seats or 0)
        self._wanted = (want_both, want_audio)
        for has_video, wanted in ((True, want_both), (False, want_audio)):
            have = sum((s.video is not None) is has_video for s in self.seats)
            for _ in range(wanted - have):
                audio = self._pc.addTransceiver("audio", direction="recvonly")
                video = self._pc.addTransceiver("video", direction="recvonly") if has_video else None
                self.seats.append(Seat(len(self.seats), audio, video))
        if not self.channels:
            self._open_channels(self._pc)
        await self._pc.setLocalDescription(await self._pc.createOffer())
        self._negotiation += 1
        return messages.Offer(
            sdp=self._pc.localDescription.sdp,
            negotiation=self._negotiation,
            publish=[messages.PublishLine(mid=t.mid, source=source) for source, t in self._published.items()],
            receive=[
                messages.ReceiveLine(
                    seat=s.number, audio_mid=s.audio.mid, video_mid=None if s.video is None else s.video.mid
                )
                for s in self.seats
            ],
        )

    async def accept(self, answer: str) -> None:
        assert self._pc is not None
        # aiortc takes the candidates of the last section that shares a transport; RFC 8843 §7.4 has them in the first.
        head, *sections = answer.split("\r\nm=")
        candidates = [line for line in sections[0].split("\r\n") if line.startswith("a=candidate:")]
        sections = [sections[0], *("\r\n".join([section.rstrip(), *candidates]) for section in sections[1:])]
        text = "\r\nm=".join([head, *sections]).rstrip() + "\r\n"
        await self._pc.setRemoteDescription(RTCSessionDescription(text, "answer"))

    async def close(self) -> None:
        """Say goodbye and wait for what reads tracks."""
        if self._pc is not None:
            await self._pc.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def send(self, label: str, text: str) -> None:
        self.channels[label].send(text)

    # --- inside ------------------------------------------------------------------------------------------------

    def _connection(self) -> RTCPeerConnection:
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        pc.on("track", self._on_track)
        if self._tone_hz is not None:
            self.tone = Tone(self._tone_hz)
            self._published["microphone"] = pc.addTransceiver(self.tone, direction="sendonly")
        if self._colour is not None:
            self._published["camera"] = pc.addTransceiver(Picture(self._colour), direction="sendonly")
        return pc

    def _open_channels(self, pc: RTCPeerConnection) -> None:
        """After the first transceiver: aiortc closes the shared transport when SCTP made it."""
        if self._with_channels:
            for label, number, options in (
                ("reactions", 1, {"ordered": False, "maxRetransmits": 0}),
                ("captions", 2, {"ordered": True}),
            ):
                channel = pc.createDataChannel(label, negotiated=True, id=number, **options)
                channel.on("message", lambda data, label=label: self.messages.append((label, data)))
                self.channels[label] = channel

    def _on_track(self, track: MediaStreamTrack) -> None:
        for seat in self.seats:
            for transceiver, received in ((seat.audio, seat.heard), (seat.video, seat.seen)):
                if transceiver is not None and transceiver.receiver.track is track:
                    task = asyncio.get_running_loop().create_task(_read(track, received))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)


async def _read(track: MediaStreamTrack, received: Received) -> None:
    with suppress(MediaStreamError):
        while True:
            frame = await track.recv()
            if isinstance(frame, av.VideoFrame):
                means = frame.to_ndarray(format="rgb24").mean(axis=(0, 1))
                received.colour = (int(means[0]), int(means[1]), int(means[2]))
                received.width = frame.width
            elif isinstance(frame, av.AudioFrame):
                received.loud = float((frame.to_ndarray().astype(np.float64) ** 2).mean())
                received.energy += received.loud
            received.frames += 1
