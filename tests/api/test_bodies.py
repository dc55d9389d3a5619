"""The request structs: strict, and no wider than what can be stored."""

from __future__ import annotations

import msgspec
import pytest

from appliance.api import bodies


def shapes() -> list[type[bodies.Body]]:
    return [
        value
        for value in vars(bodies).values()
        if isinstance(value, type) and issubclass(value, bodies.Body) and value is not bodies.Body
    ]


def test_every_struct_refuses_what_it_does_not_know() -> None:
    assert len(shapes()) >= 20
    for shape in shapes():
        assert shape.__struct_config__.forbid_unknown_fields, shape
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"surprise": 1}, shape)


def test_every_text_has_a_longest() -> None:
    for shape in shapes():
        for field, schema in msgspec.json.schema(shape)["$defs"][shape.__name__].get("properties", {}).items():
            for option in schema.get("anyOf", [schema]):
                if option.get("type") == "string" and "enum" not in option and "format" not in option:
                    assert option.get("maxLength", 10**9) <= 8_000, (shape.__name__, field)
                if option.get("type") == "array":
                    assert option["maxItems"] <= 100, (shape.__name__, field)
