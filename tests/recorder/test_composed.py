"""Options and answers cross into the worker process and back, and through JSON."""

from __future__ import annotations

import pickle

import msgspec

from appliance.recorder.composed import Composed, ComposedChapter, ComposedTrack, ComposeOptions


def test_they_travel() -> None:
    options = ComposeOptions(layout="grid", captions=((0, 1, "a", "b"),))
    track = ComposedTrack(
        track="t",
        participant_id="p",
        name="n",
        source="camera",
        codec="vp8",
        file="tracks/t.webm",
        bytes=1,
        start_ms=2,
        duration_ms=3,
    )
    composed = Composed(
        duration_ms=1,
        width=2,
        height=3,
        video_codec="h264",
        encoder="libx264",
        tracks=(track,),
        chapters=(ComposedChapter(start_ms=0, title="t"),),
        bytes=4,
    )
    for sent in (options, composed):
        assert pickle.loads(pickle.dumps(sent)) == sent
        assert msgspec.json.decode(msgspec.json.encode(sent), type=type(sent)) == sent
