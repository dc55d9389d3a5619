"""Who speaks and who spoke last. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.signaling.messages import ActiveSpeakers, SpeakerLevel


class Speakers:
    """The newest levels and the order of the last speakers."""

    def __init__(self) -> None:
        self.speaking: tuple[str, ...] = ()
        """Heard now, loudest first."""
        self.recent: tuple[str, ...] = ()
        """Who spoke last, newest first, the dominant speaker in front."""
        self.dominant: str | None = None
        """Speaks above the others; stays when everybody is silent."""
        self._levels: tuple[tuple[str, float], ...] = ()

    def heard(self, levels: Sequence[tuple[str, float]], dominant: str | None) -> None:
        """Take new levels, loudest first."""
        self._levels = tuple(levels)
        self.dominant = dominant
        self.speaking = tuple(participant_id for participant_id, _ in levels)
        front = (dominant,) if dominant is not None else ()
        self.recent = tuple(dict.fromkeys([*front, *self.speaking, *self.recent]))

    def forget(self, participant_id: str) -> None:
        """Somebody left."""
        self.speaking = tuple(p for p in self.speaking if p != participant_id)
        self.recent = tuple(p for p in self.recent if p != participant_id)
        self._levels = tuple(pair for pair in self._levels if pair[0] != participant_id)
        if self.dominant == participant_id:
            self.dominant = None

    def message(self) -> ActiveSpeakers:
        """What everybody is told."""
        return ActiveSpeakers(
            speakers=[SpeakerLevel(participant_id=p, level=round(level, 3)) for p, level in self._levels],
            dominant=self.dominant,
        )
