"""The job with the real composition: a folder as the recorder leaves it becomes files that players open."""

from __future__ import annotations

import io
from pathlib import Path

import av
import pytest

from appliance.jobs.recording_orders import RECORDING_PROCESS, process_key
from appliance.recorder.compose_process import compose
from appliance.store.database import Conn
from tests.support import stored_rows
from tests.support.recorded import Meeting
from tests.support.shelves import NODE, House, open_house, stop_and_order
from tests.support.waiting import until

pytestmark = pytest.mark.slow

SECONDS = 2.0


async def recorded(house: House, ident: str) -> str:
    """Two people for two seconds; its id."""
    meeting = Meeting(house.shelf.folder(f"rec_{ident}"), SECONDS)
    for name in ("Ann", "Bob"):
        person = meeting.join(name)
        meeting.camera(person)
        meeting.microphone(person)
    meeting.write()
    new = stored_rows.recording(ident, "mtg_one", node=NODE)

    async def store(conn: Conn) -> None:
        await stop_and_order(conn, new, 1000, order=True)

    await house.database.run(store)
    return new.id


async def test_film_tracks_and_picture_open(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path, height=360) as house:
        house.compose = compose
        ident = await recorded(house, "r")
        async with house.open():
            done = await until(lambda: house.row_in(ident, "ready", "failed"), within_s=60)
            assert done.status == "ready", done.error
            await house.wait_job(RECORDING_PROCESS.name, process_key(ident, 1), "done")
        assert done.duration_ms == pytest.approx(SECONDS * 1000, abs=500)
        assert not house.shelf.folder(ident).exists()
        assert done.video_key is not None and done.thumbnail_key is not None
        with av.open(io.BytesIO(await house.shelf.files.read(done.video_key))) as film:
            assert film.streams.video[0].height == 360
            assert sum(1 for _ in film.decode(film.streams.video[0])) == pytest.approx(25 * SECONDS, abs=10)
            assert film.streams.audio
        assert (await house.shelf.files.read(done.thumbnail_key)).startswith(b"\xff\xd8")
        assert sorted(track.source for track in done.tracks) == ["camera", "camera", "microphone", "microphone"]
        for track in done.tracks:
            with av.open(io.BytesIO(await house.shelf.files.read(track.key))) as opened:
                kind = "audio" if track.source == "microphone" else "video"
                assert [stream.type for stream in opened.streams] == [kind] == [track.media_type.partition("/")[0]]
        assert done.bytes == sum([await house.shelf.files.size(key) for key in done.keys])
        stages = [told.progress.stage for told in house.told if told.progress is not None]
        assert stages[-1] == "storing"


async def test_one_that_was_interrupted_goes_on_at_the_next_start(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path, height=360) as house:
        house.compose = compose
        ident = await recorded(house, "r")
        out = house.shelf.folder(ident) / "out"
        async with house.open():
            await until(out.exists, within_s=30)
        row = await house.row(ident)
        assert row is not None and row.status == "processing"
        async with house.open(worker="w2"):
            done = await until(lambda: house.row_in(ident, "ready", "failed"), within_s=60)
        assert done.status == "ready", done.error


async def test_a_folder_without_anything_says_so(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path) as house:
        house.compose = compose
        ident = await house.record("r")  # its manifest is an empty object
        async with house.open():
            failed = await house.wait_status(ident, "failed")
        assert failed.error is not None and failed.error.startswith("the film could not be made: manifest.json")


async def test_a_meeting_without_a_word_or_a_picture_has_a_film_too(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path, height=360, fps=5) as house:
        house.compose = compose
        meeting = Meeting(house.shelf.folder("rec_r"), SECONDS)
        meeting.join("Ann")
        meeting.write()
        new = stored_rows.recording("r", "mtg_one", node=NODE)
        await house.database.run(stop_and_order, new, 1000, True)
        async with house.open():
            done = await until(lambda: house.row_in("rec_r", "ready", "failed"), within_s=120)
        assert (done.status, done.error, done.tracks) == ("ready", None, ())
        with av.open(io.BytesIO(await house.shelf.files.read(str(done.video_key)))) as film:
            assert sum(1 for _ in film.decode(video=0)) == pytest.approx(5 * SECONDS, abs=2)
