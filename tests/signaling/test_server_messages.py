"""What the server sends says everything, also what is null: a client never has to guess a default."""

from __future__ import annotations

from typing import get_args

import msgspec

from appliance.signaling.server_messages import AnyServerMessage, Error, Moderation


def test_defaults_are_written_out() -> None:
    assert msgspec.to_builtins(Error(code="c", message="m")) == {
        "type": "error", "code": "c", "message": "m", "field": None, "ref": None, "retry_after_s": None, "fatal": False,
    }  # fmt: skip
    assert msgspec.to_builtins(Moderation(action="muted", by_participant_id=None))["role"] is None


def test_no_message_has_a_field_that_the_numbering_takes() -> None:
    for shape in get_args(AnyServerMessage):
        assert "seq" not in shape.__struct_fields__
