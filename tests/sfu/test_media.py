"""The SFU as a whole: ports, workers, numbers, and what happens when a part fails."""

from __future__ import annotations

import socket

import pytest
import trio
from structlog.testing import capture_logs

from appliance._dataplane import Event
from appliance.asyncio_thread import open_asyncio_thread
from appliance.errors import ConfigError
from appliance.settings import MediaSettings
from appliance.sfu.media import DataPlaneFailedError, open_sfu
from tests.support.sfu_bench import sfu_bench, until


def test_rooms_go_to_the_emptiest_worker() -> None:
    async def main() -> None:
        async with sfu_bench(workers=3) as b:
            assert len(b.sfu.ports) == 3 and len(set(b.sfu.ports)) == 3
            rooms = [b.room, *(b.sfu.open_room(str(n)) for n in range(5))]
            assert sorted(r.worker for r in rooms) == [0, 0, 1, 1, 2, 2]
            for room in rooms:
                assert {c.port for c in room.candidates} == {b.sfu.ports[room.worker]}
            for room in rooms[1:]:
                if room.worker == 1:
                    await room.close()
            assert b.sfu.open_room("next").worker == 1

    trio.run(main)


@pytest.mark.parametrize(("tcp", "kinds"), [(True, {False, True}), (False, {False})])
def test_candidates_are_of_what_listens(tcp: bool, kinds: set[bool]) -> None:
    async def main() -> None:
        async with sfu_bench(tcp=tcp) as b:
            assert {c.tcp for c in b.room.candidates} == kinds
            assert {c.address for c in b.room.candidates} == {"127.0.0.1"}

    trio.run(main)


def test_announced_addresses_of_the_settings_are_taken_as_they_are() -> None:
    async def main() -> None:
        async with sfu_bench(announced_addresses=("203.0.113.5",)) as b:
            assert {c.address for c in b.room.candidates} == {"203.0.113.5"}

    trio.run(main)


def test_a_port_that_is_taken_is_the_administrators_matter() -> None:
    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            async with open_asyncio_thread() as thread:
                with pytest.raises(ConfigError, match=f"media.port {port}"):
                    async with open_sfu(MediaSettings(hosts=("127.0.0.1",), port=port), thread):
                        pass

    trio.run(main)


def test_a_failed_worker_ends_the_sfu() -> None:
    async def main() -> None:
        async with sfu_bench() as b:
            failed = Event.WorkerFailed(worker=0, message="index out of bounds")  # type: ignore[call-arg]
            with pytest.raises(DataPlaneFailedError, match="worker 0 of the data plane failed: index out of bounds"):
                b.sfu._dispatch(failed)

    trio.run(main)


def test_a_kernel_without_segmentation_is_told_and_ends_nothing() -> None:
    async def main() -> None:
        async with sfu_bench() as b:
            refused = Event.SegmentationOff(worker=0, message="Invalid argument")  # type: ignore[call-arg]
            with capture_logs() as logs:
                b.sfu._dispatch(refused)
            assert [(line["event"], line["worker"], line["reason"]) for line in logs] == [
                ("segmentation_off", 0, "Invalid argument")
            ]

    trio.run(main)


@pytest.mark.slow
def test_numbers_arrive_each_second() -> None:
    async def main() -> None:
        async with sfu_bench() as b:
            await until(lambda: any(w.rooms == 1 for w in b.sfu.readings.workers), "readings", within_s=5)
            worker = b.sfu.readings.workers[0]
            assert (worker.worker, worker.port) == (0, b.sfu.ports[0])
            statistics = b.sfu.statistics()
            assert statistics["rooms"] == 1 and statistics["workers"]

    trio.run(main)
