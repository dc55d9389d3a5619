"""A link against a worker that is written here, frame by frame: what it takes, and why it gives up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import zmq

from appliance.inference import messages as m
from appliance.inference.installed import ModelError
from appliance.inference.link import Curve, Link
from appliance.inference.trio_socket import TrioSocket
from tests.support.waiting import until

DEVICE = m.Device("cpu", "cpu", ("CPUExecutionProvider",), "onnxruntime 1", 1)


def hello(incarnation: str = "one", protocol: int = m.PROTOCOL) -> m.Hello:
    return m.Hello(protocol, incarnation, "host", 1, 8, DEVICE, (m.ModelState("echo", True),))


class Ledger:
    """Whoever is told."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.batches = 0

    def link_up(self, link: Link) -> None:
        self.heard.append(("up", [model.name for model in link.models]))

    def link_down(self, link: Link, reason: str) -> None:
        self.heard.append(("down", reason))

    def link_answered(self, link: Link, message: m.Answer | m.Failure, payload: bytes) -> None:
        self.heard.append((message, payload))

    def link_heard(self, link: Link) -> None:
        self.batches += 1


class Peer:
    """The other end: a ROUTER, as a worker has."""

    def __init__(self, socket: TrioSocket) -> None:
        self._socket = socket
        self._identity = b""

    async def hear(self, kind: type[Any]) -> Any:
        """The next message of this type; others are passed over."""
        while True:
            self._identity, *frames = await self._socket.receive()
            for message, payload in m.decode_to_worker_untrusted(frames):
                if isinstance(message, kind):
                    return message, payload

    async def say(self, *batch: Any) -> None:
        pairs = [one if isinstance(one, tuple) else (one, b"") for one in batch]
        await self._socket.send([self._identity, *m.encode(pairs)])

    async def say_raw(self, *frames: bytes) -> None:
        await self._socket.send([self._identity, *frames])


@asynccontextmanager
async def linked(reasons: list[str] | None = None) -> AsyncIterator[tuple[Link, Peer, Ledger]]:
    ledger = Ledger()
    with zmq.Context() as context:
        router = context.socket(zmq.ROUTER)
        port = router.bind_to_random_port("tcp://127.0.0.1")
        wire = TrioSocket(router)
        link = Link("worker", "remote", ledger, context)
        async with trio.open_nursery() as nursery:

            async def live() -> None:
                reason = await link.live(f"tcp://127.0.0.1:{port}")
                if reasons is not None:
                    reasons.append(reason)

            nursery.start_soon(live)
            yield link, Peer(wire), ledger
            nursery.cancel_scope.cancel()
        wire.close()


async def test_a_greeting_is_answered_and_requests_go_out() -> None:
    async with linked() as (link, peer, ledger):
        greet, _ = await peer.hear(m.Greet)
        assert greet == m.Greet(m.PROTOCOL)
        assert link.state == "starting"
        await peer.say(hello())
        await until(lambda: link.state == "up")
        assert ledger.heard == [("up", ["echo"])]
        link.post(m.Infer(5, "echo", {}, 0, 100.0, True), b"sound")
        assert (await peer.hear(m.Infer))[1] == b"sound"
        await peer.say((m.Answer(5, "text", 0.0, 1.0, 1, True), b"back"), m.Failure(6, "expired", "late"))
        await until(lambda: len(ledger.heard) == 3)
        assert ledger.heard[1] == (m.Answer(5, "text", 0.0, 1.0, 1, True), b"back")
        assert ledger.heard[2][0].code == "expired"
        assert ledger.batches == 2, "once for what came at once"


async def test_orders_wait_for_their_own_answer() -> None:
    async with linked() as (link, peer, _):
        with pytest.raises(ModelError, match="is not there"):
            await link.order(lambda id: m.Load(id, "echo"))
        await peer.hear(m.Greet)
        await peer.say(hello())
        await until(lambda: link.state == "up")
        found: list[Any] = []

        async def order() -> None:
            try:
                found.append(await link.order(lambda id: m.Load(id, "echo")))
            except ModelError as error:
                found.append(str(error))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(order)
            load, _ = await peer.hear(m.Load)
            assert load.id < 0, "requests have the positive numbers"
            await peer.say(m.Done(load.id, m.ModelState("echo", True, pinned=True)))
        assert found[0].pinned and link.models[0].pinned
        async with trio.open_nursery() as nursery:
            nursery.start_soon(order)
            load, _ = await peer.hear(m.Load)
            await peer.say(m.Failure(load.id, "model_broken", "it is"))
        assert found[1] == "it is"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(order)
            await peer.hear(m.Load)
            await peer.say(hello("two"))
        assert found[2] == "the worker worker was lost: it was started anew"


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (m.encode([(hello(protocol=99), b"")]), "it speaks protocol 99 instead of 1"),
        ([b"\xc1rubbish"], "it does not speak our protocol"),
        (m.encode([(hello("two"), b"")]), "it was started anew"),
        (m.encode([(m.Pong(1, "two", 0, None, 0.0, ()), b"")]), "it was started anew"),
    ],
)
async def test_why_it_gives_up(frames: list[bytes], reason: str) -> None:
    reasons: list[str] = []
    async with linked(reasons) as (link, peer, ledger):
        await peer.hear(m.Greet)
        await peer.say(hello())
        await peer.say_raw(*frames)
        await until(lambda: reasons)
        assert reason in reasons[0]
        assert ledger.heard[-1][0] == "down"
        assert (link.state, link.restarts) == ("stopped", 1)


async def test_silence_is_noticed_and_rubbish_before_a_greeting_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.inference.link.PING_EACH_S", 0.02)
    reasons: list[str] = []
    async with linked(reasons) as (_, peer, ledger):
        await peer.hear(m.Greet)
        await peer.say(hello())
        for _ in range(20):  # ten are the most that go unanswered
            ping, _payload = await peer.hear(m.Ping)
            await peer.say(m.Pong(ping.number, "one", 7, None, 0.1, ()))
        assert reasons == []
        await until(lambda: reasons)
        assert reasons == ["it said nothing for 0.2 s"]
        assert ledger.heard[-1] == ("down", reasons[0])


async def test_models_that_come_are_told() -> None:
    async with linked() as (link, peer, ledger):
        await peer.hear(m.Greet)
        await peer.say(hello())
        models = (m.ModelState("echo", True), m.ModelState("new", False))
        await peer.say(m.Pong(1, "one", 7, None, 0.1, models), m.Pong(2, "one", 8, None, 0.1, models))
        await until(lambda: link.pong is not None and link.pong.rss_bytes == 8)
        assert ledger.heard == [("up", ["echo"]), ("up", ["echo", "new"])]


def test_the_secret_key_is_in_no_text() -> None:
    assert "hidden" not in repr(Curve("server", "public", "hidden"))
