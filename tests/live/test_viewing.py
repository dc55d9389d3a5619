"""What a viewer without a page hears and sees: a table of who publishes, who spoke, and what was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.live.stream import Watch
from appliance.live.viewing import choose
from appliance.meeting.participant import Participant, Source, Track


def person(name: str, *sources: Source, muted: tuple[Source, ...] = ()) -> Participant:
    tracks = tuple(Track(f"{name}-{source}", source, muted=source in muted) for source in sources)
    return Participant(
        participant_id=name,
        subject=f"usr_{name}",
        user_id=f"usr_{name}",
        name=name,
        avatar_url=None,
        role="participant",
        joined_at_ms=0,
        tracks=tracks,
    )


ANN, BOB = person("ann", "microphone", "camera"), person("bob", "microphone", "camera")
CAT = person("cat", "microphone", "screen", "screen_audio")
VOICE = person("voice", "microphone")
QUIET = person("quiet", "microphone", "camera", muted=("microphone", "camera"))
VIEWER = person("viewer")


@pytest.mark.parametrize(
    ("watch", "people", "recent", "heard", "seen"),
    [
        (Watch(), [VIEWER], [], None, None),
        (Watch(), [ANN, BOB, VIEWER], [], ("ann", "microphone"), ("ann", "camera")),
        (Watch(), [ANN, BOB, VIEWER], ["bob", "ann"], ("bob", "microphone"), ("bob", "camera")),
        (Watch(), [ANN, BOB, CAT], ["bob"], ("bob", "microphone"), ("cat", "screen")),
        (Watch(), [ANN, VOICE], ["voice", "ann"], ("voice", "microphone"), ("ann", "camera")),
        (Watch(), [QUIET, ANN], ["quiet"], ("ann", "microphone"), ("ann", "camera")),
        (Watch(), [QUIET], [], ("quiet", "microphone"), ("quiet", "camera")),
        (Watch("bob"), [ANN, BOB, CAT], ["ann"], ("bob", "microphone"), ("bob", "camera")),
        (Watch("usr_cat"), [ANN, CAT], ["ann"], ("cat", "microphone"), ("cat", "screen")),
        (Watch("cat", "screen"), [ANN, CAT], ["ann"], ("cat", "screen_audio"), ("cat", "screen")),
        (Watch("cat", "camera"), [ANN, CAT], ["ann"], ("cat", "microphone"), None),
        (Watch(None, "camera"), [ANN, CAT], [], ("ann", "microphone"), ("ann", "camera")),
        (Watch("gone"), [ANN], [], None, None),
    ],
)
def test_who_is_heard_and_seen(
    watch: Watch, people: list[Participant], recent: list[str], heard: Any, seen: Any
) -> None:
    assert choose(watch, people, recent, but="viewer") == (heard, seen)


def test_a_viewer_never_sees_itself() -> None:
    assert choose(Watch("ann"), [ANN], [], but="ann") == (None, None)
