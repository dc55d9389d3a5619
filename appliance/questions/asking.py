"""A question asked: which model, in which requests, and its answer in the shape that `answers` has.

Owns deadlines, priorities' order and that a long sound goes in parts. InferenceError says why there is no answer: the
codes of `inference.replies`, and a task's own about what was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import trio
from msgspec import Meta

from appliance.ids import new_id
from appliance.inference.client import Inference
from appliance.inference.entries import CatalogEntry
from appliance.inference.replies import InferenceError, Reply
from appliance.inference.scheduling import Priority
from appliance.questions.answers import (
    Answer,
    CheckedFace,
    CheckedPicture,
    CheckedVoice,
    DenoiseAnswer,
    EmotionAnswer,
    EnhanceAnswer,
    MissingCheck,
    ProcessedAnswer,
    SpeechAnswer,
    SynthesisAnswer,
)
from appliance.questions.options import (
    AsrOptions,
    DenoiseOptions,
    EmotionOptions,
    EnhanceOptions,
    Options,
    PluggedOptions,
    SoundOptions,
    SynthesisOptions,
    audio_format_of,
)

PICTURE_WITHIN_S = 60.0
"""A picture of two megapixels is doubled in 6 s on one core; the rest is waiting behind others."""
SOUND_WITHIN_S = 180.0
"""Ten minutes of sound take Whisper base 108 s on one core, DTLN 24 s."""
MAX_SOUND_S = 600.0
"""Of a question whose asker waits; a longer sound is a job."""
VOICE_TASK = "synthetic_voice"

T = TypeVar("T")
Told = Callable[[float], None]
"""Hears how much is done, 0 to 1."""


class Medium(msgspec.Struct, frozen=True, kw_only=True):
    """What a question is about; nobody has looked into it."""

    kind: Literal["sound", "picture"]
    data: bytes


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """How a question is asked."""

    inference: Inference
    priority: Priority
    """Below ``high``, which live captions have."""
    within_s: float | None = None
    """For the whole of it; None: as its kind needs."""
    max_sound_s: float = MAX_SOUND_S
    told: Told | None = None


async def ask(how: Asking, options: Options, medium: Medium) -> Answer:
    """The answer. InferenceError, ``expired`` when it took too long."""
    task_id, began_s = new_id("ait"), trio.current_time()
    within_s = how.within_s or (PICTURE_WITHIN_S if medium.kind == "picture" else SOUND_WITHIN_S)
    how = msgspec.structs.replace(how, within_s=within_s)
    with trio.move_on_after(within_s) as deadline:
        match options:
            case AsrOptions():
                model, kind, values = await _speech(how, options, medium)
            case EmotionOptions():
                reply = await _ask(how, "emotion", options, medium, {"threshold": options.threshold})
                model, kind, values = reply.model, EmotionAnswer, reply.values
            case SynthesisOptions():
                model, kind, values = await _synthesis(how, options, medium)
            case DenoiseOptions():
                model, kind, values = await _denoised(how, options, medium)
            case PluggedOptions():
                model, kind, values = await _processed(how, options, medium)
            case EnhanceOptions():
                model, kind, values = await _enhanced(how, options, medium)
            case _:
                raise TypeError(f"{type(options).__name__} are no question's")
    if deadline.cancelled_caught:
        raise InferenceError("expired", f"there was no answer within {within_s:.0f} s")
    latency_ms = round((trio.current_time() - began_s) * 1000, 1)
    return _shaped(model, kind, {**values, "task_id": task_id, "model": model, "latency_ms": latency_ms})


class _Part(msgspec.Struct, frozen=True):
    at_ms: int
    duration_ms: int
    done: bool


class _Faces(msgspec.Struct, frozen=True):
    faces: list[dict[str, Any]]


class _Clean(msgspec.Struct, frozen=True):
    sample_rate: Annotated[int, Meta(ge=1)]
    samples: int


Found = tuple[str, type[Answer], dict[str, Any]]


async def _speech(how: Asking, options: AsrOptions, medium: Medium) -> Found:
    entry = speech_model(how.inference, options)
    asked = {**_sound_options(options, medium), "language": options.language, "max_s": how.max_sound_s, "whole": True}
    try:
        reply = await _in_parts(how, entry, medium.data, asked)
    except InferenceError as error:
        if error.code != "session_lost":
            raise
        # Its worker died in the middle. Once more from the beginning; a second time it may be what kills them.
        try:
            reply = await _in_parts(how, entry, medium.data, asked)
        except InferenceError as again:
            if again.code != "session_lost":
                raise
            raise InferenceError("worker_died", "the worker died twice while it had this") from None
    return reply.model, SpeechAnswer, reply.values


def speech_model(inference: Inference, options: AsrOptions) -> CatalogEntry:
    """The one that is named, or the first that knows the language; for "auto" the first that recognises languages,
    else the first."""
    if options.model is not None:
        return named(inference, options.model, "asr")
    if options.language != "auto":
        return chosen(inference, "asr", language=options.language.replace("_", "-"))
    fallback = chosen(inference, "asr")
    several = [entry for entry in inference.models.catalog.of_task("asr") if len(entry.languages) != 1]
    usable = [entry for entry in several if not entry.is_plugged and inference.is_installed(entry)]
    return next(iter(usable), fallback)


def chosen(inference: Inference, task: str, *, language: str | None = None) -> CatalogEntry:
    """`Inference.choose` among the models that answer as the task does: a plugin's processor answers as it likes."""
    entry = inference.choose(task, language=language)
    if not entry.is_plugged:
        return entry
    primary = (language or "").partition("-")[0].lower()
    candidates = [
        one
        for one in inference.models.catalog.of_task(task)
        if not one.is_plugged and (not primary or not one.languages or primary in one.languages)
    ]
    for one in candidates:
        if inference.is_installed(one):
            return one
    hints = " or ".join(one.hint() for one in candidates) or "models.catalogs names none"
    raise InferenceError("model_not_installed", f"no model for {task} is installed; run: {hints}")


async def _in_parts(how: Asking, entry: CatalogEntry, data: bytes, asked: dict[str, Any]) -> Reply:
    session = new_id("snd")
    try:
        reply = await _infer(how, entry.name, data, {**asked, "session": session})
        while not (part := _shaped(entry.name, _Part, reply.values)).done:
            if how.told is not None:
                how.told(part.at_ms / max(1, part.duration_ms))
            reply = await _infer(how, entry.name, b"", {"session": session, "whole": True})
        return reply
    finally:
        how.inference.close_session(entry.name, session)


async def _synthesis(how: Asking, options: SynthesisOptions, medium: Medium) -> Found:
    """All checks for which there is a model; with ``model`` that one."""
    tasks = ("spoof", "synthesis") if medium.kind == "picture" else (VOICE_TASK,)
    entries: list[CatalogEntry] = []
    missing: list[InferenceError] = []
    for task in tasks:
        try:
            entries.append(chosen(how.inference, task))
        except InferenceError as error:
            if error.code == "ai_off":
                raise
            missing.append(_not_installed(task, error))
    if options.model is not None:
        entries, missing = [named(how.inference, options.model, *tasks)], []
    if not entries:
        raise InferenceError("model_not_installed", "; ".join(str(error) for error in missing))
    asked = {} if medium.kind == "picture" else {**_sound_options(options, medium), "max_s": how.max_sound_s}
    replies: dict[str, Reply] = {}
    for entry in entries:
        replies[entry.task] = await _infer(how, entry.name, medium.data, asked)
    faces = _shaped_list(replies["spoof"], CheckedFace) if "spoof" in replies else None
    picture = _shaped_part(replies["synthesis"], CheckedPicture) if "synthesis" in replies else None
    voice = _shaped_part(replies[VOICE_TASK], CheckedVoice) if VOICE_TASK in replies else None
    verdicts = [face.verdict for face in faces or ()] + [one.verdict for one in (picture, voice) if one is not None]
    values = {
        "verdict": overall(verdicts),
        "faces": faces,
        "picture": picture,
        "voice": voice,
        "missing": [
            MissingCheck(task=task, reason=str(error))
            for task, error in zip([task for task in tasks if task not in replies], missing, strict=False)
        ],
    }
    return ", ".join(reply.model for reply in replies.values()), SynthesisAnswer, values


def overall(verdicts: Sequence[str]) -> str:
    """``synthetic`` where one check found something, ``real`` where all say so, else ``unsure``."""
    if {"spoof", "generated", "synthetic"} & set(verdicts):
        return "synthetic"
    return "real" if verdicts and set(verdicts) == {"real"} else "unsure"


def _not_installed(task: str, error: InferenceError) -> InferenceError:
    if error.code != "model_unknown":
        return error
    reason = f"no model for {task} is in the catalog: an administrator names one with models.catalogs"
    return InferenceError("model_not_installed", reason)


async def _denoised(how: Asking, options: DenoiseOptions, medium: Medium) -> Found:
    more = {**_sound_options(options, medium), "strength": options.strength, "output": "wav"}
    reply = await _ask(how, "denoise", options, medium, more)
    clean = _shaped(reply.model, _Clean, reply.values)
    duration_ms = round(clean.samples * 1000 / clean.sample_rate)
    values = {"sample_rate": clean.sample_rate, "duration_ms": duration_ms, "audio": reply.payload}
    return reply.model, DenoiseAnswer, values


async def _enhanced(how: Asking, options: EnhanceOptions, medium: Medium) -> Found:
    more: dict[str, Any] = {} if options.output is None else {"output": options.output}
    if options.mode == "brighten":
        reply = await _ask(how, "low_light", options, medium, {**more, "only_dark": options.only_dark})
    else:
        reply = await _ask(how, "upscale", options, medium, more)
    made = "png" if reply.payload.startswith(b"\x89PNG") else "webp" if reply.payload[:4] == b"RIFF" else "jpeg"
    return reply.model, EnhanceAnswer, {"changed": True, **reply.values, "format": made, "image": reply.payload}


async def _processed(how: Asking, options: PluggedOptions, medium: Medium) -> Found:
    entry = how.inference.choose(options.model or "")
    if entry.name != options.model or not entry.is_plugged:
        raise InferenceError("bad_option", f"model: {options.model!r} has no plugin for its processor")
    asked = {} if medium.kind == "picture" else _sound_options(options, medium)
    reply = await _infer(how, entry.name, medium.data, {**asked, "language": options.language or ""})
    return reply.model, ProcessedAnswer, reply.values


async def _ask(how: Asking, task: str, options: Options, medium: Medium, more: dict[str, Any]) -> Reply:
    entry = named(how.inference, options.model, task) if options.model is not None else chosen(how.inference, task)
    return await _infer(how, entry.name, medium.data, more)


def named(inference: Inference, name: str, *tasks: str) -> CatalogEntry:
    """The model of this name. InferenceError, ``bad_option`` when it does none of the tasks."""
    entry = inference.choose(name)
    if entry.name != name or entry.task not in tasks or entry.is_plugged:
        raise InferenceError("bad_option", f"model: {name!r} does not do {' or '.join(tasks)}")
    return entry


async def _infer(how: Asking, model: str, data: bytes, options: dict[str, Any]) -> Reply:
    assert how.within_s is not None
    return await how.inference.infer(model, data, options, priority=how.priority, within_s=how.within_s)


def _sound_options(options: SoundOptions, medium: Medium) -> dict[str, Any]:
    """What the worker's `ai.options.request_audio` reads."""
    known = options.format or audio_format_of(medium.data)
    if known is None:
        if not medium.data:
            raise InferenceError("bad_audio", "no audio: 0 bytes")
        raise InferenceError("bad_audio", "not readable as wav, webm, ogg, mp3 or mp4; for PCM say format")
    return {"format": known, "sample_rate": options.sample_rate, "channels": options.channels}


def _shaped(model: str, kind: type[T], values: Any) -> T:
    try:
        # What is ours already stays: bytes are not the base64 of themselves.
        return msgspec.convert(values, kind, builtin_types=(bytes,), from_attributes=True)
    except msgspec.ValidationError as error:
        raise InferenceError("task_failed", f"{model} answered something else: {error}") from None


def _shaped_part(reply: Reply, kind: type[T]) -> T:
    return _shaped(reply.model, kind, reply.values)


def _shaped_list(reply: Reply, kind: type[T]) -> list[T]:
    return [_shaped(reply.model, kind, face) for face in _shaped(reply.model, _Faces, reply.values).faces]
