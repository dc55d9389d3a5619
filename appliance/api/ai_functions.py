"""What the models do for who asks and waits: speech to text, expressions, genuine or not, less noise, better pictures.

Owns the handlers; `ai_media` reads what is sent, `questions.asking` asks. Whoever asks here comes after live captions,
and who goes away takes the question along.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
import trio

from appliance.api.ai import KNOWN_CODES, refusal
from appliance.api.ai_bodies import (
    AsrBody,
    BatchBody,
    BatchedQuestion,
    DenoiseBody,
    EmotionBody,
    EnhanceBody,
    PluggedBody,
    SynthesisBody,
)
from appliance.api.ai_media import Question, received, received_json
from appliance.api.ai_shapes import BatchAnswer, BatchedAnswer
from appliance.api.call import Blob, Call
from appliance.api.json_bodies import to_struct
from appliance.api.limits import limit_of
from appliance.api.request_body import Incoming
from appliance.errors import UserError
from appliance.inference.replies import InferenceError
from appliance.inference.scheduling import Priority
from appliance.questions.answers import (
    Answer,
    DenoiseAnswer,
    EmotionAnswer,
    EnhanceAnswer,
    ProcessedAnswer,
    SpeechAnswer,
    SynthesisAnswer,
)
from appliance.questions.asking import Asking, Medium, ask
from appliance.questions.options import (
    OPTIONS,
    AsrOptions,
    DenoiseOptions,
    EmotionOptions,
    EnhanceOptions,
    Function,
    Options,
    PluggedOptions,
    SynthesisOptions,
)

A = TypeVar("A", bound=Answer)

_BATCH_BODIES: dict[Function, type[Options]] = {
    "asr": AsrBody,
    "emotion": EmotionBody,
    "synthesis": SynthesisBody,
    "denoise": DenoiseBody,
    "enhance": EnhanceBody,
}


async def asr(call: Call, incoming: Incoming, query: AsrOptions) -> SpeechAnswer:
    """Speech to text, of a sound of up to ten minutes: pcm, wav, webm, ogg or mp3, by base64, form or as the body."""
    async with received(call, incoming, query, AsrBody) as question:
        return await _answered(call, question, SpeechAnswer)


async def emotion(call: Call, incoming: Incoming, query: EmotionOptions) -> EmotionAnswer:
    """What the faces of a picture express: jpeg, png or webp, by base64, form or as the body."""
    async with received(call, incoming, query, EmotionBody) as question:
        return await _answered(call, question, EmotionAnswer)


async def synthesis(call: Call, incoming: Incoming, query: SynthesisOptions) -> SynthesisAnswer:
    """Whether a picture was generated, or shows a face that is held up to the camera; whether a voice is synthetic.

    Checks for which no model is installed are named in ``missing``; without any the answer is 503.
    """
    async with received(call, incoming, query, SynthesisBody) as question:
        return await _answered(call, question, SynthesisAnswer)


async def denoise(call: Call, incoming: Incoming, query: DenoiseOptions) -> DenoiseAnswer | Blob:
    """Speech without the noise, as WAV of 16 kHz: in base64, or with ``Accept: audio/wav`` the file itself."""
    async with received(call, incoming, query, DenoiseBody) as question:
        answer = await _answered(call, question, DenoiseAnswer)
    return _file(answer, answer.audio, "audio/wav") if _wants(call, "audio/") else answer


async def enhance(call: Call, incoming: Incoming, query: EnhanceOptions) -> EnhanceAnswer | Blob:
    """A dark picture brightened, or one of twice the size: in base64, or with ``Accept: image/*`` the file itself."""
    async with received(call, incoming, query, EnhanceBody) as question:
        answer = await _answered(call, question, EnhanceAnswer)
    return _file(answer, answer.image, f"image/{answer.format}") if _wants(call, "image/") else answer


async def process(call: Call, model: str, incoming: Incoming, query: PluggedOptions) -> ProcessedAnswer:
    """Ask a model whose processor is a plugin: a sound or a picture, as that takes it; the result is the plugin's."""
    async with received(call, incoming, query, PluggedBody) as question:
        options = msgspec.structs.replace(question.options, model=model)
        return await _answered(call, Question(options, question.medium), ProcessedAnswer)


async def batch(call: Call, incoming: Incoming) -> BatchAnswer:
    """Up to sixteen questions at once, each answered or refused by itself; in the order that they were asked."""
    async with received_json(call, incoming, BatchBody, "requests") as body:
        questions = [_batched(number, one) for number, one in enumerate(body.requests)]
        limit = limit_of("ai", call.services.settings.limits)
        if limit is not None:
            for _ in questions[1:]:  # the first one's was taken with the request
                call.limit("POST /api/v1/ai/batch", limit, who=call.user.id)
        answers: list[BatchedAnswer | None] = [None] * len(questions)

        async def answer(number: int, task: Function, question: Question) -> None:
            try:
                found = await _answered(call, question, Answer, "low")
            except UserError as error:
                named = f"{error.code}: {error.field}" if error.field else error.code
                answers[number] = BatchedAnswer(task=task, code=error.status, message=str(error), error=named)
            else:
                answers[number] = BatchedAnswer(task=task, code=200, message="success", data=found)

        async with trio.open_nursery() as nursery:
            for number, (one, question) in enumerate(zip(body.requests, questions, strict=True)):
                nursery.start_soon(answer, number, one.task, question)
    return BatchAnswer(answers=tuple(one for one in answers if one is not None))


def _batched(number: int, one: BatchedQuestion) -> Question:
    here = f"requests[{number}]"
    medium = medium_of(here, one.task, one.audio, one.image)
    return Question(options_of(f"{here}.options", one.task, one.options), medium)


def medium_of(here: str, task: Function, audio: bytes | None, image: bytes | None) -> Medium:
    """What a question in JSON is about. UserError 400 that names the field; ``here``: where the question stands."""
    fields = [name for name in ("audio", "image") if name in _BATCH_BODIES[task].__struct_fields__]
    given = {name: data for name, data in (("audio", audio), ("image", image)) if data is not None}
    if len(given) != 1 or not given.keys() <= set(fields):
        message = f"{task} takes {' or '.join(fields)}, and only that"
        raise UserError(400, "invalid_field", f"{here}: {message}" if here else message, field=here or fields[0])
    ((field, data),) = given.items()
    return Medium(kind="picture" if field == "image" else "sound", data=data)


def options_of(here: str, task: Function, options: dict[str, Any]) -> Options:
    """The options of a question in JSON. UserError 400 that names the field."""
    try:
        return to_struct(options, OPTIONS[task])
    except UserError as error:
        field = f"{here}.{error.field}" if error.field else here
        raise UserError(400, error.code, f"{here}: {error}", field=field) from None


async def _answered(call: Call, question: Question, kind: type[A], priority: Priority = "normal") -> A:
    how = Asking(inference=call.services.inference, priority=priority)
    try:
        answer = await ask(how, question.options, question.medium)
    except InferenceError as error:
        raise refused(error, question.medium) from None
    assert isinstance(answer, kind)
    return answer


def refused(error: InferenceError, medium: Medium) -> UserError:
    """The refusal of a question; names the option that is wrong, or says that what was sent is."""
    if error.code == "bad_option":
        field, _, _ = str(error).partition(":")
        return UserError(400, "invalid_field", str(error), field=field)
    about = None if error.code in KNOWN_CODES else "image" if medium.kind == "picture" else "audio"
    return refusal(error, field=about)


def _wants(call: Call, kind: str) -> bool:
    return call.headers.get("accept", "").strip().startswith(kind)


def _file(answer: Answer, content: bytes, media_type: str) -> Blob:
    headers = {
        "Cache-Control": "no-store",
        "X-Task-Id": answer.task_id,
        "X-Model": answer.model,
        "X-Latency-Ms": f"{answer.latency_ms:.1f}",
    }
    return Blob(content=content, media_type=media_type, headers=headers)
