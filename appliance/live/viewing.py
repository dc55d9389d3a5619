"""What a viewer without a page is shown: one picture and one sound. Pure but for the binding itself.

Sound and picture are followed apart: the dominant speaker is heard while a screen is shown. A page seats a screen
with its own sound and hears the speaker on another seat (`meeting.subscriptions`); a viewer over WHEP has no other.
Whoever speaks without a camera leaves the last speaker's picture standing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from appliance.live.session import Session
from appliance.live.stream import Watch
from appliance.meeting.participant import Participant, Source, VideoSource
from appliance.webrtc.whip import SEAT

Choice = tuple[str, Source] | None
"""(participant id, source)."""


def choose(
    watch: Watch, participants: Sequence[Participant], recent: Sequence[str], *, but: str
) -> tuple[Choice, Choice]:
    """What is heard and what is seen. ``participants`` in the order of joining, ``recent``: who spoke last, newest
    first; ``but``: the viewer itself. A muted track is no choice while another is not."""
    others = [p for p in participants if p.participant_id != but]
    if watch.participant is not None:
        others = [p for p in others if p.answers_to(watch.participant)]
    place = {participant_id: number for number, participant_id in enumerate(recent)}
    others.sort(key=lambda p: place.get(p.participant_id, len(place)))  # stable: then in the order of joining
    pictures: tuple[VideoSource, ...] = ("screen", "camera") if watch.source is None else (watch.source,)
    seen = _first(others, pictures)
    sounds: tuple[Source, ...] = ("microphone", "screen_audio")
    if watch.source == "screen":
        sounds = sounds[::-1]
    return _first(others, sounds), seen


def _first(participants: Sequence[Participant], sources: Sequence[Source]) -> Choice:
    found: Choice = None
    for source in sources:
        for participant in participants:
            track = participant.track(source)
            if track is None:
                continue
            if not track.muted:
                return participant.participant_id, source
            found = found or (participant.participant_id, source)
    return found


def show(
    session: Session, watch: Watch, participants: Sequence[Participant], recent: Sequence[str],
    sessions: Mapping[str, Session],
) -> None:  # fmt: skip
    """Bind the viewer's seat to what it should hear and see now."""
    heard, seen = choose(watch, participants, recent, but=session.participant_id)
    audio, video = (
        None if choice is None or choice[0] not in sessions else sessions[choice[0]].media.tracks.get(choice[1])
        for choice in (heard, seen)
    )
    session.media.bind(SEAT, audio=audio, video=video)
