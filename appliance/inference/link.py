"""A server's connection to one worker: greeting, pings, requests out, answers in.

Owns the socket and what is known of the worker; refuses to know which request goes where (`scheduling`) and how a
worker is started (`supervisor`). One `Link` object stands for one place where a worker is; `live` is one life of the
connection, and ends with the reason when the worker says nothing any more, speaks another protocol or was started anew.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Literal, Protocol

import msgspec
import structlog
import trio
import zmq

from appliance.inference import messages as m
from appliance.inference.installed import ModelError
from appliance.inference.trio_socket import TrioSocket

_log = structlog.get_logger(__name__)

PING_EACH_S = 0.5
MOST_UNANSWERED = 10
"""Pings without a word from the worker: it hangs, or the way to it is cut. Counted, so that a server that was itself
held up does not take its worker for dead."""
_GREET_EACH_S = 1.0
_LATE_WARNING_S = 20.0
"""A worker starts within seconds; one that has not said a word by then is worth a line in the log."""
_RECONNECT_MS = (50, 2000)
_NO_ID = 0


class Curve(msgspec.Struct, frozen=True):
    """Keys of a connection, Z85: the worker's, and our own pair."""

    server_key: str
    public_key: str
    secret_key: str

    def __repr__(self) -> str:
        """Without the secret one."""
        return f"Curve(server_key={self.server_key!r}, …)"


class Owner(Protocol):
    """Who is told; called in trio's thread, must not wait."""

    def link_up(self, link: Link) -> None:
        """The worker is there, or its models changed: `Link.hello`, `Link.models`."""

    def link_down(self, link: Link, reason: str) -> None:
        """It is lost, with all that it had."""

    def link_answered(self, link: Link, message: m.Answer | m.Failure, payload: bytes) -> None:
        """It is done with a request."""

    def link_heard(self, link: Link) -> None:
        """All that came at once was told: there may be room for more."""


class Link:
    """One worker, as this server sees it."""

    def __init__(
        self,
        key: str,
        kind: Literal["local", "remote"],
        owner: Owner,
        context: zmq.Context[zmq.Socket[bytes]],
        *,
        curve: Curve | None = None,
    ) -> None:
        """``key``: names the worker, for `scheduling` and for people. The context outlives the link."""
        self.key = key
        self.kind = kind
        self.state: Literal["stopped", "starting", "up"] = "stopped"
        self.reason = ""
        """Why it is not up."""
        self.restarts = 0
        """How often it was lost."""
        self.hello: m.Hello | None = None
        self.pong: m.Pong | None = None
        self.models: tuple[m.ModelState, ...] = ()
        self._owner = owner
        self._context = context
        self._curve = curve
        self._outbox: list[tuple[m.ToWorker, bytes]] = []
        self._sender: trio.lowlevel.Task | None = None
        self._orders: dict[int, trio.MemorySendChannel[m.Done | m.Failure]] = {}
        self._order_numbers = count(-1, -1)  # requests have the positive ones
        self._unanswered = 0
        self._greeted = trio.Event()

    def post(self, message: m.ToWorker, payload: bytes = b"") -> None:
        """Send soon, with whatever else is posted in this turn of the loop. Dropped while the worker is not there."""
        if self.state == "stopped":
            return
        self._outbox.append((message, payload))
        if self._sender is not None:
            sender, self._sender = self._sender, None
            trio.lowlevel.reschedule(sender)

    async def order(self, make: Callable[[int], m.Load | m.Unload | m.Pin]) -> m.ModelState:
        """Have the worker carry out a command; how the model is then. ModelError says why not."""
        if self.state != "up":
            raise ModelError("model_unavailable", f"the worker {self.key} is not there: {self.reason or self.state}")
        number = next(self._order_numbers)
        send, receive = trio.open_memory_channel[m.Done | m.Failure](1)
        self._orders[number] = send
        try:
            self.post(make(number))
            answer = await receive.receive()
        except trio.EndOfChannel:
            raise ModelError("model_unavailable", f"the worker {self.key} was lost: {self.reason}") from None
        finally:
            self._orders.pop(number, None)
        if isinstance(answer, m.Failure):
            raise ModelError(answer.code, answer.message)
        self.models = tuple(answer.model if old.name == answer.model.name else old for old in self.models)
        self._owner.link_up(self)
        return answer.model

    async def live(self, endpoint: str) -> str:
        """Connect and serve; returns why it ended. Cancelled, the worker is not told."""
        socket = self._context.socket(zmq.DEALER)
        socket.linger = 0
        socket.sndhwm = socket.rcvhwm = 0  # credit bounds both
        socket.reconnect_ivl, socket.reconnect_ivl_max = _RECONNECT_MS
        if self._curve is not None:
            socket.curve_serverkey = self._curve.server_key.encode()
            socket.curve_publickey = self._curve.public_key.encode()
            socket.curve_secretkey = self._curve.secret_key.encode()
        wire = TrioSocket(socket)
        self.state, self.hello, self.pong, self._unanswered = "starting", None, None, 0
        self.reason = "it did not answer yet"
        self._greeted = trio.Event()
        reason = "the connection ended"
        try:
            socket.connect(endpoint)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send, wire)
                nursery.start_soon(self._keep_asking)
                reason = await self._receive(wire)
                nursery.cancel_scope.cancel()
        finally:
            wire.close()
            self._lose(reason)
        return reason

    def _lose(self, reason: str) -> None:
        self.state, self.reason, self.models = "stopped", reason, ()
        self._outbox.clear()
        self._sender = None
        for send in self._orders.values():
            send.close()
        self.restarts += 1
        if self.hello is not None:
            self._owner.link_down(self, reason)

    async def _send(self, wire: TrioSocket) -> None:
        while True:
            if not self._outbox:
                self._sender = trio.lowlevel.current_task()
                await trio.lowlevel.wait_task_rescheduled(self._abort_wait)
            batch, self._outbox = self._outbox[: m.MAX_MESSAGES], self._outbox[m.MAX_MESSAGES :]
            await wire.send(m.encode(batch))

    def _abort_wait(self, _: object) -> trio.lowlevel.Abort:
        self._sender = None
        return trio.lowlevel.Abort.SUCCEEDED

    async def _keep_asking(self) -> None:
        """Greet until the worker answers, then ping."""
        began_s = trio.current_time()
        warned = False
        while self.hello is None:
            self.post(m.Greet(m.PROTOCOL))
            with trio.move_on_after(_GREET_EACH_S):
                await self._greeted.wait()
            if not warned and trio.current_time() - began_s > _LATE_WARNING_S:
                warned = True
                _log.warning("ai_worker_silent", worker=self.key, since_s=round(trio.current_time() - began_s))
        for number in count():
            self.post(m.Ping(number))
            self._unanswered += 1
            await trio.sleep(PING_EACH_S)

    async def _receive(self, wire: TrioSocket) -> str:
        while True:
            with trio.move_on_after(PING_EACH_S) as silence:
                frames = await wire.receive()
            if silence.cancelled_caught:
                if self._unanswered >= MOST_UNANSWERED:
                    return f"it said nothing for {MOST_UNANSWERED * PING_EACH_S:g} s"
                continue
            self._unanswered = 0
            try:
                batch = m.decode_to_server_untrusted(frames)
            except m.FrameError as error:
                return f"it does not speak our protocol: {error}"
            for message, payload in batch:
                reason = self._hear(message, payload)
                if reason is not None:
                    return reason
            self._owner.link_heard(self)

    def _hear(self, message: m.ToServer, payload: bytes) -> str | None:
        """Take one message; why the connection must end, if it must."""
        match message:
            case m.Answer():
                self._owner.link_answered(self, message, payload)
            case m.Failure(id):
                if id in self._orders:
                    self._orders[id].send_nowait(message)
                elif id != _NO_ID:
                    self._owner.link_answered(self, message, payload)
            case m.Done(id):
                if id in self._orders:
                    self._orders[id].send_nowait(message)
            case m.Pong():
                if self.hello is None or message.incarnation != self.hello.incarnation:
                    return "it was started anew"
                changed = _shape(message.models) != _shape(self.models)
                self.pong, self.models = message, message.models
                if changed:
                    self._owner.link_up(self)
            case m.Hello():
                if message.protocol != m.PROTOCOL:
                    return f"it speaks protocol {message.protocol} instead of {m.PROTOCOL}"
                if self.hello is not None and message.incarnation != self.hello.incarnation:
                    return "it was started anew"
                first = self.hello is None
                self.hello, self.models, self.state, self.reason = message, message.models, "up", ""
                if first:
                    self._greeted.set()
                    for warning in message.device.warnings:
                        _log.warning("ai_gpu_not_used", worker=self.key, reason=warning)
                self._owner.link_up(self)
        return None


def _shape(models: tuple[m.ModelState, ...]) -> list[tuple[str, bool]]:
    """What `scheduling` must know of them."""
    return [(model.name, model.loaded) for model in models]
