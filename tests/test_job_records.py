"""The words between the queue's halves cannot be changed by either."""

from __future__ import annotations

import inspect

import msgspec

from appliance import job_records


def test_every_struct_is_frozen_and_named() -> None:
    structs = [
        value
        for _, value in inspect.getmembers(job_records, inspect.isclass)
        if issubclass(value, msgspec.Struct) and value is not msgspec.Struct
    ]
    assert len(structs) >= 9
    for struct in structs:
        assert struct.__struct_config__.frozen, struct
        assert struct.__doc__, struct
