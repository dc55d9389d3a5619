"""Live captions as their room sees them: on or off, in which language, whose microphones, what everybody is told.

Owned by the meeting's task, as the room is. While captions are off there is no tap and no task, and a look at what they
could do each two seconds is all they cost. Refuses to know how speech becomes text: `voice` asks, `transcriber` says
what can be asked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol

import msgspec
import trio

from appliance.errors import UserError
from appliance.live.commands import CaptionsCommand, LookAtCaptions, SayCaption
from appliance.live.session import Session
from appliance.live.voice import Line, Voice
from appliance.meeting.participant import Participant, Track
from appliance.recorder.writer import Tap
from appliance.signaling.messages import Caption, CaptionLine, Captions, CaptionsState, CaptionsTrouble
from appliance.store import transcripts

if TYPE_CHECKING:
    from appliance.live.room import Room

NEWEST_LINES = 50
"""Finals that a joiner gets with ``joined``: what was said in the last minutes."""
TAP_BYTES = 256 * 1024
"""A minute of Opus: what waits while a request is answered, and a worker restarts."""
OVERLOADED_S = 10.0
"""People are told so long after the last speech that was left out, so that the state does not flicker."""
WATCH_S = 0.5
"""While they are on; a worker that died is mostly back within two seconds, and people are to hear of both."""


class Ability(msgspec.Struct, frozen=True, kw_only=True):
    """What captions can do on this server now."""

    available: bool
    reason: CaptionsTrouble | None
    languages: tuple[str, ...]
    """What can be chosen; the first one is the default."""
    transcript: bool
    """Finals are kept."""
    report_at: str | None = None
    """Host that gets what is kept, for the report; None: what is said stays on this server."""
    voices: bool = False
    """Several people at one microphone can be told apart."""


OFF = Ability(available=False, reason="ai_disabled", languages=(), transcript=False)
"""Where the server runs without AI."""


class Transcribing(Protocol):
    """What a room needs of `transcriber.Transcriber`."""

    def ability(self) -> Ability:
        """What it can do now. Cheap."""

    async def prepare(self, language: str) -> None:
        """Have the model for a language ready; returns when it is, or cannot be."""

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
        """Transcribe a track; the caller runs `Voice.serve`."""


class RoomCaptions:
    """The captions of one room; there from its start, off until somebody switches them on."""

    def __init__(self, room: Room, transcribing: Transcribing | None) -> None:
        """None: the server runs without AI."""
        self._room = room
        self._transcribing = transcribing
        self._language: str | None = None
        self._since_ms: int | None = None
        self._by_name: str | None = None
        self._lines: deque[CaptionLine] = deque(maxlen=NEWEST_LINES)
        self._open: dict[str, CaptionLine] = {}
        """Partials that people see, by their id."""
        self._voices: dict[str, Voice] = {}
        """By the track's id."""
        self._sharing: set[str] = set()
        """Participants with others at their microphone."""
        self._shed_at = float("-inf")
        self._told: CaptionsState | None = None
        self._watching: trio.CancelScope | None = None
        self.finals = 0
        self.partials_left_out = 0

    @property
    def on(self) -> bool:
        """Whether somebody switched them on."""
        return self._since_ms is not None

    def shown(self) -> CaptionsState:
        """What everybody is told."""
        ability = self._ability()
        reason = ability.reason
        if reason is None and self.on and self._room.now() - self._shed_at < OVERLOADED_S:
            reason = "overloaded"
        return CaptionsState(
            on=self.on,
            available=ability.available,
            reason=reason,
            language=self._chosen(ability),
            languages=list(ability.languages),
            transcript=ability.transcript,
            report_at=ability.report_at if ability.transcript else None,
            voices=ability.voices,
            since_ms=self._since_ms,
            by_name=self._by_name,
        )

    def newest(self) -> list[CaptionLine]:
        """What a joiner is shown, oldest first."""
        return list(self._lines)

    def look(self) -> None:
        """Tell everybody if what captions can do has changed."""
        shown = self.shown()
        if self._told is None and not self.on:
            self._told = shown  # who joined was told
        elif shown != self._told:
            self._tell(shown)

    # --- what hosts ask --------------------------------------------------------------------------------------------

    def switch(self, on: bool, language: str | None, *, by_name: str) -> None:
        """Switch on or off, or to another language. UserError 409 ``captions_unavailable``, 400 ``invalid_field``."""
        ability = self._ability()
        if on and not ability.languages:
            raise UserError(409, "captions_unavailable", f"there are no captions here: {ability.reason}", field="on")
        if language is not None and language not in ability.languages:
            known = ", ".join(ability.languages) or "none"
            raise UserError(400, "invalid_field", f"language: {language!r}, can be: {known}", field="language")
        before = self._chosen(ability)
        self._language = language or self._language
        if before != self._chosen(ability):
            self._end_voices()
        if on and self._transcribing is not None:
            self._room.start(self._transcribing.prepare, self._chosen(ability))
        if on and self._since_ms is None:
            self._since_ms, self._by_name = self._room.wall_ms(), by_name
            self._room.start(self._watch)
        elif not on and self.on:
            self._switch_off()
        self.tap()
        self._tell(self.shown())

    def _switch_off(self) -> None:
        self._since_ms, self._by_name = None, None
        self._end_voices()
        self._lines.clear()
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def share(self, participant_id: str, shared: bool) -> None:
        """Somebody says whether others speak into the same microphone. UserError 409 ``captions_unavailable``."""
        if shared and not self._ability().voices:
            raise UserError(409, "captions_unavailable", "no model to tell voices apart is installed", field="shared")
        if shared:
            self._sharing.add(participant_id)
        else:
            self._sharing.discard(participant_id)
        for voice in self._voices.values():
            voice.shared = voice.participant_id in self._sharing

    # --- what happens in the room ----------------------------------------------------------------------------------

    def tap(self) -> None:
        """Listen to every open microphone, and to nothing else. Cheap when nothing changed."""
        self._sharing.intersection_update(self._room.meeting.participants)
        if not self.on and not self._voices:
            return
        wanted = dict(_microphones(self._room.meeting.participants.values())) if self.on else {}
        for track_id in [track_id for track_id in self._voices if track_id not in wanted]:
            self._voices.pop(track_id).end()
        for track_id, (participant, track) in wanted.items():
            if track_id not in self._voices:
                self._begin(participant, track, self._room.audience.sessions)

    def heard(self) -> None:
        """The room's speakers have changed."""
        speaking = self._room.speakers.speaking
        for voice in self._voices.values():
            voice.speaking = voice.participant_id in speaking

    def say(self, voice: Voice, line: Line) -> None:
        """A partial or final has come."""
        name = voice.name if line.voice is None else f"{voice.name} ({line.voice})"
        caption = CaptionLine(participant_id=voice.participant_id, name=name, **msgspec.structs.asdict(line))
        message = Caption(**msgspec.structs.asdict(caption))
        if not caption.final:
            if self.on:
                self._open[caption.caption_id] = caption
                self.partials_left_out += self._room.audience.tell_ready(message)
            return
        self._open.pop(caption.caption_id, None)
        if caption.text:
            self.finals += 1
            self._keep(caption)
        self._room.audience.tell_all(message)

    def close(self) -> None:
        """The meeting is over: what was being said is kept as far as people saw it."""
        for caption in self._open.values():
            self._keep(msgspec.structs.replace(caption, final=True))
        self._open.clear()
        self._end_voices()

    def statistics(self) -> dict[str, int]:
        """Numbers of this room."""
        return {
            "on": int(self.on),
            "voices": len(self._voices),
            "finals": self.finals,
            "partials_left_out": self.partials_left_out,
        }

    # ---------------------------------------------------------------------------------------------------------------

    def _begin(self, participant: Participant, published: Track, sessions: Mapping[str, Session]) -> None:
        session = sessions.get(participant.participant_id)
        track = None if session is None else session.media.tracks.get(published.source)
        if session is None or track is None or track.track_id != published.track_id or self._transcribing is None:
            return  # its negotiation goes on; the change that ends it comes by here again
        try:
            voice = self._transcribing.open_voice(
                session.media.open_tap(track.source, TAP_BYTES),
                participant_id=participant.participant_id,
                name=participant.name,
                language=self._chosen(self._ability()),
                gated=session.media.tells_levels,
                tell=partial(_said, self._room),
                shed=self._note_shed,
            )
        except UserError:  # the model was removed just now; `look` tells
            return
        voice.speaking = participant.participant_id in self._room.speakers.speaking
        voice.shared = participant.participant_id in self._sharing
        self._voices[track.track_id] = voice
        self._room.start(voice.serve)

    def _end_voices(self) -> None:
        for voice in self._voices.values():
            voice.end()
        self._voices.clear()

    def _keep(self, caption: CaptionLine) -> None:
        if self.on:
            self._lines.append(caption)
        if self._ability().transcript:
            row = transcripts.Segment(
                id=caption.caption_id,
                meeting_id=self._room.meeting_id,
                participant_id=caption.participant_id,
                name=caption.name,
                start_ms=caption.start_ms,
                end_ms=caption.end_ms,
                text=caption.text,
                language=caption.language,
            )
            self._room.records.add("caption", partial(transcripts.insert, segment=row))

    def _note_shed(self) -> None:
        self._shed_at = self._room.now()

    async def _watch(self) -> None:
        """Beside the meeting's task, while they are on: has the task look when there is something to see."""
        with trio.CancelScope() as self._watching:
            while True:
                await trio.sleep(WATCH_S)
                if self.shown() != self._told:
                    await self._room.put(LookAtCaptions())

    def _tell(self, shown: CaptionsState) -> None:
        self._told = shown
        self._room.audience.tell_all(Captions(**msgspec.structs.asdict(shown)))

    def _chosen(self, ability: Ability) -> str:
        if self._language in ability.languages:
            return self._language or ""
        return ability.languages[0] if ability.languages else self._language or "auto"

    def _ability(self) -> Ability:
        return OFF if self._transcribing is None else self._transcribing.ability()


def _microphones(present: Iterable[Participant]) -> Iterable[tuple[str, tuple[Participant, Track]]]:
    for participant in present:
        for track in participant.tracks:
            if track.source == "microphone" and not track.muted:
                yield track.track_id, (participant, track)


def obey(room: Room, command: CaptionsCommand) -> None:
    """What comes from the tasks beside the room's."""
    match command:
        case SayCaption(voice=voice, line=line):
            room.captions.say(voice, line)
        case LookAtCaptions():
            room.captions.look()


async def _said(room: Room, voice: Voice, line: Line) -> None:
    await room.put(SayCaption(voice, line))
