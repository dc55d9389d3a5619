"""What live captions can do on this server, and the voices that do it.

Owns the choice of the model by language and the reasons why there are no captions; refuses to know rooms. The inference
workers keep captions longest when there is too much to do (`inference.entries.SHED_ORDER`); what they cannot take is
left out by each voice, newest speech first served.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import structlog
import trio

from appliance.errors import UserError
from appliance.ids import new_id
from appliance.inference.client import Inference
from appliance.inference.entries import CatalogEntry
from appliance.inference.replies import InferenceError
from appliance.live import shared_microphone
from appliance.live.captions import OFF, Ability
from appliance.live.voice import Line, Voice
from appliance.recorder.writer import Tap
from appliance.settings import CaptionsSettings
from appliance.signaling.messages import CaptionsTrouble

_log = structlog.get_logger(__name__)

TASK = "asr"
AUTO = "auto"
"""The model recognises the language, phrase by phrase."""
LOADED_WITHIN_S = 30.0
"""The largest recogniser takes a few seconds on a busy machine."""
_FRESH_S = 0.25
"""Rooms ask together; nothing changes faster than people see."""


class Transcriber:
    """One server's; fulfils `captions.Transcribing`."""

    def __init__(
        self,
        settings: CaptionsSettings,
        inference: Inference,
        *,
        clock_us: Callable[[], int],
        report_at: str | None = None,
    ) -> None:
        """``clock_us``: the taps' clock. ``report_at``: host of the language model that transcripts are sent to."""
        self._settings = settings
        self._inference = inference
        self._clock_us = clock_us
        self._report_at = report_at
        self._looked_at = float("-inf")
        self._ability = OFF
        self.shed = 0
        """How often speech was left out."""

    def ability(self) -> Ability:
        """What captions can do now."""
        now = trio.current_time()
        if now - self._looked_at >= _FRESH_S:
            self._looked_at = now
            self._ability = self._look()
        return self._ability

    def open_voice(
        self,
        tap: Tap,
        *,
        participant_id: str,
        name: str,
        language: str,
        gated: bool,
        tell: Callable[[Voice, Line], Awaitable[None]],
        shed: Callable[[], None],
    ) -> Voice:
        """Transcribe a track. UserError 409 ``captions_unavailable`` when no model knows the language any more."""
        entry = model_for(language, self._installed())
        if entry is None:
            tap.close()
            raise UserError(409, "captions_unavailable", f"no speech model for {language} is installed")

        def note_shed() -> None:
            self.shed += 1
            shed()

        return Voice(
            self._inference,
            tap,
            participant_id=participant_id,
            name=name,
            model=entry.name,
            voices=self._voice_model(),
            language=language,
            gated=gated,
            clock_us=self._clock_us,
            tell=tell,
            shed=note_shed,
        )

    async def prepare(self, language: str) -> None:
        """Have the model loaded before the first word: an empty stream is asked for, and ended."""
        entry = model_for(language, self._installed())
        if entry is None:
            return
        stream = new_id("spk")
        options = {"session": stream, "at_ms": 0.0, "language": language, "packets": [], "last": True}
        try:
            await self._inference.infer(entry.name, b"", options, priority="high", within_s=LOADED_WITHIN_S)
        except InferenceError as error:
            _log.warning("speech_model_not_ready", model=entry.name, code=error.code, error=str(error))
        finally:
            self._inference.close_session(entry.name, stream)

    def _look(self) -> Ability:
        if not self._settings.enabled or not self._inference.enabled:
            return OFF
        languages = languages_of(self._installed(), self._settings.language)
        reason: CaptionsTrouble | None = None
        if not languages:
            reason = "model_not_installed"
        elif self._inference.health().state not in ("ready", "degraded"):
            reason = "worker_down"
        return Ability(
            available=reason is None,
            reason=reason,
            languages=languages,
            transcript=self._settings.transcript,
            report_at=self._report_at,
            voices=bool(languages) and self._voice_model() is not None,
        )

    def _voice_model(self) -> str | None:
        """What tells several people at one microphone apart."""
        return next((entry.name for entry in self._installed(shared_microphone.TASK)), None)

    def _installed(self, task: str = TASK) -> list[CatalogEntry]:
        entries = self._inference.models.catalog.of_task(task)
        return [entry for entry in entries if not entry.is_plugged and self._inference.is_installed(entry)]


def languages_of(entries: Iterable[CatalogEntry], preferred: str) -> tuple[str, ...]:
    """What can be chosen: the preferred one first if it is among them, then "auto", then in the catalog's order."""
    entries = list(entries)
    found = [AUTO] if any(_recognises(entry) for entry in entries) else []
    found += [language for entry in entries for language in entry.languages]
    return tuple(sorted(dict.fromkeys(found), key=lambda language: language != preferred))


def model_for(language: str, entries: Iterable[CatalogEntry]) -> CatalogEntry | None:
    """The first that knows the language; for "auto" the first that recognises languages."""
    for entry in entries:
        if _recognises(entry) if language == AUTO else not entry.languages or language in entry.languages:
            return entry
    return None


def _recognises(entry: CatalogEntry) -> bool:
    return len(entry.languages) != 1
