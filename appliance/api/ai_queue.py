"""Questions to the models that nobody waits for: submitted, looked at later, cancelled.

Owns the handlers; the jobs are `questions.queued`'s. Who asked sees the answer, and so do the members of the meeting
that it is about. Answers are kept as long as finished jobs are (``jobs.keep_done_days``).
"""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec

from appliance.api.ai import KNOWN_CODES, refusal
from appliance.api.ai_bodies import AnalyzeBody, SubmitBody
from appliance.api.ai_functions import medium_of, options_of
from appliance.api.ai_media import received_json
from appliance.api.ai_shapes import BatchedAnswer, QueuedView
from appliance.api.bodies import Empty, PageQuery
from appliance.api.call import Call
from appliance.api.media_access import find_meeting, find_seen
from appliance.api.meeting_access import find_for
from appliance.api.pages import Page, cut, decode_cursor
from appliance.api.request_body import Incoming
from appliance.api.times import to_text, to_text_or_none
from appliance.errors import UserError
from appliance.file_chores import object_key
from appliance.ids import new_id
from appliance.inference.replies import InferenceError
from appliance.job_records import Order
from appliance.questions.queued import (
    MAX_SOUND_S,
    QUESTION_TYPES,
    Queued,
    QueuedAnswer,
    QueuedQuestion,
    QueuedTask,
    orders,
    results,
    source_key,
)
from appliance.store import jobs
from appliance.store.database import Conn
from appliance.store.jobs import Job
from appliance.store.media_files import MediaKind

_FITTING: dict[MediaKind, tuple[QueuedTask, ...]] = {
    "audio": ("asr", "synthesis"),
    "video": ("asr", "synthesis"),
    "image": ("emotion", "synthesis"),
}
"""Of a film the sound alone is looked at."""


async def submit(call: Call, incoming: Incoming) -> QueuedView:
    """Ask one question without waiting: the answer is at ``GET /inference/{id}``, of a sound of up to an hour."""
    async with received_json(call, incoming, SubmitBody, "audio or image") as body:
        medium = medium_of("", body.task, body.audio, body.image)
        options = options_of("options", body.task, body.options)
        meeting_id = await find_meeting(call, body.meeting_id)
        _check_enabled(call)
        source = source_key(new_id("qst"))
        question = QueuedQuestion(task=body.task, options=msgspec.to_builtins(options))
        queued = Queued(user_id=call.user.id, source=source, kind=medium.kind, ours=True, questions=(question,))
        asking, removing = orders(queued, meeting_id=meeting_id, now_ms=call.now_ms)
        await call.run(_enqueue, removing)
        await call.services.files.write(source, medium.data)
    return _view(await call.run(_enqueue, asking))


async def analyze(call: Call, body: AnalyzeBody) -> QueuedView:
    """Have a media file looked at without waiting: the answers are at ``GET /ai/results/{id}``."""
    file = await find_seen(call, body.media_id)
    fitting = _FITTING.get(file.kind, ())
    if not fitting:
        raise UserError(422, "bad_media", f"a file of the kind {file.kind} says nothing to a model", field="media_id")
    most = call.services.settings.ai.max_request_bytes
    if file.bytes > most:
        raise UserError(413, "payload_too_large", f"{file.bytes} bytes, more than {most}", field="media_id")
    if file.duration_ms is not None and file.duration_ms > MAX_SOUND_S * 1000:
        message = f"{file.duration_ms / 1000:.0f} s of audio, more than {MAX_SOUND_S:.0f} s"
        raise UserError(422, "audio_too_long", message, field="media_id")
    for task in body.tasks or ():
        if task not in fitting:
            message = f"tasks: {task} is not for a file of the kind {file.kind}"
            raise UserError(400, "invalid_field", message, field="tasks")
    _check_enabled(call)
    questions = tuple(
        QueuedQuestion(task=task, options={"language": body.language} if task == "asr" else {})
        for task in dict.fromkeys(body.tasks or fitting)
    )
    kind = "picture" if file.kind == "image" else "sound"
    queued = Queued(user_id=call.user.id, source=object_key(file.id), kind=kind, ours=False, questions=questions)  # type: ignore[arg-type]  # mypy widens the conditional
    (asking,) = orders(queued, meeting_id=file.meeting_id, now_ms=call.now_ms)
    return _view(await call.run(_enqueue, asking))


async def show(call: Call, task_id: str) -> QueuedView:
    """How far queued questions are, and their answers."""
    return _view(await _find(call, task_id))


async def show_submitted(call: Call, task_id: str) -> QueuedView:
    """How far a submitted question is, and its answer."""
    return _view(await _find(call, task_id))


async def cancel(call: Call, task_id: str, body: Empty) -> QueuedView:
    """Cancel a question of one's own that is not answered yet. 409 ``wrong_state``."""
    job = await _find(call, task_id)
    if _payload(job).user_id != call.user.id and call.user.role != "admin":
        raise UserError(403, "forbidden", "only who asked may cancel a question")
    if not await call.run(jobs.cancel, task_id, call.now_ms):
        raise UserError(409, "wrong_state", f"it is {job.state}", field="task_id")
    return _view(await _find(call, task_id))


async def of_meeting(call: Call, meeting_id: str, query: PageQuery) -> Page[QueuedView]:
    """What the models were asked about a meeting's files, for its members; newest first."""
    found = await find_for(call, meeting_id, "history")
    after, limit = decode_cursor(query.cursor), query.limit + 1
    rows = await call.read(jobs.of_meeting, found.meeting.id, QUESTION_TYPES, after=after, limit=limit)
    return cut(rows, query.limit, _view, lambda job: (job.created_at_ms, job.id))


def _check_enabled(call: Call) -> None:
    if not call.services.inference.enabled:
        raise refusal(InferenceError("ai_off", "the AI functions are switched off: ai.enabled = false"))


async def _enqueue(conn: Conn, order: Order) -> Job:
    await jobs.enqueue(conn, order)
    job = await jobs.by_id(conn, order.id)
    assert job is not None
    return job


async def _find(call: Call, task_id: str) -> Job:
    job = await call.read(jobs.by_id, task_id)
    if job is None or job.type not in QUESTION_TYPES:
        _missing()
    if _payload(job).user_id != call.user.id and call.user.role != "admin":
        if job.meeting_id is None:
            _missing()
        try:
            await find_for(call, job.meeting_id, "history")
        except UserError:
            _missing()
    return job


def _missing() -> NoReturn:
    raise UserError(404, "not_found", "there is no such question", field="task_id")


def _payload(job: Job) -> Queued:
    return msgspec.json.decode(job.payload, type=Queued)


def _view(job: Job) -> QueuedView:
    payload = _payload(job)
    return QueuedView(
        task_id=job.id,
        state=job.state,
        tasks=tuple(question.task for question in payload.questions),
        progress=1.0 if job.state == "done" else job.progress_share,
        meeting_id=job.meeting_id,
        answers=tuple(_answer(one, job.id, payload.kind) for one in results(job.result)),
        created_at=to_text(job.created_at_ms),
        finished_at=to_text_or_none(job.finished_at_ms),
    )


def _answer(one: QueuedAnswer, task_id: str, kind: str) -> BatchedAnswer:
    if one.code is None:
        data: dict[str, Any] = {**one.data, "task_id": task_id}
        return BatchedAnswer(task=one.task, code=200, message="success", data=data)
    if one.code == "source_gone":
        return BatchedAnswer(task=one.task, code=404, message=one.message, error=one.code)
    about = None if one.code in KNOWN_CODES else "image" if kind == "picture" else "audio"
    error = refusal(InferenceError(one.code, one.message), field=about)
    named = error.code if about is None else f"{error.code}: {about}"
    return BatchedAnswer(task=one.task, code=error.status, message=one.message, error=named)
