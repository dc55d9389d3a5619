"""``/ws/ai``: a stream of sound or pictures in, what a model makes of it out; `questions.streaming` has the messages.

Owns the tasks of one stream (one reads, one asks, one looks whether who asks still may), its bounds, and the reason in
the close. A client that sends faster than the model hears waits: no more is read from it. Live captions go first.

Close codes: 1000 after ``ended``; 1008 with the reason for what the client did (no sign-in, silence, too long,
rubbish); 1013 when the machine is too busy or no model is there; 1001 when the server stops; 1011 for its faults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec
import trio
from werkzeug.http import parse_cookie

from appliance.api.addresses import Origin
from appliance.api.ai import KNOWN_CODES
from appliance.api.call import Call, Caller
from appliance.api.callers import recognise
from appliance.api.dispatch import presented
from appliance.api.json_bodies import decode_untrusted
from appliance.api.limits import limit_of
from appliance.api.services import Services
from appliance.api.websocket import INTERNAL_ERROR, NORMAL, AsgiSocket
from appliance.errors import UserError
from appliance.ids import new_id
from appliance.inference.entries import CatalogEntry
from appliance.inference.replies import InferenceError, Reply
from appliance.questions.asking import chosen, named, speech_model
from appliance.questions.options import AsrOptions
from appliance.questions.streaming import (
    AnyAsked,
    AnySaid,
    Ended,
    HeardAnswer,
    Left,
    Pictures,
    SeenAnswer,
    SeenFaces,
    Sound,
    Start,
    Started,
    Stop,
    Trouble,
)

# RFC 6455 §7.4.1, and IANA's registry for 1013.
GOING_AWAY, POLICY, TRY_AGAIN_LATER = 1001, 1008, 1013

# A program sends `start` as soon as the socket opens.
START_WITHIN_S = 10.0
# Opus sends nothing in a pause (DTX), people think; who is silent for longer has gone.
SILENCE_S = 120.0
# Longer than any meeting; what goes on then was forgotten.
MAX_STREAM_S = 8 * 3600.0
# How often what came is asked about, as of live captions.
STEP_S = 0.2
# A request's own deadline. The largest recogniser is loaded within it.
ANSWER_WITHIN_S = 30.0
# So long "overloaded" in a row is no peak.
BUSY_S = 20.0
BUSY_PAUSE_S = 0.5
# Whoever sends so much rubbish does not know the format.
MAX_TROUBLES = 20
# A ban takes effect within this.
LOOK_EACH_S = 60.0

T = TypeVar("T")


class _End(Exception):  # noqa: N818  # an end, not a fault
    """Close the socket with this."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


async def serve_stream(
    services: Services, socket: AsgiSocket, origin: Origin, headers: Mapping[str, str], request_id: str
) -> None:
    """One stream from its first frame to its close. Raises `live_port.SocketClosed` when the client has gone."""
    call = Call(
        services=services,
        request_id=request_id,
        origin=origin,
        user_agent=headers.get("user-agent", ""),
        headers=dict(headers),
        cookies=dict(parse_cookie(headers.get("cookie", "")).items()),
        caller=None,
        now_ms=services.now_ms(),
    )
    try:
        start = await _start(socket)
        caller = await _caller(call, start)
        limit = limit_of("ai", services.settings.limits)
        if limit is not None:
            call.limit("GET /api/v1/ws/ai", limit, who=caller.user.id)
        with services.streams.hold(caller.user.id):
            await _Stream(call, socket, start, _model(services, start)).serve()
    except UserError as error:
        await _say(socket, _trouble(error.code, str(error), error.field))
        code = TRY_AGAIN_LATER if error.status == 503 else POLICY
        await socket.close(code, f"{error.code}: {error}")
    except InferenceError as error:
        await _say(socket, _trouble(error.code, str(error), None))
        code = INTERNAL_ERROR if error.code == "task_failed" else TRY_AGAIN_LATER
        await socket.close(code if error.code in KNOWN_CODES else POLICY, f"{error.code}: {error}")
    except _End as end:
        await socket.close(end.code, end.reason)
    except trio.Cancelled:
        await socket.close(GOING_AWAY, "the server stops")
        raise


async def _start(socket: AsgiSocket) -> Start:
    with trio.move_on_after(START_WITHIN_S):
        frame = await socket.receive_any()
        if isinstance(frame, bytes):
            raise UserError(400, "not_started", "the first message must be start")
        message = _read(frame)
        if not isinstance(message, Start):
            raise UserError(400, "not_started", "the first message must be start", field="type")
        return message
    raise UserError(408, "not_started", f"no start came within {START_WITHIN_S:.0f} s")


def _read(frame: str) -> AnyAsked:
    asked: AnyAsked = decode_untrusted(frame.encode(), AnyAsked)  # type: ignore[arg-type]  # a union is no type[T]
    return asked


async def _caller(call: Call, start: Start) -> Caller:
    """Who asks: by the token of the message, the header Authorization, or the cookie. UserError 401 or 403."""
    if start.token is not None:
        claims, by_cookie = call.services.tokens.read_access(start.token, now_s=call.services.now_s()), False
    else:
        found, by_cookie = presented(call)
        if found is None:
            raise UserError(401, "sign_in_required", "sign in first")
        claims = found
    caller = await recognise(call, claims, by_cookie)
    if caller is None:
        raise UserError(401, "token_revoked", "the session has ended, sign in again")
    return caller


def _model(services: Services, start: Start) -> CatalogEntry:
    if start.task == "asr":
        return speech_model(services.inference, AsrOptions(model=start.model, language=start.language))
    if start.model is not None:
        return named(services.inference, start.model, start.task)
    return chosen(services.inference, start.task)


class _Stream:
    """One, after its start."""

    def __init__(self, call: Call, socket: AsgiSocket, start: Start, entry: CatalogEntry) -> None:
        self._call, self._socket, self._start, self._entry = call, socket, start, entry
        self._inference = call.services.inference
        self._task_id = new_id("ait")
        self._session = new_id("str")
        self._sound, self._pictures = Sound(start), Pictures(start)
        self._came, self._taken, self._ended = trio.Event(), trio.Event(), trio.Event()
        self._frames = self._shed = self._left = self._troubles = 0
        self._busy_since: float | None = None
        self._began_s = trio.current_time()

    async def serve(self) -> None:
        await self._say(Started(task_id=self._task_id, task=self._start.task, model=self._entry.name))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._look)
                nursery.start_soon(self._read)
                await (self._hear() if self._start.task == "asr" else self._see())
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            # Each of the tasks may end the stream, by an exception that says why; the first one counts.
            raise _first(group) from None
        finally:
            self._inference.close_session(self._entry.name, self._session)
        heard = {"duration_ms": self._sound.heard_ms} if self._start.task == "asr" else {}
        await self._say(Ended(task_id=self._task_id, frames=self._frames, shed=self._shed, **heard))
        raise _End(NORMAL, "ended")

    # --- what comes ---------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while not self._ended.is_set():
            while self._start.task == "asr" and self._sound.is_full:
                self._taken = trio.Event()
                await self._taken.wait()
            frame = await self._next()
            if isinstance(frame, str):
                if not isinstance(_read(frame), Stop):
                    raise UserError(400, "started_already", "a stream starts once", field="type")
                self._ended.set()
            elif not frame:
                await self._trouble("bad_frame", "a frame of 0 bytes")
                continue
            elif self._start.task == "asr":
                self._frames += 1
                self._sound.put(frame)
            else:
                self._frames += 1
                self._left += self._pictures.put(frame, self._now_ms())
            self._came.set()

    async def _next(self) -> str | bytes:
        left_s = self._began_s + MAX_STREAM_S - trio.current_time()
        with trio.move_on_after(min(SILENCE_S, left_s)):
            return await self._socket.receive_any()
        if left_s <= SILENCE_S:
            raise UserError(400, "too_long", f"a stream may take {MAX_STREAM_S:.0f} s")
        raise UserError(408, "silent", f"nothing came for {SILENCE_S:.0f} s")

    async def _look(self) -> None:
        """Whether who asks still may: a ban or a sign-out ends the stream."""
        while True:
            await trio.sleep(LOOK_EACH_S)
            now = msgspec.structs.replace(self._call, now_ms=self._call.services.now_ms())
            await _caller(now, self._start)

    # --- what is asked ------------------------------------------------------------------------------------------------

    async def _hear(self) -> None:
        while True:
            last = self._ended.is_set()
            frames = self._sound.take()
            self._taken.set()
            if frames or last:
                options = self._sound.options(frames, self._session, last=last)
                reply = await self._ask(b"".join(frames), options, len(frames))
                if reply is None and self._busy_since is not None:
                    self._sound.give_back(frames)
                    continue
                if reply is not None:
                    for caption in self._sound.heard(_shaped(reply, HeardAnswer), reply.epoch):
                        await self._say(caption)
            if last:
                return
            await self._wait(STEP_S)

    async def _see(self) -> None:
        while True:
            last, taken = self._ended.is_set(), self._pictures.take()
            if taken is not None:
                picture, at_ms = taken
                options = {"session": self._session, "at_ms": at_ms, "threshold": self._start.threshold}
                reply = await self._ask(picture, options, 1)
                if reply is not None:
                    seen = _shaped(reply, SeenAnswer)
                    await self._say(SeenFaces(at_ms=at_ms, width=seen.width, height=seen.height, faces=seen.faces))
                elif self._busy_since is not None:
                    self._left += 1  # a later one is better than this
                await self._tell_left()
            elif last:
                return
            else:
                await self._wait(0)

    async def _wait(self, least_s: float) -> None:
        """Until there is something to ask about, or nothing more comes; then a moment more, for more of it."""
        while not (self._ended.is_set() or self._sound.waiting or self._pictures.waiting):
            self._came = trio.Event()
            await self._came.wait()
        with trio.move_on_after(least_s):
            await self._ended.wait()

    async def _ask(self, payload: bytes, options: dict[str, object], frames: int) -> Reply | None:
        """None: there is no answer, and the stream goes on; ``_busy_since`` tells whether to ask again."""
        try:
            reply = await self._inference.infer(
                self._entry.name, payload, options, priority="normal", within_s=ANSWER_WITHIN_S
            )
        except InferenceError as error:
            if error.code == "overloaded":
                self._busy_since = self._busy_since or trio.current_time()
                if trio.current_time() - self._busy_since > BUSY_S:
                    raise
                await trio.sleep(BUSY_PAUSE_S)
                return None
            self._busy_since = None
            if error.code == "bad_option":
                raise UserError(400, "invalid_field", str(error), field=str(error).partition(":")[0]) from None
            if error.code == "expired":
                self._left += frames
                await self._tell_left()
            elif error.code in KNOWN_CODES and error.code != "worker_died":
                raise
            else:
                await self._trouble(error.code, str(error))
            return None
        self._busy_since = None
        return reply

    # --- what is said -------------------------------------------------------------------------------------------------

    async def _tell_left(self) -> None:
        if self._left:
            self._shed += self._left
            left, self._left = self._left, 0
            await self._say(Left(frames=left))

    async def _trouble(self, code: str, message: str) -> None:
        self._troubles += 1
        await self._say(_trouble(code, message, None))
        if self._troubles >= MAX_TROUBLES:
            raise UserError(400, "too_many_errors", f"{self._troubles} frames were no good, the last one: {message}")

    async def _say(self, message: AnySaid) -> None:
        await _say(self._socket, message)

    def _now_ms(self) -> int:
        return round((trio.current_time() - self._began_s) * 1000)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    one: BaseException = group
    while isinstance(one, BaseExceptionGroup):
        one = one.exceptions[0]
    return one


async def _say(socket: AsgiSocket, message: AnySaid) -> None:
    await socket.send(msgspec.json.encode(message).decode())


def _trouble(code: str, message: str, field: str | None) -> Trouble:
    return Trouble(error=f"{code}: {field}" if field else code, message=message)


def _shaped(reply: Reply, kind: type[T]) -> T:
    try:
        return msgspec.convert(reply.values, kind)
    except msgspec.ValidationError as error:
        raise InferenceError("task_failed", f"{reply.model} answered something else: {error}") from None

