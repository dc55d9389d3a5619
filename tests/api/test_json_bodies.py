"""Bodies into structs: what is refused, and the field it names."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from appliance.api.bodies import CreateMeetingBody, InviteBody, LoginBody, MeetingsQuery, UpdateMeetingBody
from appliance.api.json_bodies import decode_untrusted, to_struct
from appliance.errors import UserError


def refusal(body: bytes, shape: type[Any] = LoginBody) -> tuple[str, str | None]:
    with pytest.raises(UserError) as caught:
        decode_untrusted(body, shape)
    assert caught.value.status == 400
    return caught.value.code, caught.value.field


def test_a_good_body() -> None:
    read = decode_untrusted('{"login": "安😀", "password": "\\ud83d\\ude00"}'.encode(), LoginBody)
    assert (read.login, read.password, read.session) == ("安😀", "😀", "bearer")


@pytest.mark.parametrize(
    ("body", "shape", "field"),
    [
        (b'{"password": "x"}', LoginBody, "login"),
        (b'{"login": 1, "password": "x"}', LoginBody, "login"),
        (b'{"login": "a", "password": "x", "role": "admin"}', LoginBody, "role"),
        (b'{"login": "a", "password": "x", "session": "both"}', LoginBody, "session"),
        (b'{"login": "' + b"a" * 256 + b'", "password": "x"}', LoginBody, "login"),
        (b'{"emails": ["a", 2]}', InviteBody, "emails[1]"),
        (b'{"start_time": "2030-01-01"}', CreateMeetingBody, "start_time"),
        (b'{"start_time": 1900000000}', CreateMeetingBody, "start_time"),
        (b'{"max_participants": 2.5}', CreateMeetingBody, "max_participants"),
        (b'{"max_participants": true}', CreateMeetingBody, "max_participants"),
        (b'{"title": null}', UpdateMeetingBody, "title"),
        (b"[]", LoginBody, None),
        (b"7", LoginBody, None),
    ],
)
def test_the_field_is_named(body: bytes, shape: type[Any], field: str | None) -> None:
    assert refusal(body, shape) == ("invalid_field", field)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'login': 1}",
        b"\xff\xfe{}",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": "\\udc00"}',
        b'{"\\ud800": 1}',
        b'{"a": ["\\u0000"]}',
        b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}",
        b"[" * 100_000,
        b"1" * 5_000,
        b'{"a":1}{"a":1}',
    ],
)
def test_what_is_not_json_of_ours(body: bytes) -> None:
    assert refusal(body)[0] == "invalid_json"


def test_a_key_that_comes_twice_is_named() -> None:
    assert refusal(b'{"login": "a", "login": "b"}') == ("invalid_json", "login")
    assert refusal(b'{"x": {"y": 1, "y": 1}}') == ("invalid_json", "y")
    assert refusal(b'{"\\ud800": 1, "\\ud800": 2}')[0] == "invalid_json"


def test_a_query_string_becomes_numbers_and_flags() -> None:
    read = to_struct({"mine": "true", "limit": "7"}, MeetingsQuery, strict=False)
    assert (read.mine, read.limit, read.cursor) == (True, 7, None)
    with pytest.raises(UserError) as caught:
        to_struct({"limit": "0"}, MeetingsQuery, strict=False)
    assert caught.value.field == "limit"


def test_absent_and_null_differ() -> None:
    read = decode_untrusted(b'{"passcode": null}', UpdateMeetingBody)
    assert read.passcode is None and read.start_time is msgspec.UNSET
