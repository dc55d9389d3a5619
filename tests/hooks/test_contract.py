"""The contract is frozen, whole and for real plugins: every hook has one in plugins/."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.hooks import contract
from appliance.hooks.contract import (
    CONTRACT,
    HOOKS,
    CalendarEntry,
    Context,
    Credentials,
    Identity,
    Notification,
    Plugin,
    ProcessorInput,
    Recipient,
    Tensor,
)
from tests.support.plugins import message, opening, plugin

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"


def _entry_points() -> dict[str, list[str]]:
    """Group → names in all packages of plugins/."""
    found: dict[str, list[str]] = {}
    for project in PLUGINS.glob("*/pyproject.toml"):
        for group, names in tomllib.loads(project.read_text())["project"]["entry-points"].items():
            found.setdefault(group, []).extend(names)
    return found


def test_every_hook_has_a_plugin_that_uses_it() -> None:
    assert set(_entry_points()) == set(HOOKS)


def test_what_crosses_the_border_is_frozen() -> None:
    structs: list[tuple[Any, str]] = [
        (message(), "title"),
        (Recipient(name="x"), "name"),
        (
            CalendarEntry(
                uid="u", method="REQUEST", sequence=0, title="t", start_at_ms=0, end_at_ms=1, organizer_name="o"
            ),
            "title",
        ),
        (Context(name="x", parley_version="1", public_url="", call_deadline_s=1), "name"),
        (plugin(opening()), "contract"),
        (Credentials(login="ann", password="x", address="::1"), "password"),
        (Identity(subject="1", username="ann", email="ann@example.org", display_name="Ann"), "subject"),
        (Tensor("float32", (1,), bytes(4)), "data"),
        (ProcessorInput(data=b""), "data"),
    ]
    for value, field in structs:
        with pytest.raises((AttributeError, dataclasses.FrozenInstanceError)):
            setattr(value, field, "other")


def test_every_type_says_what_it_is() -> None:
    for name, value in vars(contract).items():
        if isinstance(value, type) and value.__module__ == contract.__name__:
            assert value.__doc__ and not value.__doc__.startswith(f"{name}("), name


def test_what_somebody_typed_is_not_printed() -> None:
    typed = Credentials(login="hunter1", password="hunter2", address="192.0.2.1")
    assert "hunter" not in f"{typed} {typed!r} {[typed]}"


def test_notifications_survive_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(message()), type=Notification) == message()


def test_the_guide_names_this_contract() -> None:
    text = (PLUGINS / "README.md").read_text()
    assert f"contract={CONTRACT}," in text.replace(" ", "")
    for group in HOOKS:
        assert f"`{group}`" in text, group
    assert re.search(rf"contract version {CONTRACT}\b", contract.__doc__ or "", re.IGNORECASE)
    assert Plugin.__name__ in text
