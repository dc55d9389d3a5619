"""One microphone while captions are on: its tap, the recogniser's streams, and the lines that come of them.

Owns the task that drains the tap and asks, one request at a time: what waits while a machine is busy becomes one larger
request and not a queue. What the recogniser cannot do is counted and told, and the track goes on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec
import structlog
import trio

from appliance.ids import new_id
from appliance.inference.replies import InferenceError
from appliance.live.shared_microphone import SharedMicrophone, SpeechModels
from appliance.live.speech_feed import SpeechFeed, Step
from appliance.recorder.writer import Tap

_log = structlog.get_logger(__name__)

STEP_S = 0.2
"""How often the tap is drained: what a partial is late by, for five wake-ups a second."""
ANSWER_WITHIN_S = 6.0
"""A worker that died is back in less; what is later than this is of no use to a reader."""
PARTIAL_EACH_S = 0.25
"""Four changes of a line in a second are as much as an eye takes."""
SHED_CODES = frozenset({"overloaded", "expired"})


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A partial or final of a phrase; see `signaling.shapes.CaptionLine`."""

    caption_id: str
    text: str
    final: bool
    start_ms: int
    end_ms: int
    language: str
    voice: int | None = None


class _Heard(msgspec.Struct, frozen=True):
    """One caption of the recogniser's answer (task ``asr`` with a session)."""

    kind: Literal["partial", "final", "withdrawn"]
    phrase: int
    start_ms: int
    end_ms: int
    text: str
    language: str


class _Answer(msgspec.Struct, frozen=True):
    captions: tuple[_Heard, ...]
    speaking: bool


class Voice:
    """One track, from its tap's opening to its end; `serve` is its task."""

    def __init__(
        self,
        recogniser: SpeechModels,
        tap: Tap,
        *,
        participant_id: str,
        name: str,
        model: str,
        voices: str | None = None,
        language: str,
        gated: bool,
        clock_us: Callable[[], int],
        tell: Callable[[Voice, Line], Awaitable[None]],
        shed: Callable[[], None],
    ) -> None:
        """``name``: the speaker's. ``model``: the catalog's. ``voices``: its model that tells voices apart, if there is
        one. ``gated``: see `SpeechFeed`. ``clock_us``: the taps'. ``shed`` is called when speech was left out because
        the machine is busy."""
        self.participant_id = participant_id
        self.name = name
        self.speaking = False
        """As the audio levels say; set by the room."""
        self._recogniser = recogniser
        self._sharing = None if voices is None else SharedMicrophone(recogniser, voices)
        self.shared = False
        """Several people speak into it; set by the room."""
        self._tap = tap
        self._model = model
        self._language = language
        self._clock_us = clock_us
        self._tell = tell
        self._shed = shed
        self._feed = SpeechFeed(gated=gated)
        self._shed_s = 0.0
        self._ending = trio.Event()
        self._epoch: tuple[str, int] | None = None
        self._open: Line | None = None
        """The partial that people see."""
        self._phrase: tuple[str, int, int] | None = None
        """Whose it is: stream, epoch, number."""
        self._partial_at = float("-inf")

    def end(self) -> None:
        """Muted, gone or switched off: no more is heard, and what was said is still finished."""
        self._tap.close()
        self._ending.set()

    async def serve(self) -> None:
        """Transcribe until `end`, or until the track is gone."""
        try:
            next_at = trio.current_time()
            while True:
                next_at = max(next_at + STEP_S, trio.current_time())
                with trio.move_on_at(next_at):
                    await self._ending.wait()
                ending = self._ending.is_set() or self._tap.ended  # before the take: what came until then is in it
                await self._steps(ending)
                if ending:
                    return
        finally:
            self._tap.close()
            if self._sharing is not None:
                self._sharing.close()
            if self._feed.stream is not None:
                self._recogniser.close_session(self._model, self._feed.stream)

    async def _steps(self, ending: bool) -> None:
        while True:
            self._feed.take(self._tap.take())  # also what came while the last one was answered
            step = self._feed.step(self._clock_us(), speaking=self.speaking, ending=ending)
            if self._feed.shed_s > self._shed_s:
                self._shed_s = self._feed.shed_s
                self._shed()
            if step is None:
                return
            await self._ask(step)

    async def _ask(self, step: Step) -> None:
        if self._sharing is not None and self.shared:
            self._sharing.take(step)
        options: dict[str, Any] = {
            "session": step.stream,
            "format": "opus",
            "packets": [len(packet) for packet in step.packets],
            "at_ms": step.at_ms,
            "language": self._language,
            "last": step.last,
        }
        try:
            reply = await self._recogniser.infer(
                self._model, step.payload, options, priority="high", within_s=ANSWER_WITHIN_S
            )
            answer = msgspec.convert(reply.values, _Answer)
        except InferenceError as error:
            await self._failed(step, error)
        except msgspec.ValidationError as error:
            await self._failed(step, InferenceError("task_failed", f"{self._model} answered something else: {error}"))
        else:
            await self._answered(step, reply.epoch, answer)
        finally:
            if step.last:
                self._recogniser.close_session(self._model, step.stream)

    async def _answered(self, step: Step, epoch: int, answer: _Answer) -> None:
        if self._epoch is not None and self._epoch[0] == step.stream and self._epoch[1] != epoch:
            await self._settle()  # its worker was lost, and with it the rest of the phrase
        self._epoch = (step.stream, epoch)
        for heard in answer.captions:
            await self._show(step, epoch, heard)
        if step.last:
            await self._settle()
        else:
            self._feed.mid_phrase = answer.speaking

    async def _show(self, step: Step, epoch: int, heard: _Heard) -> None:
        phrase = (step.stream, epoch, heard.phrase)
        if phrase != self._phrase:
            await self._settle()
        if heard.kind == "withdrawn" and self._open is None:
            return
        if heard.kind == "partial":
            now = trio.current_time()
            if now - self._partial_at < PARTIAL_EACH_S or (self._open is not None and self._open.text == heard.text):
                return
            self._partial_at = now
        voice: int | None = None
        if heard.kind == "final" and self._sharing is not None and self.shared:
            voice = await self._sharing.voice_of(heard.start_ms, heard.end_ms)
        line = Line(
            caption_id=new_id("cap") if self._open is None else self._open.caption_id,
            text="" if heard.kind == "withdrawn" else heard.text,
            final=heard.kind != "partial",
            start_ms=step.base_ms + heard.start_ms,
            end_ms=step.base_ms + heard.end_ms,
            language=heard.language,
            voice=voice,
        )
        if line.final:
            self._open = self._phrase = None
        else:
            self._open, self._phrase = line, phrase
        await self._tell(self, line)

    async def _settle(self) -> None:
        """Nothing more comes of the phrase that people see: what they see is what was said."""
        line, self._open, self._phrase = self._open, None, None
        if line is not None:
            await self._tell(self, msgspec.structs.replace(line, final=True))

    async def _failed(self, step: Step, error: InferenceError) -> None:
        if error.code in SHED_CODES:
            self._shed()
            if not step.last:
                return  # the stream goes on behind a gap
        else:
            _log.warning("speech_not_transcribed", participant=self.participant_id, code=error.code, error=str(error))
        await self._settle()
        if not step.last:
            self._feed.end_stream()
            self._recogniser.close_session(self._model, step.stream)
