"""Untrusted frames: what is refused, with which code and field; nothing else escapes, whatever comes in."""

from __future__ import annotations

import json
import random
import time

import pytest

from appliance.signaling.frames import CLIENT_TYPES, BadFrameError, decode_untrusted, encode
from appliance.signaling.messages import Candidate, Chat, Offer, Pong

MOST = 400_000


def refused(frame: str, most: int = MOST) -> BadFrameError:
    with pytest.raises(BadFrameError) as error:
        decode_untrusted(frame, max_bytes=most)
    return error.value


def test_messages_decode_in_any_order_of_fields() -> None:
    assert decode_untrusted('{"text":"hi","ref":"1","type":"chat"}', max_bytes=MOST) == Chat(text="hi", ref="1")
    assert decode_untrusted('{"type":"ice_candidate","candidate":"c"}', max_bytes=MOST) == Candidate(candidate="c")
    offer = decode_untrusted('{"type":"offer","sdp":"v=0","negotiation":1}', max_bytes=MOST)
    assert offer == Offer(sdp="v=0", negotiation=1)


@pytest.mark.parametrize(
    ("frame", "code", "field"),
    [
        ("", "bad_json", None),
        ("nonsense", "bad_json", None),
        ("null", "bad_json", None),
        ("[1]", "bad_json", None),
        ('{"type":"ping"} trailing', "bad_json", None),
        ('{"type":"chat","text":NaN}', "bad_json", None),
        ('{"type":"ping","time_ms":Infinity}', "bad_json", None),
        ('{"type":"chat","text":"\\ud800"}', "bad_json", None),
        ('{"type":"chat","text":"\\ud800 and on"}', "bad_json", None),
        ('{"type":"chat","text":"\ud800"}', "bad_json", None),
        ("[" * 100_000, "bad_json", None),
        ('{"type":"chat","text":' + "[" * 100_000, "bad_json", None),
        ('{"type":"chat","x":' + '{"a":' * 900 + "1" + "}" * 901, "unknown_field", "x"),
        ("{}", "missing_field", "type"),
        ('{"type":5}', "invalid_field", "type"),
        ('{"type":"sing"}', "unknown_type", "type"),
        ('{"type":"joined"}', "unknown_type", "type"),
        ('{"type":"chat"}', "missing_field", "text"),
        ('{"type":"chat","text":"a","text":"b"}', "duplicate_field", "text"),
        ('{"type":"join","type":"chat","text":"b"}', "duplicate_field", "type"),
        ('{"type":"chat","text":"a","colour":"b"}', "unknown_field", "colour"),
        ('{"type":"chat","text":""}', "invalid_field", "text"),
        ('{"type":"mute","source":"nose","muted":true}', "invalid_field", "source"),
        ('{"type":"mute","source":"camera","muted":"yes"}', "invalid_field", "muted"),
        ('{"type":"ping","time_ms":9007199254740992}', "invalid_field", "time_ms"),
        ('{"type":"ping","time_ms":1e999}', "bad_json", None),
        ('{"type":"join","room":"a","token":"b","capabilities":{"x":1}}', "unknown_field", "capabilities.x"),
        (
            '{"type":"offer","sdp":"a","negotiation":1,"publish":[{"mid":"0","source":"camera"},{"mid":""}]}',
            "invalid_field",
            "publish[1].mid",
        ),
        ('{"type":"offer","sdp":"a","negotiation":1,"receive":[{"seat":0}]}', "missing_field", "receive[0].audio_mid"),
        ('{"type":"ice_candidate","candidate":5}', "invalid_field", "candidate"),
    ],
)
def test_a_bad_frame_is_named(frame: str, code: str, field: str | None) -> None:
    error = refused(frame)
    assert (error.code, error.field, error.status) == (code, field, 400)
    assert len(str(error)) < 300


def test_the_ref_is_repeated_where_it_can_be_read() -> None:
    assert refused('{"ref":"r7","type":"sing"}').ref == "r7"
    assert refused('{"ref":"r7","type":"chat","text":7}').ref == "r7"
    assert refused('{"ref":7,"type":"chat","text":"a"}').ref is None
    assert refused(json.dumps({"ref": "x" * 65, "type": "sing"})).ref is None


def test_size_is_counted_in_bytes_before_anything_is_read() -> None:
    frame = json.dumps({"type": "chat", "text": "é" * 100}, ensure_ascii=False)
    size = len(frame.encode())
    assert isinstance(decode_untrusted(frame, max_bytes=size), Chat)
    assert refused(frame, size - 1).code == "frame_too_large"
    huge = "x" * 20_000_000
    started = time.perf_counter()
    assert refused(huge, 1000).code == "frame_too_large"
    assert time.perf_counter() - started < 0.2


def test_a_foreign_value_is_not_repeated_at_length() -> None:
    assert len(str(refused(json.dumps({"type": "s" * 10_000})))) < 100
    assert len(str(refused(json.dumps({"type": "ping", "f" * 10_000: 1})))) < 100


@pytest.mark.parametrize("seed", range(8))
def test_whatever_comes_in_is_a_message_or_one_error(seed: int) -> None:
    rng = random.Random(seed)
    good = [
        '{"type":"offer","sdp":"v=0","negotiation":1,"publish":[{"mid":"0","source":"camera"}],"receive":[]}',
        '{"type":"subscribe","videos":[{"participant_id":"p","width":1,"height":2,"pinned":true}]}',
        '{"type":"chat","text":"h\\u00e9llo","ref":"1"}',
        '{"type":"ice_candidate","candidate":"c","mid":null}',
    ]
    outcomes = {"message": 0, "error": 0}
    for _ in range(600):
        text = list(rng.choice(good))
        for _ in range(rng.randint(0, 4)):
            place = rng.randrange(len(text))
            match rng.randrange(4):
                case 0:
                    del text[place]
                case 1:
                    text[place] = rng.choice('{}[]",:\\0x\u0000é😀\ud800')
                case 2:
                    text.insert(place, rng.choice('{}[]",:-1eE.'))
                case _:
                    other = rng.randrange(len(text))
                    text[place], text[other] = text[other], text[place]
            text = text or ["x"]
        try:
            decode_untrusted("".join(text), max_bytes=MOST)
            outcomes["message"] += 1
        except BadFrameError as error:
            assert error.code in {
                "bad_json", "missing_field", "unknown_field", "unknown_type", "invalid_field", "duplicate_field",
            }  # fmt: skip
            outcomes["error"] += 1
    assert min(outcomes.values()) > 50


def test_types_and_encoding() -> None:
    assert {"join", "resume", "offer", "chat", "ping"} <= CLIENT_TYPES
    assert encode(Pong(time_ms=1, server_time_ms=2)) == '{"type":"pong","time_ms":1,"server_time_ms":2}'
