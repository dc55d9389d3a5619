"""The face of the wire contract: complete, and with schemas that say the bounds."""

from __future__ import annotations

import inspect
from typing import get_args

from appliance.signaling import client_messages, messages, server_messages, shapes


def test_every_message_is_exported_and_in_its_union() -> None:
    for module, union, base in [
        (client_messages, messages.AnyClientMessage, client_messages.ClientMessage),
        (server_messages, messages.AnyServerMessage, server_messages.ServerMessage),
    ]:
        shaped = {
            shape
            for _, shape in inspect.getmembers(module, inspect.isclass)
            if issubclass(shape, base) and shape is not base
        }
        assert set(get_args(union)) == shaped
        assert {shape.__name__ for shape in shaped} <= set(messages.__all__)
    assert all(hasattr(messages, name) for name in messages.__all__)


def test_schemas_carry_types_and_bounds() -> None:
    client = messages.client_schema()
    assert len(client["anyOf"]) == len(get_args(messages.AnyClientMessage))
    chat = client["$defs"]["Chat"]
    assert chat["properties"]["text"] == {"type": "string", "minLength": 1, "maxLength": 4000}
    assert chat["additionalProperties"] is False
    assert messages.server_schema()["$defs"]["Joined"]["properties"]["type"] == {"enum": ["joined"]}


def test_shapes_hold_no_message() -> None:
    assert not [
        name
        for name, shape in inspect.getmembers(shapes, inspect.isclass)
        if hasattr(shape, "__struct_config__") and shape.__struct_config__.tag is not None
    ]
