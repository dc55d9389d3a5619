"""Captions: a stream of sound into partial and final texts, and a recording into its transcript. Pure.

Owns the stream of one speaker: it is decoded (`opus`), cut into phrases (`phrases`), recognised again and again while a
phrase goes on, and once more when it ended. Refuses to know how a recogniser works; `moonshine` and `whisper` are two.

Who speaks is the caller's knowledge: each track is a session of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from appliance.ai.graphs import graph
from appliance.ai.options import (
    at_ms_option,
    flag_option,
    number_option,
    raw_format,
    request_audio,
    text_option,
)
from appliance.ai.opus import GAP_S, LiveSound
from appliance.ai.sound import MAX_AUDIO_S, RATE_HZ, Samples
from appliance.ai.speech.long_sound import LongSound, LongSounds
from appliance.ai.speech.phrases import Phrase, PhraseRules, Phrases
from appliance.ai.speech.transcript import Transcript, doubtful
from appliance.ai.speech.vad import VAD_INPUTS, VAD_OUTPUTS, VoiceActivity
from appliance.ai.tasks import Sessions, one_by_one
from appliance.inference.task import LoadedModel, Request, Result, Session, TaskError

MAX_WHOLE_S = 600.0
"""Of a request without a session. Longer recordings are a session with ``whole``, and give way to live ones between."""
PARTIAL_SHARE = 0.12
"""The next partial result comes after so much of the phrase's length: the cost of all of them grows with the length,
not with its square."""


class Recogniser(ABC):
    """Speech of one phrase into text."""

    languages: tuple[str, ...]
    """ISO 639-1 codes that it knows."""
    partial_s: float | None
    """Seconds of new speech until a partial result; None: it is too slow for any."""
    max_phrase_s: float

    @abstractmethod
    def __init__(self, model: LoadedModel) -> None:
        """ValueError when the model's files do not fit."""

    @abstractmethod
    def transcribe(self, samples: Samples, language: str | None, expected: str | None = None) -> Transcript:
        """The text. ``language`` None: find out, with a preference for ``expected``."""


@dataclass(frozen=True)
class Caption:
    """What a speaker says, or said."""

    kind: Literal["partial", "final", "withdrawn"]
    """A partial one is replaced by the next of its phrase; a withdrawn one turned out to be no speech."""
    phrase: int
    """Counts from 0 in its stream."""
    start_s: float
    end_s: float
    text: str
    language: str
    confidence: float

    def values(self) -> dict[str, Any]:
        """For an answer."""
        return {
            "kind": self.kind,
            "phrase": self.phrase,
            "start_ms": round(self.start_s * 1000),
            "end_ms": round(self.end_s * 1000),
            "text": self.text,
            "language": self.language,
            "confidence": round(self.confidence, 3),
        }


class Captioner:
    """One speaker's stream."""

    def __init__(
        self,
        recogniser: Recogniser,
        vad: Session,
        *,
        language: str | None = None,
        partials: bool = True,
        rules: PhraseRules | None = None,
    ) -> None:
        """``language`` None: found out phrase by phrase, with a preference for what was spoken before."""
        self._recogniser = recogniser
        self._phrases = Phrases(VoiceActivity(vad), rules or PhraseRules(max_s=recogniser.max_phrase_s))
        self._language = language
        self._partial_s = recogniser.partial_s if partials else None
        self._number = 0
        self._partial_end_s: float | None = None
        """Up to where the phrase that goes on was recognised."""
        self._shown = False
        self._heard: dict[str, float] = {}
        """Seconds of each language so far."""

    @property
    def speaking(self) -> bool:
        """Whether a phrase goes on."""
        return self._phrases.speaking

    def feed(self, samples: Samples) -> list[Caption]:
        """Phrases that ended, and, if it is time, what is said so far of the one that goes on."""
        captions = self._ended(self._phrases.feed(samples))
        phrase = self._phrases.open() if self._partial_s is not None else None
        if phrase is not None and self._is_time(phrase):
            self._partial_end_s = phrase.end_s
            transcript = self._recognise(phrase)
            if doubtful(transcript, phrase.speech, phrase.end_s - phrase.start_s) is None:
                self._shown = True
                captions.append(self._caption("partial", phrase, transcript))
        return captions

    def finish(self) -> list[Caption]:
        """The stream ends."""
        return self._ended(self._phrases.finish())

    def skip(self, gap_s: float) -> None:
        """So much of the stream is not there."""
        self._phrases.skip(gap_s)

    def _is_time(self, phrase: Phrase) -> bool:
        assert self._partial_s is not None
        since_s = phrase.end_s - (self._partial_end_s if self._partial_end_s is not None else phrase.start_s)
        return since_s >= max(self._partial_s, PARTIAL_SHARE * (phrase.end_s - phrase.start_s))

    def _ended(self, phrases: Iterable[Phrase]) -> list[Caption]:
        captions = []
        for phrase in phrases:
            transcript = self._recognise(phrase)
            if doubtful(transcript, phrase.speech, phrase.end_s - phrase.start_s) is None:
                _add(self._heard, transcript.language, phrase.end_s - phrase.start_s)
                captions.append(self._caption("final", phrase, transcript))
            elif self._shown:
                captions.append(self._caption("withdrawn", phrase, Transcript("", transcript.language, 0.0)))
            self._number += 1
            self._partial_end_s, self._shown = None, False
        return captions

    def _recognise(self, phrase: Phrase) -> Transcript:
        expected = max(self._heard, key=self._heard.__getitem__, default=None)
        return self._recogniser.transcribe(phrase.samples, self._language, expected)

    def _caption(self, kind: Literal["partial", "final", "withdrawn"], phrase: Phrase, heard: Transcript) -> Caption:
        return Caption(kind, self._number, phrase.start_s, phrase.end_s, heard.text, heard.language, heard.confidence)


@dataclass
class _Stream:
    sound: LiveSound
    captioner: Captioner
    fed_s: float = 0.0
    """Where the captioner's clock stands."""


class CaptionsTask:
    """Task ``asr`` around a recogniser. Role ``vad`` beside the recogniser's own.

    Without ``session``: a whole sound. Options of `request_audio`; ``language`` (BCP 47; "auto"); ``vad`` (true), false
    takes it as one phrase. Values: ``text``, ``language``, ``segments`` (``start_ms``, ``end_ms``, ``text``,
    ``language``, ``confidence``), ``duration_ms``.

    With ``session``: a live stream. ``format`` (opus) of `LiveSound`; ``packets``, the packets' sizes; ``at_ms``, the
    place of the first sample in the stream; ``language``; ``partials`` (true); ``last``. Values: ``captions`` as of
    `Caption.values`, ``speaking``, ``damaged_packets``, ``heard_ms``, where the stream's clock stands.

    With ``session`` and ``whole``: a whole sound of up to `MAX_AUDIO_S`, in parts. The first request has the sound and
    its options, with ``max_s`` a bound of its own; those after it have neither, until ``done``. Values: ``segments``
    of this part, ``at_ms``, ``duration_ms``, ``done``; with it those of a request without a session.

    Of the entry's options: ``partial_s``, another pace of partial results; 0 for none.
    """

    name: ClassVar[str] = "asr"
    recogniser: ClassVar[type[Recogniser]]

    def __init__(self, model: LoadedModel) -> None:
        self._recogniser = self.recogniser(model)
        if "partial_s" in model.entry.options:
            try:
                self._recogniser.partial_s = number_option(model.entry.options, "partial_s", 0, 0, 60) or None
            except TaskError as error:
                raise ValueError(f"{model.entry.name}: {error.message}") from None
        self._vad = graph(model, "vad", VAD_INPUTS, VAD_OUTPUTS)
        self._streams: Sessions[_Stream] = Sessions()
        self._long = LongSounds()

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        """One after the other: each is a decoding loop of its own."""
        return one_by_one(requests, self._answer)

    def close(self, session: str) -> None:
        """Forget a speaker's stream, or a long sound."""
        self._streams.close(session)
        self._long.close(session)

    def warm_up(self) -> Request:
        """A second of silence, recognised."""
        return Request({"format": "pcm_f32", "sample_rate": RATE_HZ, "vad": False}, bytes(4 * RATE_HZ))

    def _answer(self, request: Request) -> Result:
        session = request.session
        if session is None:
            return self._whole(request)
        if flag_option(request.options, "whole", False):
            return self._part(session, request)
        return self._live(session, request)

    def _language(self, request: Request) -> str | None:
        """What the recogniser knows of the language that is asked for."""
        asked = text_option(request.options, "language", "auto").lower().replace("_", "-").split("-")[0]
        if asked in ("auto", ""):
            return None
        if asked not in self._recogniser.languages:
            raise TaskError("bad_option", f"language: {asked[:20]!r} is not one that this model knows")
        return asked

    def _whole(self, request: Request) -> Result:
        language = self._language(request)
        samples = request_audio(request, MAX_WHOLE_S)
        length_s = len(samples) / RATE_HZ
        if flag_option(request.options, "vad", True):
            captioner = Captioner(self._recogniser, self._vad, language=language, partials=False)
            captions = [*captioner.feed(samples), *captioner.finish()]
        elif length_s > self._recogniser.max_phrase_s:
            raise TaskError("audio_too_long", f"{length_s:.1f} s are no phrase; with vad it may be longer")
        else:
            heard = self._recogniser.transcribe(samples, language)
            captions = [Caption("final", 0, 0.0, length_s, heard.text, heard.language, heard.confidence)]
        return Result(transcript_values(captions, length_s))

    def _part(self, session: str, request: Request) -> Result:
        sound = self._long.of(session, (lambda: self._new_long(request)) if request.payload else None)
        try:
            found = sound.advance()
        except BaseException:
            self._long.close(session)
            raise
        values = {
            "segments": _segments(found),
            "at_ms": round(sound.at_s * 1000),
            "duration_ms": round(sound.length_s * 1000),
            "done": sound.is_done,
        }
        if sound.is_done:
            self._long.close(session)
            values |= transcript_values(sound.captions, sound.length_s)
        return Result(values)

    def _new_long(self, request: Request) -> LongSound:
        language = self._language(request)
        samples = request_audio(request, number_option(request.options, "max_s", MAX_AUDIO_S, 0, MAX_AUDIO_S))
        return LongSound(samples, Captioner(self._recogniser, self._vad, language=language, partials=False))

    def _live(self, session: str, request: Request) -> Result:
        last = flag_option(request.options, "last", False)
        at_ms = at_ms_option(request.options)
        stream = self._streams.of(session, lambda: self._new_stream(request))
        captions: list[Caption] = []
        if request.payload:
            for piece in stream.sound.feed(request.payload, at_ms, request.options.get("packets")):
                if piece.at_s - stream.fed_s > GAP_S:
                    # Of the first: the stream's clock starts there. Later: a pause longer than the silence for it.
                    stream.captioner.skip(piece.at_s - stream.fed_s)
                    stream.fed_s = piece.at_s
                captions += stream.captioner.feed(piece.samples)
                stream.fed_s += len(piece.samples) / RATE_HZ
        elif not last:
            raise TaskError("bad_audio", "no audio: 0 bytes")
        if last:
            captions += stream.captioner.finish()
            self._streams.close(session)
        return Result(
            {
                "captions": [caption.values() for caption in captions],
                "speaking": stream.captioner.speaking,
                "damaged_packets": stream.sound.damaged_packets,
                "heard_ms": round(stream.fed_s * 1000),
            }
        )

    def _new_stream(self, request: Request) -> _Stream:
        return _Stream(
            LiveSound(text_option(request.options, "format", "opus"), raw_format(request.options)),
            Captioner(
                self._recogniser,
                self._vad,
                language=self._language(request),
                partials=flag_option(request.options, "partials", True),
            ),
        )


def transcript_values(captions: Sequence[Caption], length_s: float) -> dict[str, Any]:
    """The transcript of a whole sound, for an answer."""
    finals = [caption for caption in captions if caption.kind == "final"]
    spoken: dict[str, float] = {}
    for caption in finals:
        _add(spoken, caption.language, caption.end_s - caption.start_s)
    return {
        "text": " ".join(caption.text for caption in finals),
        "language": max(spoken, key=spoken.__getitem__, default=""),
        "segments": _segments(finals),
        "duration_ms": round(length_s * 1000),
    }


def _segments(captions: Sequence[Caption]) -> list[dict[str, Any]]:
    segments = [caption.values() for caption in captions if caption.kind == "final"]
    for segment in segments:
        del segment["kind"], segment["phrase"]
    return segments


def _add(totals: dict[str, float], key: str, value: float) -> None:
    totals[key] = totals.get(key, 0.0) + value
