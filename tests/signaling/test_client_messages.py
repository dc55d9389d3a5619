"""Bounds of what a client may send, at their edges."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from appliance.signaling.client_messages import ALIASES, AnyClientMessage

LARGEST = 9_007_199_254_740_991


def accepts(**message: Any) -> bool:
    try:
        msgspec.convert(message, AnyClientMessage)
    except msgspec.ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("message", "field", "inside", "outside"),
    [
        ({"type": "chat"}, "text", ["x", "x" * 4000], ["", "x" * 4001]),
        ({"type": "history", "after_seq": 0}, "limit", [1, 200], [0, 201]),
        ({"type": "history"}, "after_seq", [0, LARGEST], [-1, LARGEST + 1, 1.5]),
        ({"type": "offer", "sdp": "v=0"}, "negotiation", [1, LARGEST], [0, LARGEST + 1]),
        ({"type": "offer", "negotiation": 1}, "sdp", ["v", "v" * 262_144], ["", "v" * 262_145]),
        ({"type": "resume", "session_id": "s", "resume_token": "t"}, "last_seq", [0, LARGEST], [-1, LARGEST + 1]),
        ({"type": "ping"}, "ref", [None, "", "x" * 64], ["x" * 65, 5]),
        ({"type": "set_captions", "on": True}, "language", [None, "en", "zh-Hant-TW"], ["", "e", "en_US", "en\n"]),
        ({"type": "reaction"}, "reaction", ["clap", "heart"], ["bomb", "", None]),
        ({"type": "subscribe"}, "videos", [[], [{"participant_id": "p"}] * 100], [[{"participant_id": "p"}] * 101]),
    ],
)
def test_bounds(message: dict[str, Any], field: str, inside: list[Any], outside: list[Any]) -> None:
    assert [accepts(**message, **{field: value}) for value in inside] == [True] * len(inside)
    assert [accepts(**message, **{field: value}) for value in outside] == [False] * len(outside)


def test_every_client_message_refuses_unknown_fields_and_takes_a_ref() -> None:
    for shape in get_args(AnyClientMessage):
        assert shape.__struct_config__.forbid_unknown_fields
        assert "ref" in shape.__struct_fields__


def test_an_alias_names_a_type() -> None:
    assert set(ALIASES.values()) <= {s.__struct_config__.tag for s in get_args(AnyClientMessage)}
