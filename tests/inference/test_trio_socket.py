"""Two real ZeroMQ sockets in trio: nothing is lost when many wait, when one is cancelled, when one is closed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio
import trio.testing
import zmq

from appliance.inference.trio_socket import TrioSocket


@contextmanager
def _pair(queue: int = 1000) -> Iterator[tuple[TrioSocket, TrioSocket]]:
    with zmq.Context() as context:
        ends = []
        for kind in (zmq.DEALER, zmq.DEALER):
            socket = context.socket(kind)
            socket.sndhwm = socket.rcvhwm = queue
            ends.append(socket)
        port = ends[0].bind_to_random_port("tcp://127.0.0.1")
        ends[1].connect(f"tcp://127.0.0.1:{port}")
        one, other = TrioSocket(ends[0]), TrioSocket(ends[1])
        try:
            yield one, other
        finally:
            one.close()
            other.close()


async def test_messages_go_both_ways_at_once() -> None:
    count = 2000
    with _pair() as (one, other):

        async def speak(end: TrioSocket) -> None:
            for number in range(count):
                await end.send([b"%d" % number, b"body"])

        async def hear(end: TrioSocket) -> None:
            for number in range(count):
                assert await end.receive() == [b"%d" % number, b"body"]

        async with trio.open_nursery() as nursery:
            for end in (one, other):
                nursery.start_soon(speak, end)
                nursery.start_soon(hear, end)


async def test_a_full_queue_makes_the_sender_wait() -> None:
    with _pair(queue=1) as (one, other):
        sent = 0

        async def speak() -> None:
            nonlocal sent
            for _ in range(200):
                await one.send([b"x" * 1_000_000])
                sent += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak)
            await trio.sleep(0.1)
            assert sent < 200
            for _ in range(200):
                await other.receive()
        assert sent == 200


async def test_a_cancelled_receiver_takes_nothing_with_it() -> None:
    with _pair() as (one, other):
        with trio.move_on_after(0.02):
            await one.receive()
        async with trio.open_nursery() as nursery:

            async def hear_one() -> None:
                assert await one.receive() == [b"late"]

            nursery.start_soon(hear_one)
            await other.send([b"late"])


async def test_several_receivers_share_what_comes() -> None:
    with _pair() as (one, other):
        heard = []

        async def hear() -> None:
            heard.append((await one.receive())[0])

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(hear)
            for number in range(5):
                await other.send([b"%d" % number])
        assert sorted(heard) == [b"0", b"1", b"2", b"3", b"4"]


async def test_closing_wakes_everybody() -> None:
    with _pair() as (one, _):
        async with trio.open_nursery() as nursery:

            async def hear() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await one.receive()

            nursery.start_soon(hear)
            nursery.start_soon(hear)
            await trio.testing.wait_all_tasks_blocked()
            one.close()
        with pytest.raises(trio.ClosedResourceError):
            await one.send([b"x"])
