"""Captions in a room: who switches them, who is listened to, what everybody hears, what is kept.

The recogniser is a task in a real worker process that spells (tests/support/spoken.py); media are still, so that a test
says which packets a microphone sends.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from appliance.inference.client import Inference
from appliance.live.captions import NEWEST_LINES
from appliance.live.shared_microphone import LEAST_MS
from appliance.live.transcriber import Transcriber
from appliance.settings import CaptionsSettings
from appliance.sfu.events import Speakers
from appliance.store import transcripts
from appliance.store.meetings import Meeting
from tests.support.inference_world import running
from tests.support.live_world import Client, World, open_world
from tests.support.spoken import PACKET_MS, packets, spelling_folder, telling_folder
from tests.support.still_media import StillTap

pytestmark = pytest.mark.slow


def clock_us() -> int:
    return time.time_ns() // 1000


class Talk:
    """A world with a recogniser, and words for its microphones."""

    def __init__(self, world: World, inference: Inference) -> None:
        self.world = world
        self.inference = inference
        self._rtp: dict[StillTap, int] = {}
        self._speaking: tuple[Client, ...] = ()

    def tap(self, client: Client) -> StillTap:
        """The newest tap of somebody's microphone."""
        return self.world.media.session(client.id).taps["microphone"][-1]

    def taps(self, client: Client) -> list[StillTap]:
        """All that were ever opened."""
        return self.world.media.session(client.id).taps.get("microphone", [])

    def speakers(self, *clients: Client) -> None:
        """The data plane says who is heard."""
        room = next(iter(self.world.media.rooms.values()))
        room.emit(Speakers(tuple((client.id, 0.5) for client in clients), None))
        self._speaking = clients

    async def breathe(self) -> None:
        """Between words, microphones of speakers go on sending."""
        while True:
            await trio.sleep(0.1)
            for client in self._speaking:
                if not self.tap(client).closed:
                    self.say(client, "-")

    def say(self, client: Client, *words: str) -> None:
        """Packets come from a microphone."""
        tap = self.tap(client)
        rtp = self._rtp.get(tap, 0)
        tap.waiting += packets(*words, at_us=clock_us(), rtp=rtp)
        self._rtp[tap] = rtp + len(words) * PACKET_MS * 48

    async def segments(self, meeting: Meeting) -> list[tuple[str, str]]:
        """What is kept: (name, text)."""
        await self.world.quiet()
        rows = await self.world.database.read(transcripts.page, meeting.id, present_id=None, after=None, limit=100)
        return [(row.name, row.text) for row in rows]


@pytest.fixture
def talking(tmp_path: Path) -> Callable[..., Any]:
    @asynccontextmanager
    async def open_it(
        *, settings: CaptionsSettings | None = None, telling: bool = False, **languages: list[str]
    ) -> AsyncIterator[Talk]:
        models = telling_folder(tmp_path) if telling else spelling_folder(tmp_path, **languages)
        async with running(models) as inference:
            transcriber = Transcriber(settings or CaptionsSettings(), inference, clock_us=clock_us)
            async with open_world(tmp_path, transcribing=transcriber) as world, trio.open_nursery() as nursery:
                talk = Talk(world, inference)
                nursery.start_soon(talk.breathe)
                yield talk
                nursery.cancel_scope.cancel()

    return open_it


async def _two(talk: Talk, meeting: Meeting) -> tuple[Client, Client]:
    ann = await talk.world.join(meeting, "Ann", "host")
    ben = await talk.world.join(meeting, "Ben")
    for client in (ann, ben):
        await client.offers("microphone")
    return ann, ben


async def test_what_somebody_says_comes_as_partials_and_a_final_with_the_name(talking: Callable[..., Any]) -> None:
    async with talking() as talk:
        meeting = await talk.world.meeting()
        ann, ben = await _two(talk, meeting)
        assert ann.welcome["room"]["captions"] == {
            "on": False, "available": True, "reason": None, "language": "en", "languages": ["en"], "transcript": True,
            "report_at": None, "voices": False, "since_ms": None, "by_name": None,
        }  # fmt: skip
        assert talk.taps(ann) == talk.taps(ben) == []
        await ann.says("set_captions", on=True)
        state = await ben.hears("captions")
        assert (state["on"], state["by_name"], state["language"]) == (True, "Ann", "en")

        talk.speakers(ben)
        before_ms = time.time() * 1000
        talk.say(ben, "good")
        partial = await ann.hears("caption")
        assert (partial["name"], partial["participant_id"], partial["text"]) == ("Ben", ben.id, "good")
        assert (partial["final"], "seq" in partial, partial["language"]) == (False, False, "en")
        assert abs(partial["start_ms"] - before_ms) < 2000
        talk.say(ben, "morning", ".")
        final = await ann.hears("caption", final=True)
        assert (final["caption_id"], final["text"]) == (partial["caption_id"], "good morning")
        assert final["seq"] > 0 and final["start_ms"] == partial["start_ms"]
        assert (await ben.hears("caption", final=True))["text"] == "good morning"

        cy = await talk.world.join(meeting, "Cy")
        lines = [{k: v for k, v in final.items() if k not in ("type", "seq")}]
        assert cy.welcome["captions"] == lines
        assert cy.welcome["room"]["captions"]["on"] is True
        assert await talk.segments(meeting) == [("Ben", "good morning")]

        talk.speakers()
        await ann.says("set_captions", on=False)
        assert (await ben.hears("captions"))["since_ms"] is None
        await talk.world.quiet()
        assert all(tap.closed for client in (ann, ben) for tap in talk.taps(client))
        assert (await talk.world.join(meeting, "Dee")).welcome["captions"] == []
        assert await talk.segments(meeting) == [("Ben", "good morning")]


async def test_people_at_one_microphone_are_told_apart_where_somebody_says_that_they_share_it(
    talking: Callable[..., Any],
) -> None:
    async with talking(telling=True) as talk:
        meeting = await talk.world.meeting()
        ann, ben = await _two(talk, meeting)
        assert ann.welcome["room"]["captions"]["voices"] is True
        await talk.inference.infer("telling", b"x", {"packets": [1]}, within_s=30)  # it is loaded
        await ann.says("set_captions", on=True)
        await ben.hears("captions")
        talk.speakers(ben)

        async def heard(letter: str, words: int) -> tuple[str, int | None]:
            talk.say(ben, *[letter] * words, ".")
            final = await ann.hears("caption", final=True)
            return final["name"], final["voice"]

        long = round(LEAST_MS / PACKET_MS) + 1
        assert await heard("a", long) == ("Ben", None)
        await ben.says("share_microphone", shared=True)
        await ben.catch_up()
        assert [await heard(letter, long) for letter in "aba"] == [("Ben (1)", 1), ("Ben (2)", 2), ("Ben (1)", 1)]
        assert await heard("b", 3) == ("Ben", None)  # too short for a voice
        await ben.says("share_microphone", shared=False)
        await ben.catch_up()
        assert await heard("b", long) == ("Ben", None)
        kept = [name for name, _ in await talk.segments(meeting)]
        assert kept == ["Ben", "Ben (1)", "Ben (2)", "Ben (1)", "Ben", "Ben"]


async def test_nobody_shares_a_microphone_where_no_model_tells_voices_apart(talking: Callable[..., Any]) -> None:
    async with talking() as talk:
        ann, _ = await _two(talk, await talk.world.meeting())
        await ann.says("share_microphone", shared=True)
        assert (await ann.hears("error"))["code"] == "captions_unavailable"


async def test_only_hosts_and_cohosts_switch_and_only_to_what_there_is(talking: Callable[..., Any]) -> None:
    async with talking(english=["en"], many=["en", "zh"]) as talk:
        meeting = await talk.world.meeting()
        ann, ben = await _two(talk, meeting)
        await ben.says("set_captions", ref="b", on=True)
        assert (await ben.hears("error", ref="b"))["code"] == "forbidden"
        cohost = await talk.world.join(meeting, "Gus", "cohost", subject="gst_1")
        await cohost.says("set_captions", ref="c", on=True, language="fr")
        refusal = await cohost.hears("error", ref="c")
        assert (refusal["code"], refusal["field"]) == ("invalid_field", "language")
        await cohost.says("set_captions", on=True, language="zh")
        state = await ann.hears("captions")
        assert (state["language"], state["languages"], state["by_name"]) == ("zh", ["auto", "en", "zh"], "Gus")
        talk.speakers(ann)
        talk.say(ann, "你好", ".")
        assert (await ben.hears("caption", final=True))["language"] == "zh"
        await ann.says("set_captions", on=True, language="auto")
        assert (await ben.hears("captions", language="auto"))["by_name"] == "Gus"
        talk.say(ann, "hi", ".")
        assert (await ben.hears("caption", final=True))["language"] == "auto"


async def test_muted_is_muted_and_who_comes_later_is_heard(talking: Callable[..., Any]) -> None:
    async with talking() as talk:
        meeting = await talk.world.meeting()
        ann, ben = await _two(talk, meeting)
        await ben.says("mute", source="microphone", muted=True)
        await ann.says("set_captions", on=True)
        await ben.hears("captions", on=True)
        assert (len(talk.taps(ann)), talk.taps(ben)) == (1, [])
        await ben.says("mute", source="microphone", muted=False)
        await ben.catch_up()
        cy = await talk.world.join(meeting, "Cy")
        await cy.offers("microphone", "camera")
        talk.speakers(ben, cy)
        talk.say(ben, "half", "a")
        await ann.hears("caption", final=False)
        talk.say(ben, "sentence")
        await ben.says("mute", source="microphone", muted=True)
        final = await ann.hears("caption", final=True)  # what was said before is finished
        assert (final["name"], final["text"]) == ("Ben", "half a sentence")
        assert talk.tap(ben).closed
        talk.say(cy, "me", "too", ".")
        assert (await ann.hears("caption", final=True))["name"] == "Cy"
        talk.speakers()
        await cy.says("leave")
        await ann.hears("user-left")
        await talk.world.until(lambda: talk.inference.statistics()["sessions"] == 0)


async def test_who_is_not_heard_is_not_transcribed(talking: Callable[..., Any]) -> None:
    async with talking() as talk:
        meeting = await talk.world.meeting()
        ann, ben = await _two(talk, meeting)
        await ann.says("set_captions", on=True)
        await ben.hears("captions", on=True)
        talk.say(ann, "breath", ".")
        await trio.sleep(0.5)
        await ben.hears_nothing_of("caption")
        assert talk.inference.statistics()["submitted"] == 1  # to have the model ready


async def test_a_worker_that_dies_is_told_and_captions_go_on(talking: Callable[..., Any]) -> None:
    async with talking() as talk:
        meeting = await talk.world.meeting()
        ann, ben = await _two(talk, meeting)
        await ann.says("set_captions", on=True)
        await ben.hears("captions", on=True)
        talk.speakers(ben)
        talk.say(ben, "one", "two")
        partial = await ann.hears("caption")
        talk.say(ben, "crash")
        state = await ann.hears("captions", available=False)
        assert (state["on"], state["reason"]) == (True, "worker_down")
        await talk.world.until(lambda: talk.inference.health().state == "ready", within_s=30)
        final = await ann.hears("caption", final=True)  # as far as it was heard
        assert (final["caption_id"], final["text"]) == (partial["caption_id"], "one two")
        state = await ann.hears("captions", available=True)
        assert (state["on"], state["reason"]) == (True, None)
        begin = trio.current_time()
        talk.speakers(ben)
        talk.say(ben, "three", ".")
        assert (await ann.hears("caption", final=True))["text"].endswith("three")
        assert trio.current_time() - begin < 3
        assert (await talk.segments(meeting))[0] == ("Ben", "one two")


async def test_a_busy_machine_leaves_speech_out_and_says_so(talking: Callable[..., Any]) -> None:
    async with talking() as talk:
        meeting = await talk.world.meeting()
        ann, ben = await _two(talk, meeting)
        await ann.says("set_captions", on=True)
        await ben.hears("captions", on=True)
        talk.speakers(ben)
        talk.say(ben, "slow", *["word"] * 900, "end", ".")  # 18 s of sound at once
        state = await ann.hears("captions", reason="overloaded")
        assert (state["on"], state["available"]) == (True, True)
        final = await ann.hears("caption", final=True)
        assert final["text"].endswith("word end") and len(final["text"].split()) < 120


async def test_what_was_no_speech_is_taken_back_and_bad_packets_hurt_nobody(talking: Callable[..., Any]) -> None:
    async with talking() as talk:
        meeting = await talk.world.meeting()
        ann, ben = await _two(talk, meeting)
        await ann.says("set_captions", on=True)
        await ben.hears("captions", on=True)
        talk.speakers(ben)
        talk.say(ben, "cough")
        partial = await ann.hears("caption")
        talk.say(ben, "?")
        gone = await ann.hears("caption", final=True)
        assert (gone["caption_id"], gone["text"]) == (partial["caption_id"], "")
        talk.say(ben, "bad")
        await trio.sleep(0.3)
        talk.say(ben, "good", ".")
        assert (await ann.hears("caption", final=True))["text"] == "good"
        assert await talk.segments(meeting) == [("Ben", "good")]


async def test_the_end_of_the_meeting_keeps_what_people_saw(talking: Callable[..., Any]) -> None:
    async with talking() as talk:
        meeting = await talk.world.meeting()
        ann, ben = await _two(talk, meeting)
        await ann.says("set_captions", on=True)
        await ben.hears("captions", on=True)
        talk.speakers(ben)
        talk.say(ben, "and", "so")
        await ann.hears("caption")
        talk.speakers()
        await ann.says("end_meeting")
        assert await ann.hears_the_end() == 4006
        await talk.world.until(lambda: not talk.world.media.rooms)
        assert await talk.segments(meeting) == [("Ben", "and so")]


async def test_a_slow_socket_misses_partials_and_no_final(talking: Callable[..., Any]) -> None:
    async with talking() as talk:
        meeting = await talk.world.meeting()
        ann, ben = await _two(talk, meeting)
        slow = await talk.world.join(meeting, "Slow", buffer=1)
        await ann.says("set_captions", on=True)
        await ben.hears("captions", on=True)
        talk.speakers(ben)
        for number in range(100):  # what a busy room has to say, and nobody reads
            await ann.says("raise_hand", raised=number % 2 == 0)
            if number % 20 == 0:
                await ann.catch_up()
        talk.say(ben, "so")
        await ann.hears("caption")
        talk.say(ben, "it", ".")
        final = await ann.hears("caption", final=True)
        heard = await slow.hears("caption")
        assert (heard["final"], heard["caption_id"]) == (True, final["caption_id"])


async def test_without_a_transcript_nothing_is_kept(talking: Callable[..., Any]) -> None:
    async with talking(settings=CaptionsSettings(transcript=False)) as talk:
        meeting = await talk.world.meeting()
        ann, ben = await _two(talk, meeting)
        await ann.says("set_captions", on=True)
        assert (await ben.hears("captions"))["transcript"] is False
        talk.speakers(ben)
        for number in range(NEWEST_LINES + 5):
            talk.say(ben, f"n{number}", ".")
        await ann.hears("caption", final=True, text=f"n{NEWEST_LINES + 4}")
        late = await talk.world.join(meeting, "Late")
        assert [line["text"] for line in late.welcome["captions"]] == [f"n{n + 5}" for n in range(NEWEST_LINES)]
        assert await talk.segments(meeting) == []


async def test_without_a_model_the_host_is_told_why(tmp_path: Path) -> None:
    models = spelling_folder(tmp_path)
    for entry in models.installed():
        models.remove(entry)
    inference = Inference(models, enabled=True, local=[])
    transcriber = Transcriber(CaptionsSettings(), inference, clock_us=clock_us)
    async with open_world(tmp_path, transcribing=transcriber) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        state = ann.welcome["room"]["captions"]
        assert (state["available"], state["reason"], state["languages"]) == (False, "model_not_installed", [])
        await ann.says("set_captions", ref="a", on=True)
        refusal = await ann.hears("error", ref="a")
        assert (refusal["code"], refusal["message"]) == (
            "captions_unavailable", "there are no captions here: model_not_installed",
        )  # fmt: skip


async def test_without_ai_captions_are_off(tmp_path: Path) -> None:
    inference = Inference(spelling_folder(tmp_path), enabled=False, local=[])
    for transcribing in (None, Transcriber(CaptionsSettings(), inference, clock_us=clock_us)):
        async with open_world(tmp_path, transcribing=transcribing) as world:
            meeting = await world.meeting()
            ann = await world.join(meeting, "Ann", "host")
            assert ann.welcome["room"]["captions"]["reason"] == "ai_disabled"
            room = msgspec.json.decode(msgspec.json.encode(world.live.statistics()))["rooms"][meeting.id]
            assert room["captions"] == {"on": 0, "voices": 0, "finals": 0, "partials_left_out": 0}
