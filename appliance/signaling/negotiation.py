"""How many receive seats a client is asked to offer.

Pure. Seats grow in steps and never shrink: a larger offer costs a renegotiation, an empty seat a few bytes of SDP.
Steps double, so a meeting that grows to n people asks each client log2(n) times, not n times.
"""

from __future__ import annotations

from appliance.signaling.messages import MediaNeed

# The three loudest are forwarded in big rooms; more voices at once are not understood anyway.
VOICES_WITHOUT_TILE = 3


class SeatPlan:
    """The newest need of one client."""

    def __init__(self, *, initial: int, most: int, audio_seats: int) -> None:
        """``initial`` seats at once, never above ``most`` (settings and the client's own limit)."""
        self._most = most
        self.need = MediaNeed(seats=min(initial, most), audio_seats=audio_seats)

    def grow(self, pairs: int) -> MediaNeed | None:
        """The new need when ``pairs`` (pictures with or without sound, or sounds alone) outgrew the seats.

        None when the newest need covers them.
        """
        seats = self.need.seats
        while seats < min(pairs, self._most):
            seats = min(max(1, seats * 2), self._most)
        audio_seats = self.need.audio_seats
        if pairs > self._most:
            audio_seats = max(audio_seats, min(VOICES_WITHOUT_TILE, pairs - self._most))
        need = MediaNeed(seats=seats, audio_seats=audio_seats)
        if need == self.need:
            return None
        self.need = need
        return need
