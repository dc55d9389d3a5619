"""Rate, numbers and replay, with time as an argument."""

from __future__ import annotations

import json
import random
import sys
from typing import get_args

import pytest

from appliance.errors import UserError
from appliance.signaling.connection import (
    REPLAY_MAX_CHARS,
    UNNUMBERED,
    FrameRate,
    SendLog,
    check_resume_token,
)
from appliance.signaling.frames import encode
from appliance.signaling.messages import (
    Answer,
    AnyServerMessage,
    Caption,
    Heartbeat,
    Joined,
    RoomChanged,
)
from appliance.signaling.shapes import CaptionsState, MediaNeed, RoomState, VisionState, VisionSwitch


def test_a_burst_passes_and_then_the_rate() -> None:
    rate = FrameRate(per_s=10, burst=3, now=100.0)
    assert [rate.take(100.0) for _ in range(3)] == [0, 0, 0]
    wait = rate.take(100.0)
    assert wait == pytest.approx(0.1)
    assert rate.take(100.0 + wait / 2) == pytest.approx(wait / 2)
    assert rate.take(100.0 + wait) == 0
    assert rate.take(90.0) > 0  # a clock that went back gives nothing away


@pytest.mark.parametrize("seed", range(10))
def test_no_pattern_of_frames_gets_more_than_burst_and_rate(seed: int) -> None:
    rng = random.Random(seed)
    rate = FrameRate(per_s=30, burst=120, now=0.0)
    now, passed = 0.0, 0
    for _ in range(5000):
        now += rng.choice([0, 0, 0.001, 0.01, 0.5])
        wait = rate.take(now)
        passed += wait == 0
        assert passed <= 120 + 30 * now + 1
        if wait and rng.random() < 0.5:  # who waits as told gets in
            now += wait
            assert rate.take(now) == 0
            passed += 1


def say(log: SendLog, title: str) -> str:
    message = RoomChanged(title=title, locked=False)
    return log.frame(message, encode(message))


def test_numbers_count_up_and_stand_in_front() -> None:
    log = SendLog(frames=16)
    assert say(log, "a") == '{"seq":1,"type":"room-changed","title":"a","locked":false}'
    beat = Heartbeat(server_time_ms=5)
    assert log.frame(beat, encode(beat)) == '{"type":"heartbeat","server_time_ms":5}'
    assert json.loads(say(log, "b"))["seq"] == 2
    assert log.last_seq == 2


def test_a_replay_repeats_frames_as_they_were() -> None:
    log = SendLog(frames=3)
    frames = [say(log, str(n)) for n in range(5)]
    assert log.replay(5) == []
    assert log.replay(3) == frames[3:]
    assert log.replay(2) == frames[2:]
    with pytest.raises(UserError) as error:
        log.replay(1)
    assert error.value.code == "resume_gap"
    with pytest.raises(UserError) as error:
        log.replay(6)
    assert (error.value.code, error.value.field) == ("bad_seq", "last_seq")
    assert SendLog(frames=3).replay(0) == []


def test_what_a_room_tells_all_is_kept_once() -> None:
    message = RoomChanged(title="x" * 1000, locked=False)
    body = encode(message)
    logs = [SendLog(frames=16) for _ in range(50)]
    before = sys.getrefcount(body)
    for log in logs:
        log.frame(message, body)
    assert sys.getrefcount(body) == before + 50  # the string itself, not one with a number of its own
    assert {log.replay(0)[0] for log in logs} == {f'{{"seq":1,{body[1:]}'}


def test_the_welcome_is_not_kept() -> None:
    """Who resumes knows session_id and resume_token, which are in it; with many people it is long."""
    off = VisionSwitch(on=False, available=False, reason="ai_disabled", since_ms=None, by_name=None)
    room = RoomState(
        meeting_id="mtg_1", code="abc", title="x", started_at_ms=1, locked=False, max_participants=2, participants=[],
        captions=CaptionsState(
            on=False, available=False, reason="ai_disabled", language="auto", languages=[], transcript=False,
            report_at=None, voices=False, since_ms=None, by_name=None,
        ),
    )  # fmt: skip
    welcome = Joined(
        session_id="ses_1",
        resume_token="t",
        resume_within_s=30.0,
        heartbeat_s=5.0,
        participant_id="prt_1",
        room=room,
        need_media=MediaNeed(seats=1, audio_seats=0),
        ice_servers=[],
        chat=[],
        captions=[],
        vision=VisionState(emotion=off, deepfake=off, consented=[], declined=[]),
    )
    log = SendLog(frames=16)
    log.frame(welcome, encode(welcome))
    after = [say(log, "a"), say(log, "b")]
    assert log.replay(1) == after
    with pytest.raises(UserError) as error:
        log.replay(0)
    assert error.value.code == "resume_gap"


def test_large_frames_do_not_pile_up() -> None:
    log = SendLog(frames=512)
    for number in range(100):
        answer = Answer(sdp="v" * 100_000, negotiation=number)
        log.frame(answer, encode(answer))
    kept = 0
    while True:
        try:
            kept = len(log.replay(99 - kept))
            log.replay(99 - kept)
        except UserError:
            break
    assert kept * 100_000 <= REPLAY_MAX_CHARS + 100_000
    assert kept >= 10


def test_of_captions_only_finals_are_numbered_and_replayed() -> None:
    log = SendLog(frames=16)
    partial, final = (
        Caption(
            caption_id="cap_1", participant_id="prt_1", name="Ann", text="so", final=final, start_ms=1, end_ms=2,
            language="en",
        )
        for final in (False, True)
    )  # fmt: skip
    assert log.frame(partial, encode(partial)) == encode(partial)
    numbered = log.frame(final, encode(final))
    assert json.loads(numbered)["seq"] == 1
    assert log.replay(0) == [numbered]


def test_fleeting_types_are_types_of_the_wire() -> None:
    assert set(get_args(AnyServerMessage)) > UNNUMBERED


def test_a_resume_token_must_be_the_one() -> None:
    check_resume_token("abc", "abc")
    for wrong in ("abd", "", "abcd", "é"):
        with pytest.raises(UserError) as error:
            check_resume_token("abc", wrong)
        assert error.value.code == "resume_refused"
