"""One camera while it is analysed: its tap, and one task for each analysis that asks for the newest picture.

Owns when a picture is looked at and when a key frame is asked for (by opening the tap anew: at the start, after the
decoder in the worker was lost, and not more often than each `REOPEN_S`). Refuses to know who is told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, Protocol

import msgspec
import structlog
import trio

from appliance.ids import new_id
from appliance.inference.replies import InferenceError, Reply
from appliance.live.findings import Accusation, Expressions, Look, Suspicion, expression_of, generated_of, spoof_of
from appliance.live.frame_feed import Batch, FrameFeed, read
from appliance.recorder.writer import Tap
from appliance.signaling.messages import Expression

_log = structlog.get_logger(__name__)

Task = Literal["emotion", "spoof", "synthesis"]

DRAIN_S = 0.25
"""How often the tap is drained: few wake-ups, and a picture is not older when it is looked at."""
EACH_S: dict[Task, float] = {"emotion": 1.0, "spoof": 2.0, "synthesis": 2.0}
"""An expression lasts a second at least; a picture that is held up, and a generated one, much longer."""
ANSWER_WITHIN_S = 4.0
"""A worker that died is back in less; an older picture is of no use."""
REOPEN_S = 2.0
"""Between two wishes for a key frame: each costs the publisher some ten ordinary frames."""
SMOOTHING_MS = 2000
"""Time constant of the exponential mean over an expression's scores, in the worker."""
MAX_EVIDENCE = 2 * 1024 * 1024
"""A JPEG of 1080 lines has a quarter of it."""
SHED_CODES = frozenset({"overloaded", "expired"})
_LOST_CODES = frozenset({"worker_died", "no_picture", "bad_picture"})
"""The decoder has no state, and begins at the next key frame: nothing is wrong with anybody."""


class Analyst(Protocol):
    """What this asks of `inference.client.Inference`."""

    async def infer(
        self, name: str, payload: bytes, options: dict[str, Any], *, within_s: float
    ) -> Reply:
        """One request; InferenceError."""

    def close_session(self, name: str, session: str) -> None:
        """Forget a stream's state."""


class Felt(msgspec.Struct, frozen=True):
    """An expression has changed."""

    label: Expression | None
    score: float
    at_ms: int


class Suspected(msgspec.Struct, frozen=True):
    """Several looks in a row accuse."""

    accusation: Accusation
    model: str
    at_ms: int
    evidence: bytes
    """JPEG; empty where there is none."""


class Camera:
    """One track, from its tap's opening to its end; `serve` is its task."""

    def __init__(
        self,
        analyst: Analyst,
        open_tap: Callable[[], Tap],
        *,
        participant_id: str,
        name: str,
        models: Sequence[tuple[Task, str]],
        tell: Callable[[Camera, Felt | Suspected], Awaitable[None]],
        shed: Callable[[Task], None],
    ) -> None:
        """``models``: of the catalog, by the analysis that they do. ``shed`` is called when a picture was left out
        because the machine is busy. ``open_tap``: LookupError when the track is gone."""
        self.participant_id = participant_id
        self.name = name
        self.models = tuple(models)
        self._analyst = analyst
        self._open_tap = open_tap
        self._tell = tell
        self._shed = shed
        self._feeds = {task: FrameFeed() for task, _ in models}
        self._scope = trio.CancelScope()
        self._expressions = Expressions()
        self._since_ms: int | None = None
        """Of the first picture, by the taps' clock."""
        self.looks = 0

    def end(self) -> None:
        """Muted, gone, switched off or no longer agreed to: nothing more is looked at, also not what has come."""
        self._scope.cancel()

    async def serve(self) -> None:
        """Look until `end`, or until the track is gone."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                for task, model in self.models:
                    nursery.start_soon(self._watch, task, model)
                await self._drain()
                nursery.cancel_scope.cancel()

    async def _drain(self) -> None:
        tap: Tap | None = None
        opened_at = float("-inf")
        try:
            while True:
                wanted = any(feed.wants_key_frame for feed in self._feeds.values())
                if tap is None or (wanted and trio.current_time() - opened_at >= REOPEN_S):
                    if tap is not None:
                        tap.close()
                    try:
                        tap = self._open_tap()
                    except LookupError:
                        return
                    opened_at = trio.current_time()
                    for feed in self._feeds.values():
                        feed.wants_key_frame = False
                await trio.sleep(DRAIN_S)
                ended = tap.ended  # before the take: what came until then is in it
                records = read(tap.take())
                for feed in self._feeds.values():
                    feed.take(records)
                if ended:
                    return
        finally:
            if tap is not None:
                tap.close()

    async def _watch(self, task: Task, model: str) -> None:
        feed, suspicion, session, codec = self._feeds[task], Suspicion(), new_id("cam"), ""
        next_at = trio.current_time()
        try:
            while True:
                next_at = max(next_at + EACH_S[task], trio.current_time())
                await trio.sleep_until(next_at)
                batch = feed.next()
                if batch is None:
                    continue
                if batch.codec != codec:  # each session has one decoder
                    self._analyst.close_session(model, session)
                    session, codec = new_id("cam"), batch.codec
                reply = await self._ask(task, model, session, batch)
                if reply is None:
                    codec = ""
                    feed.restart()
                    continue
                self.looks += 1
                await self._judge(task, suspicion, reply, batch.at_ms)
        finally:
            self._analyst.close_session(model, session)

    async def _ask(self, task: Task, model: str, session: str, batch: Batch) -> Reply | None:
        """None: the decoder must begin anew."""
        options: dict[str, Any] = {
            "session": session,
            "format": batch.codec,
            "frames": [len(frame) for frame in batch.frames],
            "turns": batch.turns,
        }
        if task == "emotion":
            if self._since_ms is None:
                self._since_ms = batch.at_ms
            options |= {"at_ms": max(0, batch.at_ms - self._since_ms), "smoothing_ms": SMOOTHING_MS}
        try:
            return await self._analyst.infer(model, batch.payload, options, within_s=ANSWER_WITHIN_S)
        except InferenceError as error:
            if error.code in SHED_CODES:
                self._shed(task)
            elif error.code not in _LOST_CODES:
                person = self.participant_id
                _log.warning("picture_not_analysed", participant=person, code=error.code, error=str(error))
            return None

    async def _judge(self, task: Task, suspicion: Suspicion, reply: Reply, at_ms: int) -> None:
        try:
            if task == "emotion":
                await self._feel(expression_of(reply.values), at_ms)
                return
            found = spoof_of(reply.values) if task == "spoof" else generated_of(reply.values)
        except msgspec.ValidationError as error:
            _log.warning("picture_not_analysed", participant=self.participant_id, model=reply.model, error=str(error))
            return
        if suspicion.see(found) and found is not None:
            evidence = reply.payload if len(reply.payload) <= MAX_EVIDENCE else b""
            await self._tell(self, Suspected(found, reply.model, at_ms, evidence))

    async def _feel(self, look: Look, at_ms: int) -> None:
        if self._expressions.see(look):
            await self._tell(self, Felt(self._expressions.label, look.score, at_ms))
