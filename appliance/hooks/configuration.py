"""A plugin's settings: its table read by its own schema, and the schema shown to people; pure.

Owns which table is whose; refuses to know TOML and the environment (`settings_file` has read them).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from appliance.hooks.contract import Plugin
from appliance.settings import PluginsSettings, PluginTable
from appliance.settings_file import read_plugin_table


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key that a plugin takes."""

    name: str
    kind: str
    """As ``int >= 1`` in words of Python."""
    default: str | None
    """As TOML would have it; None: the key must be set."""


def configure(name: str, plugin: Plugin[Any], settings: PluginsSettings) -> msgspec.Struct:
    """The plugin's settings; ConfigError names plugin and key, never a value."""
    table = next((table for table in settings.tables if table.name == name), PluginTable(name, ()))
    found: msgspec.Struct = read_plugin_table(table, plugin.config)
    return found


def unread_tables(settings: PluginsSettings) -> list[str]:
    """Tables that nobody reads, since no enabled plugin has the name: a mistyped one, or a plugin that rests."""
    return [table.name for table in settings.tables if table.name not in settings.enabled]


def keys(plugin: Plugin[Any]) -> list[Key]:
    """What may stand in the plugin's table."""
    return [
        Key(name=field.name, kind=_kind(field.type), default=None if field.required else _shown(field))
        for field in msgspec.structs.fields(plugin.config)
    ]


def _shown(field: Any) -> str:
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    if value is None:
        return "none"
    return msgspec.json.encode(value).decode()  # for texts, numbers and lists JSON and TOML look alike


def _kind(wanted: Any) -> str:
    """A type as people read it: ``typing.`` and the bounds' wrapping say nothing to an administrator."""
    text = wanted.__name__ if isinstance(wanted, type) and not hasattr(wanted, "__args__") else str(wanted)
    text = re.sub(r"\b(typing|msgspec|collections\.abc)\.", "", text)
    text = re.sub(r"Annotated\[(.*?), Meta\((.*?)\)\]", r"\1 (\2)", text)
    return text.replace(" | None", ", or unset").replace("NoneType", "unset")
