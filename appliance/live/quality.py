"""The score of a connection, and when everybody's scores are worth telling. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from appliance.signaling.messages import ParticipantQuality

if TYPE_CHECKING:
    from appliance.sfu.readings import SessionQuality

# (score, loss below, round trip below in ms). Loss: RFC 8836 §2.2 has interactive media bear a few per cent, and Opus
# conceals 5 %; ITU-T G.114 calls 150 ms one way (300 ms a round trip) the end of ease, and 400 ms unacceptable.
_STEPS: tuple[tuple[int, float, float], ...] = ((4, 0.02, 300.0), (3, 0.05, 500.0), (2, 0.10, 800.0))


def score(quality: SessionQuality) -> int:
    """4 good, 3 fair, 2 poor, 1 bad, 0 no media connection."""
    if not quality.connected:
        return 0
    loss = max(quality.uplink_loss, quality.downlink_loss)
    for value, below_loss, below_ms in _STEPS:
        if loss < below_loss and (quality.rtt_ms or 0) < below_ms:
            return value
    return 1


class QualityBoard:
    """Everybody's newest score; says when somebody's changed."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}

    def update(self, now: Mapping[str, SessionQuality]) -> list[ParticipantQuality] | None:
        """The list to tell, or None when no score changed and nobody came since the last one."""
        scores = {participant_id: score(quality) for participant_id, quality in now.items()}
        told, self._told = self._told, scores
        if all(told.get(participant_id) == value for participant_id, value in scores.items()):
            return None
        return [
            ParticipantQuality(
                participant_id=participant_id,
                score=scores[participant_id],
                uplink_loss=round(quality.uplink_loss, 3),
                downlink_loss=round(quality.downlink_loss, 3),
                rtt_ms=quality.rtt_ms,
            )
            for participant_id, quality in now.items()
        ]
