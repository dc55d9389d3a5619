"""Questions that nobody waits for: durable jobs, whose results are looked at later.

Owns the orders, the job that asks, and that the sound or picture of a question does not stay. What a model cannot make
of it is a result; what may be better later (too much to do, a worker that died) is tried again.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from appliance.files.storage import PIECE_BYTES, ObjectStorage
from appliance.inference.client import Inference
from appliance.inference.replies import InferenceError
from appliance.job_records import Order
from appliance.jobs.places import JobContext, TryAgainError
from appliance.jobs.registry import Registry
from appliance.jobs.types import JobType
from appliance.questions.asking import Asking, Medium, ask
from appliance.questions.options import OPTIONS
from appliance.store import jobs
from appliance.store.database import Database

QueuedTask = Literal["asr", "emotion", "synthesis"]
"""Those whose answers are words and numbers; what makes sounds and pictures is asked by who takes them."""

MAX_SOUND_S = 3600.0
"""`ai.sound.MAX_AUDIO_S`: what a worker holds of one sound."""
ONE_WITHIN_S = 3600.0
"""An hour of sound takes Whisper base 11 minutes on one core that live captions have first."""
LOOK_EACH_S = 60.0
"""How soon a sound or picture goes when its question is over."""
TRY_AGAIN = frozenset({"overloaded", "worker_died", "stopping", "model_unavailable", "expired", "out_of_memory"})


class QueuedQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked."""

    task: QueuedTask
    options: dict[str, Any] = {}


class Queued(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Payload of the jobs."""

    user_id: str
    """Who asks."""
    source: str
    """Key of the object that the questions are about."""
    kind: Literal["sound", "picture"]
    ours: bool
    """It was stored for this alone."""
    questions: tuple[QueuedQuestion, ...]


class QueuedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Part of the result: the answer to one question, or why there is none."""

    task: QueuedTask
    code: str | None = None
    """Of the InferenceError."""
    message: str = ""
    data: Any = None
    """As `answers` has it."""


class Leftover(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Payload of `FORGET_SOURCE`."""

    source: str
    job_id: str
    """While this one is not over the source stays."""


def _type(name: str) -> JobType[Queued]:
    # Sound of an hour, for each of the tasks.
    return JobType(name=name, payload=Queued, priority="low", deadline_s=3 * ONE_WITHIN_S, at_once=2)


_BY_TASK: dict[QueuedTask, JobType[Queued]] = {
    "asr": _type("ai.speech_recognition"),
    "emotion": _type("ai.emotion_detection"),
    "synthesis": _type("ai.deepfake_detection"),
}
ANALYZE = _type("ai.analyze")
"""Several tasks about one thing."""
QUESTION_TYPES = frozenset({ANALYZE.name, *(one.name for one in _BY_TASK.values())})
FORGET_SOURCE = JobType(name="ai.forget_source", payload=Leftover, priority="low")
"""Whatever became of a question: cancelled, dropped, its server killed."""


def orders(queued: Queued, *, meeting_id: str | None, now_ms: int) -> tuple[Order, ...]:
    """The job that asks, and where the source is ours the one that removes it: that is enqueued before the source is
    stored, so that none stays when the question itself cannot be, and removes one whose question never came."""
    kind = _BY_TASK[queued.questions[0].task] if len(queued.questions) == 1 else ANALYZE
    asking = kind.order(queued, now_ms=now_ms, meeting_id=meeting_id)
    if not queued.ours:
        return (asking,)
    leftover = Leftover(source=queued.source, job_id=asking.id)
    return asking, FORGET_SOURCE.order(leftover, now_ms=now_ms, run_at_ms=now_ms + int(LOOK_EACH_S * 1000))


def add_question_jobs(
    registry: Registry, database: Database, files: ObjectStorage, inference: Inference, *, most_bytes: int
) -> None:
    """Bind the jobs. ``most_bytes``: of a source; it is held in memory."""

    async def answer(context: JobContext, payload: Queued) -> list[QueuedAnswer]:
        return await _answer(context, payload, inference, files, most_bytes)

    async def forget(_context: JobContext, payload: Leftover) -> bool:
        job = await database.read(jobs.by_id, payload.job_id)
        if job is not None and job.state in ("waiting", "running"):
            raise TryAgainError(f"{payload.job_id} is {job.state}", LOOK_EACH_S, counts=False)
        return await files.delete(payload.source)

    for one in (*_BY_TASK.values(), ANALYZE):
        registry.task(one, answer)
    registry.task(FORGET_SOURCE, forget)


async def _answer(
    context: JobContext, payload: Queued, inference: Inference, files: ObjectStorage, most_bytes: int
) -> list[QueuedAnswer]:
    try:
        data = await _read(files, payload.source, most_bytes)
    except FileNotFoundError:
        return [
            QueuedAnswer(task=one.task, code="source_gone", message="what this was asked about is no longer there")
            for one in payload.questions
        ]
    count, found = len(payload.questions), list[QueuedAnswer]()
    for number, question in enumerate(payload.questions):

        def told(share: float, number: int = number, task: str = question.task) -> None:
            context.progress((number + share) / count, task)

        told(0.0)
        how = Asking(
            inference=inference, priority="low", within_s=ONE_WITHIN_S, max_sound_s=MAX_SOUND_S, told=told
        )
        options = msgspec.convert(question.options, OPTIONS[question.task])
        try:
            answered = await ask(how, options, Medium(kind=payload.kind, data=data))
        except InferenceError as error:
            if error.code in TRY_AGAIN and context.attempt < context.max_attempts:
                raise TryAgainError(f"{question.task}: {error.code}: {error}") from error
            found.append(QueuedAnswer(task=question.task, code=error.code, message=str(error)))
        else:
            found.append(QueuedAnswer(task=question.task, data=answered))
    return found


async def _read(files: ObjectStorage, key: str, most: int) -> bytes:
    parts, total = list[bytes](), 0
    while piece := await files.read_range(key, total, PIECE_BYTES):
        total += len(piece)
        if total > most:  # it was looked at before the order; only a setting can have changed
            raise ValueError(f"{key}: more than {most} bytes")
        parts.append(piece)
    return b"".join(parts)


def results(text: str | None) -> tuple[QueuedAnswer, ...]:
    """The result of a job's row."""
    return () if text is None else msgspec.json.decode(text, type=tuple[QueuedAnswer, ...])


def source_key(question_id: str) -> str:
    """Where the sound or picture of a question lies until it is answered."""
    return f"questions/{question_id}"

