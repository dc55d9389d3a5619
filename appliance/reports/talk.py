"""Who spoke how long, and who was there when; from what was said and who was connected. Pure.

Owns what a person and a turn are. A person is an account or a guest, however often they came back; somebody of whom
neither is known any more is each of their connections. The voices of a microphone that several share are people of
their own as far as captions told them apart. A turn is what somebody says until somebody else speaks, or until
`PAUSE_MS` of silence. Talk time is the time in which phrases were spoken, pauses left out; who speaks on two
microphones at once is counted once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from appliance.reports.records import Attendee, Speaker, Stay
from appliance.store.participants import MeetingRole, ParticipantRecord
from appliance.store.transcripts import Segment

# Longer than people pause for breath or a thought within what they say; then something new begins.
PAUSE_MS = 5000
_VOICE = re.compile(r" \(\d+\)")
_RANK: dict[MeetingRole, int] = {"participant": 0, "cohost": 1, "host": 2}


def speakers(segments: Sequence[Segment], joins: Iterable[ParticipantRecord]) -> tuple[Speaker, ...]:
    """Who spoke, most first. ``segments`` in the order of speaking."""
    known = {join.id: join for join in joins}
    people: dict[tuple[str, str], _Voice] = {}
    before: _Voice | None = None
    for segment in segments:
        person = _speaker(segment, known.get(segment.participant_id))
        voice = people.get(person)
        if voice is None:
            voice = people[person] = _Voice(participant_id=segment.participant_id)
        voice.add(segment, goes_on=voice is before)
        before = voice
    total = sum(voice.talk_ms for voice in people.values())
    found = [
        Speaker(
            participant_id=voice.participant_id,
            name=voice.name,
            talk_ms=voice.talk_ms,
            share=round(voice.talk_ms / total, 4) if total else 0.0,
            turns=voice.turns,
            longest_turn_ms=voice.longest_turn_ms,
        )
        for voice in people.values()
    ]
    return tuple(sorted(found, key=lambda one: (-one.talk_ms, one.name)))


def attendees(joins: Sequence[ParticipantRecord]) -> tuple[Attendee, ...]:
    """Who was there, in the order of coming; connections at the same time are one stay. ``joins`` in their order."""
    people: dict[str, list[ParticipantRecord]] = {}
    for join in joins:
        people.setdefault(_person(join), []).append(join)
    return tuple(
        Attendee(
            participant_id=theirs[0].id,
            name=theirs[-1].name,
            role=max((join.role for join in theirs), key=_RANK.__getitem__),
            is_guest=theirs[-1].user_id is None,
            stays=_stays(theirs),
        )
        for theirs in people.values()
    )


class _Voice(msgspec.Struct, kw_only=True):
    participant_id: str
    name: str = ""
    talk_ms: int = 0
    turns: int = 0
    longest_turn_ms: int = 0
    _spoken_until_ms: int = 0
    _turn_from_ms: int = 0

    def add(self, segment: Segment, *, goes_on: bool) -> None:
        self.name = segment.name
        begins_ms = max(segment.start_ms, self._spoken_until_ms)
        if not goes_on or segment.start_ms - self._spoken_until_ms > PAUSE_MS:
            self.turns += 1
            self._turn_from_ms = begins_ms
        self.talk_ms += max(0, segment.end_ms - begins_ms)
        self._spoken_until_ms = max(self._spoken_until_ms, segment.end_ms)
        self.longest_turn_ms = max(self.longest_turn_ms, self._spoken_until_ms - self._turn_from_ms)


def _speaker(segment: Segment, join: ParticipantRecord | None) -> tuple[str, str]:
    """The person, and which voice of a shared microphone: `live.captions` puts its number behind the track's name."""
    if join is None:
        return segment.participant_id, ""
    behind = segment.name.removeprefix(join.name)
    is_numbered = segment.name != behind and _VOICE.fullmatch(behind) is not None
    return _person(join), behind if is_numbered else ""


def _person(join: ParticipantRecord) -> str:
    return join.user_id or join.guest_id or join.id


def _stays(joins: Sequence[ParticipantRecord]) -> tuple[Stay, ...]:
    stays: list[Stay] = []
    for join in joins:
        last = stays[-1] if stays else None
        if last is not None and (last.left_at_ms is None or join.joined_at_ms <= last.left_at_ms):
            left = None if None in (last.left_at_ms, join.left_at_ms) else max(last.left_at_ms, join.left_at_ms)  # type: ignore[type-var]
            stays[-1] = Stay(joined_at_ms=last.joined_at_ms, left_at_ms=left)
        else:
            stays.append(Stay(joined_at_ms=join.joined_at_ms, left_at_ms=join.left_at_ms))
    return tuple(stays)
