"""The analysis of pictures as its room sees it: what is on, who agreed, whose camera is looked at, who is told what.

Owned by the meeting's task, as the room is. Nobody's pictures leave the SFU for it before they agreed, and while both
switches are off there is no tap and no task. Refuses to know how a picture is judged: `camera` asks, `watcher` says
what can be asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec
import trio

from appliance.errors import UserError
from appliance.live.camera import Camera, Felt, Suspected
from appliance.live.commands import LookAtVision, TellAlert, TellSeen, VisionCommand
from appliance.live.vision_rows import OpenSpan, alert_row, alert_told, span_row, span_told
from appliance.meeting import permissions
from appliance.meeting.participant import Participant, Track
from appliance.recorder.writer import Tap
from appliance.signaling.messages import Emotion, Vision, VisionAlert, VisionState, VisionSwitch, VisionTrouble
from appliance.store import vision

if TYPE_CHECKING:
    from appliance.live.room import Room

Analysis = Literal["emotion", "deepfake"]
ANALYSES: tuple[Analysis, ...] = ("emotion", "deepfake")

MAX_LAYER = 1
"""Of three layers the middle one: browsers make three of cameras from 960 pixels on, so it has 480 and more."""
TAP_BYTES = 1024 * 1024
"""Four seconds of a picture of 2 Mbit/s: it is drained four times a second, and more is of no use."""
OVERLOADED_S = 10.0
"""People are told so long after the last picture that was left out, so that the state does not flicker."""
WATCH_S = 0.5
"""While something is on; a worker that died is mostly back within two seconds, and people are to hear of both."""
ALERT_EACH_S = 60.0
"""Of one person and kind: what goes on is not told again and again."""


class VisionAbility(msgspec.Struct, frozen=True):
    """What can be done on this server now; None: all is well."""

    emotion: VisionTrouble | None
    deepfake: VisionTrouble | None


OFF = VisionAbility("ai_disabled", "ai_disabled")
"""Where the server runs without AI."""


class Watching(Protocol):
    """What a room needs of `watcher.Watcher`."""

    def ability(self) -> VisionAbility:
        """What it can do now. Cheap."""

    def open_camera(
        self,
        open_tap: Callable[[], Tap],
        *,
        participant_id: str,
        name: str,
        analyses: Collection[Analysis],
        tell: Callable[[Camera, Felt | Suspected], Awaitable[None]],
        shed: Callable[[Analysis], None],
    ) -> Camera | None:
        """Look at a track; None when no model is there. The caller runs `Camera.serve`."""


class _Switch(msgspec.Struct):
    since_ms: int | None = None
    by_name: str | None = None
    shed_at: float = float("-inf")


class RoomVision:
    """The analysis of pictures in one room; there from its start."""

    def __init__(self, room: Room, watching: Watching | None) -> None:
        """None: the server runs without AI."""
        self._room = room
        self._watching = watching
        self._switches: dict[Analysis, _Switch] = {analysis: _Switch() for analysis in ANALYSES}
        self._answers: dict[str, bool] = {}
        """Who agreed or declined, by participant."""
        self._cameras: dict[str, Camera] = {}
        """By the track's id."""
        self._felt: dict[str, Emotion] = {}
        """What people were told last, by participant."""
        self._spans: dict[str, OpenSpan] = {}
        self._alerted: dict[tuple[str, str], float] = {}
        """When the last alert was, by participant and kind."""
        self._told: VisionState | None = None
        self._watch_scope: trio.CancelScope | None = None
        self.alerts = 0

    @property
    def on(self) -> tuple[Analysis, ...]:
        """What is switched on."""
        return tuple(analysis for analysis in ANALYSES if self._switches[analysis].since_ms is not None)

    def shown(self) -> VisionState:
        """What everybody is told."""
        ability = self._ability()
        return VisionState(
            emotion=self._shown("emotion", ability.emotion),
            deepfake=self._shown("deepfake", ability.deepfake),
            consented=[who for who, accepted in self._answers.items() if accepted],
            declined=[who for who, accepted in self._answers.items() if not accepted],
        )

    def look(self) -> None:
        """Tell everybody if what can be done has changed."""
        shown = self.shown()
        if self._told is None and not self.on:
            self._told = shown  # who joined was told
        elif shown != self._told:
            self._tell(shown)

    # --- what people ask ---------------------------------------------------------------------------------------------

    def begin(self, *, emotion: bool, deepfake: bool) -> None:
        """The meeting's own settings, when its room opens."""
        for analysis, wanted in (("emotion", emotion), ("deepfake", deepfake)):
            if wanted:
                self._switches[analysis].since_ms = self._room.wall_ms()  # type: ignore[index]  # both are names
        self._watch_while_on()

    def switch(self, wanted: dict[Analysis, bool | None], *, by_name: str) -> None:
        """Switch on or off; None: as it is. UserError 409 ``vision_unavailable``, and nothing has changed."""
        ability = self._ability()
        for analysis, on in wanted.items():
            reason = getattr(ability, analysis)
            if on and reason not in (None, "worker_down"):
                raise UserError(409, "vision_unavailable", f"this cannot be analysed here: {reason}", field=analysis)
        for analysis, on in wanted.items():
            switch = self._switches[analysis]
            if on and switch.since_ms is None:
                switch.since_ms, switch.by_name = self._room.wall_ms(), by_name
            elif on is False:
                self._switches[analysis] = _Switch()
        self._end_cameras()  # which models look has changed
        if "emotion" not in self.on:
            self._felt.clear()
        self._watch_while_on()
        self.tap()
        self._tell(self.shown())

    def answer(self, participant_id: str, accepted: bool) -> None:
        """Somebody agrees to be looked at, or does not any more."""
        if self._answers.get(participant_id) == accepted:
            return
        self._answers[participant_id] = accepted
        self.tap()
        self._tell(self.shown())

    # --- what happens in the room ------------------------------------------------------------------------------------

    def tap(self) -> None:
        """Look at every open camera of who agreed, and at nothing else. Cheap when nothing changed."""
        if not self.on and not self._cameras:
            return
        wanted = dict(self._wanted()) if self.on else {}
        for track_id in [track_id for track_id in self._cameras if track_id not in wanted]:
            self._end(self._cameras.pop(track_id))
        for track_id, (participant, track) in wanted.items():
            if track_id not in self._cameras:
                self._begin(participant, track)

    def entered(self, participant: Participant, answer: bool | None) -> None:
        """Somebody has come; ``answer``: what they said on their way in."""
        if answer is not None:
            self.answer(participant.participant_id, answer)
        self.inform(participant)

    def inform(self, participant: Participant) -> None:
        """Tell a new host what faces express now."""
        if permissions.allowed(participant.role, "watch"):
            for felt in self._felt.values():
                self._room.audience.tell(participant.participant_id, felt)

    def left(self, participant_id: str) -> None:
        """Somebody has gone: nothing is remembered of them in the room."""
        self._felt.pop(participant_id, None)
        self._alerted = {key: at for key, at in self._alerted.items() if key[0] != participant_id}
        if self._answers.pop(participant_id, None) is not None:
            self._tell(self.shown())

    def seen(self, camera: Camera, found: Felt | Suspected) -> None:
        """A look has found something; nothing is told of a camera that is not looked at any more."""
        if camera not in self._cameras.values():
            return
        if isinstance(found, Felt):
            self._feel(camera, found)
        else:
            self._suspect(camera, found)

    def close(self) -> None:
        """The meeting is over: nothing more is looked at, and what was seen is kept."""
        self._end_cameras()
        self._stop_watch()

    def statistics(self) -> dict[str, int]:
        """Numbers of this room."""
        looks = sum(camera.looks for camera in self._cameras.values())
        return {"on": len(self.on), "cameras": len(self._cameras), "looks": looks, "alerts": self.alerts}

    # -----------------------------------------------------------------------------------------------------------------

    def _wanted(self) -> list[tuple[str, tuple[Participant, Track]]]:
        present = self._room.meeting.participants.values()
        agreed = [participant for participant in present if self._answers.get(participant.participant_id)]
        cameras = [(participant, participant.track("camera")) for participant in agreed]
        return [(track.track_id, (one, track)) for one, track in cameras if track is not None and not track.muted]

    def _begin(self, participant: Participant, published: Track) -> None:
        session = self._room.audience.sessions.get(participant.participant_id)
        track = None if session is None else session.media.tracks.get(published.source)
        if session is None or track is None or track.track_id != published.track_id or self._watching is None:
            return  # its negotiation goes on; the change that ends it comes by here again
        camera = self._watching.open_camera(
            partial(session.media.open_tap, track.source, TAP_BYTES, max_layer=MAX_LAYER),
            participant_id=participant.participant_id,
            name=participant.name,
            analyses=self.on,
            tell=partial(_found, self._room),
            shed=self._note_shed,
        )
        if camera is not None:
            self._cameras[track.track_id] = camera
            self._room.start(camera.serve)

    def _end_cameras(self) -> None:
        for camera in self._cameras.values():
            self._end(camera)
        self._cameras.clear()

    def _end(self, camera: Camera) -> None:
        camera.end()
        self._end_span(camera.participant_id)
        felt = self._felt.pop(camera.participant_id, None)
        if felt is not None and felt.label is not None:
            gone = Emotion(participant_id=camera.participant_id, label=None, score=0.0, at_ms=self._room.wall_ms())
            self._tell_hosts(gone, and_to=camera.participant_id)

    def _feel(self, camera: Camera, felt: Felt) -> None:
        who = camera.participant_id
        self._end_span(who)
        told = Emotion(participant_id=who, label=felt.label, score=round(felt.score, 3), at_ms=felt.at_ms)
        self._felt[who] = told
        if felt.label is not None:
            model = next(model for task, model in camera.models if task == "emotion")
            self._spans[who] = OpenSpan(camera.name, felt.label, felt.score, self._room.wall_ms(), model)
        self._tell_hosts(told, and_to=who)

    def _end_span(self, participant_id: str) -> None:
        span = self._spans.pop(participant_id, None)
        if span is not None:
            room = self._room
            row = span_row(span, room.meeting_id, participant_id, room.wall_ms())
            store = partial(vision.insert_span, span=row)
            room.records.add("emotion", room.telling(store, span_told(span, row)))

    def _suspect(self, camera: Camera, found: Suspected) -> None:
        room, key = self._room, (camera.participant_id, found.accusation.kind)
        if room.now() - self._alerted.get(key, float("-inf")) < ALERT_EACH_S:
            return
        self._alerted[key] = room.now()
        self.alerts += 1
        row = alert_row(found, room.meeting_id, camera.participant_id, camera.name)
        message = VisionAlert(
            alert_id=row.id,
            participant_id=row.participant_id,
            name=row.name,
            kind=row.kind,
            score=row.score,
            model=row.model,
            at_ms=row.at_ms,
            has_evidence=row.has_evidence,
        )
        store = partial(vision.insert_alert, alert=row, evidence=found.evidence)
        room.records.add("alert", room.telling(store, alert_told(row)), partial(_stored, room, message))

    def tell_alert(self, alert: VisionAlert) -> None:
        """It is stored, so hosts can look at what it shows."""
        self._tell_hosts(alert)

    def _tell_hosts(self, message: Emotion | VisionAlert, *, and_to: str = "") -> None:
        for participant in self._room.meeting.participants.values():
            if permissions.allowed(participant.role, "watch") or participant.participant_id == and_to:
                self._room.audience.tell(participant.participant_id, message)

    def _note_shed(self, analysis: Analysis) -> None:
        self._switches[analysis].shed_at = self._room.now()

    def _watch_while_on(self) -> None:
        if self.on and self._watch_scope is None:
            self._watch_scope = trio.CancelScope()
            self._room.start(self._watch, self._watch_scope)
        elif not self.on:
            self._stop_watch()

    def _stop_watch(self) -> None:
        if self._watch_scope is not None:
            self._watch_scope.cancel()
            self._watch_scope = None

    async def _watch(self, scope: trio.CancelScope) -> None:
        """Beside the meeting's task, while something is on: has the task look when there is something to see."""
        with scope:
            while True:
                await trio.sleep(WATCH_S)
                if self.shown() != self._told or self._lacks_cameras():
                    await self._room.put(LookAtVision())

    def _lacks_cameras(self) -> bool:
        """Models were installed meanwhile."""
        able = any(getattr(self._ability(), analysis) is None for analysis in self.on)
        return able and any(track_id not in self._cameras for track_id, _ in self._wanted())

    def _tell(self, shown: VisionState) -> None:
        self._told = shown
        self._room.audience.tell_all(Vision(**{name: getattr(shown, name) for name in shown.__struct_fields__}))

    def _shown(self, analysis: Analysis, reason: VisionTrouble | None) -> VisionSwitch:
        switch = self._switches[analysis]
        on = switch.since_ms is not None
        busy = reason is None and on and self._room.now() - switch.shed_at < OVERLOADED_S
        return VisionSwitch(
            on=on,
            available=reason is None,
            reason="overloaded" if busy else reason,
            since_ms=switch.since_ms,
            by_name=switch.by_name,
        )

    def _ability(self) -> VisionAbility:
        return OFF if self._watching is None else self._watching.ability()


def obey(room: Room, command: VisionCommand) -> None:
    """What comes from the tasks beside the room's."""
    match command:
        case TellSeen(camera=camera, found=found):
            room.vision.seen(camera, found)
        case TellAlert(alert=alert):
            room.vision.tell_alert(alert)
        case LookAtVision():
            room.vision.tap()
            room.vision.look()


async def _found(room: Room, camera: Camera, found: Felt | Suspected) -> None:
    await room.put(TellSeen(camera, found))


async def _stored(room: Room, alert: VisionAlert, kept: object) -> None:
    if kept is not False:  # the meeting was deleted meanwhile
        await room.put(TellAlert(alert))
