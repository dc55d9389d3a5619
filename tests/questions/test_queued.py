"""Jobs that ask: tried again while that may help, and leaving nothing of what was asked about behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from appliance.files.folder import FolderStorage, open_folder_storage
from appliance.jobs.registry import Registry
from appliance.questions import queued
from appliance.questions.answers import SpeechAnswer
from appliance.questions.queued import (
    FORGET_SOURCE,
    Leftover,
    Queued,
    QueuedQuestion,
    add_question_jobs,
    orders,
    results,
    source_key,
)
from appliance.store import jobs
from tests.support.databases import open_test_database
from tests.support.inference_world import entry_text, models_folder, running
from tests.support.queued_jobs import Shop, now_ms, working

pytestmark = pytest.mark.slow

ENTRIES = (
    entry_text("english", "Parts", task="asr", languages=["en"]),
    entry_text("liar", "Liar", task="emotion"),
)
SOURCE = source_key("qst_aaaaaaaaaaaaaaaaaaaa")


def about(*tasks: queued.QueuedTask, source: str = SOURCE, kind: Any = "sound", ours: bool = True) -> Queued:
    questions = tuple(QueuedQuestion(task=task) for task in tasks)
    return Queued(user_id="usr_x", source=source, kind=kind, ours=ours, questions=questions)


@asynccontextmanager
async def asking(folder: Path) -> AsyncIterator[tuple[Shop, FolderStorage]]:
    models = models_folder(folder, ENTRIES)
    async with (
        running(models) as inference,
        open_test_database(folder) as database,
        open_folder_storage(folder / "files") as files,
    ):

        def fill(registry: Registry) -> None:
            add_question_jobs(registry, database, files, inference, most_bytes=1000)

        async with working(database, fill) as shop:
            yield shop, files


async def ordered(shop: Shop, asked: Queued) -> str:
    """The id of the job that asks."""
    found = orders(asked, meeting_id=None, now_ms=now_ms())
    for order in found:
        await shop.database.run(jobs.enqueue, order)
    return found[0].id


def test_one_task_has_a_name_of_its_own_and_what_is_ours_is_removed() -> None:
    for task, name in (
        ("asr", "ai.speech_recognition"),
        ("emotion", "ai.emotion_detection"),
        ("synthesis", "ai.deepfake_detection"),
    ):
        asking_order, removal = orders(about(task), meeting_id="mtg_x", now_ms=1000)  # type: ignore[arg-type]
        assert (asking_order.type, asking_order.priority, asking_order.meeting_id) == (name, "low", "mtg_x")
        assert (removal.type, removal.run_at_ms) == (FORGET_SOURCE.name, 61_000)
    (alone,) = orders(about("asr", "synthesis", ours=False), meeting_id=None, now_ms=1000)
    assert alone.type == "ai.analyze"
    assert results(None) == ()


async def test_each_question_is_answered_or_says_why_not(tmp_path: Path) -> None:
    async with asking(tmp_path) as (shop, files):
        await files.write(SOURCE, b"RIFF sound")
        done = await shop.wait_state(await ordered(shop, about("asr", "emotion", "synthesis")), "done", "dead")
        heard, seen, voice = results(done.result)
        assert msgspec.convert(heard.data, SpeechAnswer).text == "10 parts" and heard.code is None
        assert (seen.code, seen.data) == ("task_failed", None) and "liar" in seen.message
        assert voice.code == "model_not_installed"


async def test_a_source_that_is_gone_or_too_large(tmp_path: Path) -> None:
    async with asking(tmp_path) as (shop, files):
        done = await shop.wait_state(await ordered(shop, about("asr")), "done", "dead")
        assert [one.code for one in results(done.result)] == ["source_gone"]
        await files.write(SOURCE, bytes(1001))
        job = await shop.wait_state(await ordered(shop, about("asr")), "dead", "waiting")
        while not job.error:
            job = await shop.job(job.id)
        assert "more than 1000 bytes" in job.error


async def test_what_may_be_better_later_is_tried_again(tmp_path: Path) -> None:
    """The worker is killed by the first attempt, and by its second try; the next attempt finds it well."""
    async with asking(tmp_path) as (shop, files):
        await files.write(SOURCE, b"RIFF sound")
        trap = tmp_path / "models" / "english@1" / "crash"
        trap.write_text("always")
        job_id = await ordered(shop, about("asr"))
        while "worker_died" not in ((await shop.job(job_id)).error or ""):  # noqa: ASYNC110  # another task's row
            await trio.sleep(0.02)
        trap.unlink()
        done = await shop.wait_state(job_id, "done", "dead")
        assert done.attempts == 2 and results(done.result)[0].code is None


async def test_a_source_stays_while_its_question_waits_and_goes_then(tmp_path: Path) -> None:
    async with asking(tmp_path) as (shop, files):
        await files.write(SOURCE, b"RIFF sound")
        tomorrow_ms = now_ms() + 86_400_000
        job_id = await shop.order(queued.ANALYZE, about("asr"), run_at_ms=tomorrow_ms)
        leftover = Leftover(source=SOURCE, job_id=job_id)
        waits = await shop.order(FORGET_SOURCE, leftover)
        while "is waiting" not in ((job := await shop.job(waits)).error or ""):  # noqa: ASYNC110  # another task's row
            await trio.sleep(0.02)
        assert (job.state, await files.size(SOURCE)) == ("waiting", 10)
        assert await shop.database.run(jobs.cancel, job_id, now_ms())
        removed = await shop.order(FORGET_SOURCE, leftover)
        assert (await shop.wait_state(removed, "done", "dead")).result == "true"
        with pytest.raises(FileNotFoundError):
            await files.size(SOURCE)
