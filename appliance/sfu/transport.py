"""One ICE and DTLS association of a client, from an offer to the certificate that replaces it.

Owns our ICE credentials and the SSRCs of the seats. Refuses to know the data plane: a new state is made beside the
old one, and the session applies the difference after the answer was composed.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.webrtc.answer import SeatStreams

# RFC 8445 §5.3 asks for 24 and 128 bits; our ufrag alone finds the session, so it is unique by 64 bits.
_UFRAG_BYTES = 8
_PASSWORD_BYTES = 16


@dataclass(slots=True)
class Transport:
    """What is remembered between offers."""

    number: int
    """Session number in the data plane; the same for the life of the transport."""
    ufrag: str
    password: str
    origin: int
    version: int
    remote_ufrag: str
    fingerprints: tuple[tuple[str, str], ...]
    streams: dict[int, SeatStreams]
    """By seat; kept across offers (DESIGN §4)."""
    dtls_connected: bool = False
    path_lost: bool = False


def next_transport(
    before: Transport | None,
    *,
    number: int,
    remote_ufrag: str,
    fingerprints: tuple[tuple[str, str], ...],
    seats: Sequence[int],
) -> Transport:
    """The transport after an offer; ``before`` is left alone, and None when there is none to go on with."""
    streams = dict(before.streams) if before is not None else {}
    used = {ssrc for s in streams.values() for ssrc in (s.audio, s.video, s.video_rtx)}

    def new_ssrc() -> int:
        while (ssrc := secrets.randbits(32)) in used or ssrc == 0:
            pass
        used.add(ssrc)
        return ssrc

    for seat in seats:
        if seat not in streams:
            streams[seat] = SeatStreams(new_ssrc(), new_ssrc(), new_ssrc())
    restarted = before is None or before.remote_ufrag != remote_ufrag  # RFC 8839 §4.4.1.1.1
    return Transport(
        number=number,
        ufrag=secrets.token_hex(_UFRAG_BYTES) if before is None or restarted else before.ufrag,
        password=secrets.token_hex(_PASSWORD_BYTES) if before is None or restarted else before.password,
        # RFC 8829 §5.2.1: a 62-bit random number.
        origin=before.origin if before is not None else secrets.randbits(62),
        version=before.version + 1 if before is not None else 1,
        remote_ufrag=remote_ufrag,
        fingerprints=fingerprints,
        streams=streams,
        dtls_connected=before is not None and before.dtls_connected,
        path_lost=before is not None and before.path_lost,
    )
