"""Live captions as their room sees them: on or off, in which language, what everybody is told, the newest lines.

Owned by the meeting's task, as the room is. Refuses to know how speech becomes text.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

import msgspec

from appliance.errors import UserError
from appliance.signaling.messages import CaptionLine, CaptionsState, CaptionsTrouble

NEWEST_LINES = 50
"""Finals that a joiner gets with ``joined``: what was said in the last minutes."""


class Ability(msgspec.Struct, frozen=True, kw_only=True):
    """What captions can do on this server now."""

    available: bool
    reason: CaptionsTrouble | None
    languages: tuple[str, ...]
    """The first one is the default."""
    transcript: bool = False


DISABLED = Ability(available=False, reason="ai_disabled", languages=())


class Transcribing(Protocol):
    """What a room needs of whatever makes text of speech."""

    def ability(self) -> Ability:
        """What it can do now."""


class RoomCaptions:
    """The captions of one room; there from its start, off until somebody switches them on."""

    def __init__(self, transcribing: Transcribing | None) -> None:
        """None: the server runs without AI."""
        self._transcribing = transcribing
        self._language: str | None = None
        self._since_ms: int | None = None
        self._by_name: str | None = None
        self._lines: deque[CaptionLine] = deque(maxlen=NEWEST_LINES)

    @property
    def on(self) -> bool:
        """Whether somebody switched them on."""
        return self._since_ms is not None

    def shown(self) -> CaptionsState:
        """What everybody is told."""
        ability = self._ability()
        return CaptionsState(
            on=self.on,
            available=ability.available,
            reason=ability.reason,
            language=self._language or next(iter(ability.languages), "auto"),
            languages=list(ability.languages),
            transcript=ability.transcript,
            since_ms=self._since_ms,
            by_name=self._by_name,
        )

    def newest(self) -> list[CaptionLine]:
        """What a joiner is shown, oldest first."""
        return list(self._lines)

    def switch(self, on: bool, language: str | None, *, now_ms: int, by_name: str) -> None:
        """Switch on or off. UserError 409 ``captions_unavailable``, 400 ``invalid_field`` for the language."""
        ability = self._ability()
        if on and not ability.languages:
            raise UserError(409, "captions_unavailable", "there is no speech model on this server")
        if language is not None and language not in ability.languages:
            known = ", ".join(ability.languages) or "none"
            raise UserError(400, "invalid_field", f"language: {language!r}; can be chosen: {known}", field="language")
        self._language = language or self._language
        if on and self._since_ms is None:
            self._since_ms, self._by_name = now_ms, by_name
        elif not on:
            self._since_ms, self._by_name = None, None
            self._lines.clear()

    def _ability(self) -> Ability:
        return DISABLED if self._transcribing is None else self._transcribing.ability()
