"""Speech without sound: a recogniser whose "Opus packets" are words, and the tap's records that carry them.

The task runs in a real worker process, by the contract of task ``asr`` with a session: words make a partial, "." ends
the phrase, "?" takes it back, "-" is a breath, "crash" kills the worker (once for each models folder), "slow" takes a
second.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from appliance.inference.installed import ModelFolder
from appliance.inference.task import LoadedModel, Request, Result, TaskError
from appliance.recorder.journal import Codec, Kind, Record, encode
from tests.support.inference_world import TASKS, entry_text, models_folder

PACKET_MS = 20


class Spelling:
    """Spells what is in the packets."""

    name: ClassVar[str] = "asr"

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._phrases: dict[str, list[tuple[str, float]]] = {}
        self._numbers: dict[str, int] = {}

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Result | TaskError:
        session, options = request.session or "", request.options
        words = self._phrases.setdefault(session, [])
        captions: list[dict[str, Any]] = []
        at, begin = options["at_ms"], 0
        for size in options["packets"]:
            word = request.payload[begin : begin + size].decode()
            begin += size
            if word == "crash":
                self._crash()
            elif word == "-":
                pass
            elif word == "slow":
                time.sleep(1.0)
            elif word == "bad":
                return TaskError("bad_audio", "an Opus packet that is none")
            elif word in (".", "?"):
                captions.append(self._caption("final" if word == "." else "withdrawn", session, options["language"]))
                words.clear()
                self._numbers[session] = self._numbers.get(session, 0) + 1
            else:
                words.append((word, at))
            at += PACKET_MS
        if words:
            captions.append(self._caption("final" if options.get("last") else "partial", session, options["language"]))
        return Result({"captions": captions, "speaking": bool(words), "damaged_packets": 0})

    def _caption(self, kind: str, session: str, language: str) -> dict[str, Any]:
        words = self._phrases[session]
        return {
            "kind": kind,
            "phrase": self._numbers.get(session, 0),
            "start_ms": round(words[0][1]) if words else 0,
            "end_ms": round(words[-1][1]) + PACKET_MS if words else 0,
            "text": " ".join(word for word, _ in words),
            "language": language,
            "confidence": 1.0,
        }

    def _crash(self) -> None:
        try:
            (self._model.folder / "crashed").touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    def close(self, session: str) -> None:
        self._phrases.pop(session, None)
        self._numbers.pop(session, None)


class Telling:
    """Tells voices apart: each first letter of a phrase is a voice, in the order in which they are heard."""

    name: ClassVar[str] = "speaker"

    def __init__(self, model: LoadedModel) -> None:
        self._known: dict[str, list[str]] = {}

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Result | TaskError:
        known = self._known.setdefault(request.session or "", [])
        letter = request.payload[:1].decode()
        if letter not in known:
            known.append(letter)
        return Result({"voice": known.index(letter) + 1})

    def close(self, session: str) -> None:
        self._known.pop(session, None)


def telling_folder(folder: Path) -> ModelFolder:
    """As `spelling_folder`, with a model that tells voices apart."""
    spelling = entry_text("spelling", "Spelling", task="asr", duty="captions", languages=["en"])
    telling = entry_text("telling", "Telling", task="speaker")
    return models_folder(folder, [entry.replace(TASKS, __name__) for entry in (spelling, telling)])


def spelling_folder(folder: Path, **languages: list[str]) -> ModelFolder:
    """A models folder with recognisers of these languages, by name; without any, one called "spelling" for English."""
    entries = [
        entry_text(name, "Spelling", task="asr", duty="captions", languages=known).replace(TASKS, __name__)
        for name, known in (languages or {"spelling": ["en"]}).items()
    ]
    return models_folder(folder, entries)


def packets(*words: str, at_us: int, rtp: int = 0, generation: int = 0) -> bytes:
    """Records of a tap: a packet for each word, each 20 ms after the one before; they arrive at ``at_us``."""
    return b"".join(
        encode(
            Record(
                kind=Kind.FRAME,
                codec=Codec.OPUS,
                generation=generation,
                at_us=at_us + number * PACKET_MS * 1000,
                rtp=rtp + number * PACKET_MS * 48,
                clock_rate=48_000,
                payload=word.encode(),
            )
        )
        for number, word in enumerate(words)
    )


def muted(at_us: int) -> bytes:
    """The record that a muted producer leaves."""
    return encode(Record(kind=Kind.MUTED, at_us=at_us))
