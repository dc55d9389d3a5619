"""PROTOCOL.md against the code: every example decodes, every type, field, close code and error code is there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from appliance.signaling import messages
from appliance.signaling.connection import UNNUMBERED, CloseCode
from appliance.signaling.frames import decode_untrusted

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "appliance" / "signaling" / "PROTOCOL.md").read_text()
_CLIENT, _SERVER = TEXT.split("## Client → server")[1].split("## Server → client")


def _examples(part: str) -> dict[str, dict[str, Any]]:
    """By type: the example under each heading."""
    found = {}
    for name, body in re.findall(r"^### (\S+)\n(.*?)(?=^### |\Z)", part, re.MULTILINE | re.DOTALL):
        (example,) = re.findall(r"```json\n(.*?)```", body, re.DOTALL)
        found[name] = json.loads(example)
        assert found[name]["type"] == name
    return found


CLIENT, SERVER = _examples(_CLIENT), _examples(_SERVER)
CLIENT_SHAPES = {str(s.__struct_config__.tag): s for s in get_args(messages.AnyClientMessage)}
SERVER_SHAPES = {str(s.__struct_config__.tag): s for s in get_args(messages.AnyServerMessage)}


def test_every_type_has_its_section() -> None:
    assert list(CLIENT) == list(CLIENT_SHAPES)
    assert list(SERVER) == list(SERVER_SHAPES)


@pytest.mark.parametrize("name", CLIENT)
def test_a_client_example_decodes_and_shows_every_field(name: str) -> None:
    example = CLIENT[name]
    message = decode_untrusted(json.dumps(example), max_bytes=100_000)
    assert type(message) is CLIENT_SHAPES[name]
    _assert_whole(example, msgspec.to_builtins(message))


@pytest.mark.parametrize("name", SERVER)
def test_a_server_example_decodes_and_shows_every_field(name: str) -> None:
    example = dict(SERVER[name])
    numbered = SERVER_SHAPES[name] not in UNNUMBERED
    assert (next(iter(example)) == "seq") is numbered
    example.pop("seq", None)
    message = msgspec.convert(example, SERVER_SHAPES[name])
    _assert_whole(example, msgspec.to_builtins(message))


def _assert_whole(example: Any, encoded: Any) -> None:
    """The example has exactly the fields that the encoded message has, at every depth."""
    if isinstance(encoded, dict):
        assert set(example) == set(encoded)
        for name, value in encoded.items():
            _assert_whole(example[name], value)
    elif isinstance(encoded, list):
        assert encoded, "an example's list holds something"
        for one, other in zip(example, encoded, strict=True):
            _assert_whole(one, other)


def test_aliases_are_told() -> None:
    for alias, name in messages.ALIASES.items():
        assert re.search(rf"### {name}\n.*Alias `{alias}`", TEXT, re.DOTALL)


def test_every_close_code_is_told_and_no_other() -> None:
    table = TEXT.split("## Close codes")[1].split("## ")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == {int(c) for c in CloseCode}


def test_every_error_code_of_the_code_is_told() -> None:
    table = TEXT.split("## Errors")[1].split("## ")[0]
    told = {c for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for c in re.findall(r"`(\w+)`", row)}
    used = {"token_invalid", "token_expired", "not_found"}  # auth.tokens
    for folder in ("meeting", "signaling", "live", "sfu"):
        for path in (ROOT / "appliance" / folder).glob("*.py"):
            used |= set(re.findall(r"UserError\(\s*\d{3},\s*\"(\w+)\"", path.read_text()))
            used |= set(re.findall(r"BadFrameError\(\s*\"(\w+)\"", path.read_text()))
    used |= {"missing_field", "unknown_field", "revoked"}  # given by name
    used.discard("precondition_failed")  # streams have no socket: told over HTTP
    used.discard("session_closed")  # the media session of a participant who has left: nobody is there to be told
    assert told == used


def test_the_named_settings_exist() -> None:
    from appliance.settings import SignalingSettings

    for name in re.findall(r"`signaling\.(\w+)`", TEXT):
        assert name in SignalingSettings.__struct_fields__
