"""Which plugins are installed: entry points, by the metadata of their packages.

Owns what is known of a plugin without importing it; refuses to import one unless asked (`Found.load`), because an
import is the plugin's code already. A name that two packages claim is nobody's. `find` reads the disk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points

import msgspec

from appliance.hooks.contract import CONTRACT, HOOKS, Plugin
from appliance.settings import PLUGIN_NAME


class RefusedPluginError(Exception):
    """What was found is no plugin, or none for this version. The text is the reason, for administrators."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """An installed plugin."""

    name: str
    groups: tuple[str, ...]
    package: str
    """Name of the distribution that it came with."""
    version: str
    load: Callable[[], object]
    """Import it; raises whatever its modules raise."""
    unsupported: str | None = None
    """Why it cannot be used here, whatever it is when imported."""


def find() -> tuple[Found, ...]:
    """All that are installed, by name."""
    return merge(point for group in sorted(HOOKS) for point in entry_points(group=group))


def merge(points: Iterable[EntryPoint]) -> tuple[Found, ...]:
    """Entry points of one name and one object are one plugin with several groups."""
    by_name: dict[str, list[EntryPoint]] = {}
    for point in points:
        # A folder that is on the path twice shows its packages twice.
        same = by_name.setdefault(point.name, [])
        if (point.group, point.value) not in [(other.group, other.value) for other in same]:
            same.append(point)
    return tuple(_found(name, same) for name, same in sorted(by_name.items()))


def _found(name: str, points: list[EntryPoint]) -> Found:
    first = points[0]
    packages = sorted({point.dist.name for point in points if point.dist is not None})
    unsupported = None
    if len({point.value for point in points}) > 1:
        unsupported = f"two plugins have this name: {', '.join(point.value for point in points)}"
    elif not re.fullmatch(PLUGIN_NAME, name):
        unsupported = "a plugin's name has small letters, digits and hyphens only"
    return Found(
        name=name,
        groups=tuple(sorted({point.group for point in points})),
        package=", ".join(packages),
        version=first.dist.version if first.dist is not None else "",
        load=first.load,
        unsupported=unsupported,
    )


def checked(loaded: object) -> Plugin:  # type: ignore[type-arg]  # of any config
    """The plugin, if what an entry point names is one for this contract; RefusedPluginError says why not."""
    if not isinstance(loaded, Plugin):
        kind = type(loaded).__name__
        raise RefusedPluginError(f"the entry point names a {kind}, not an appliance.hooks.contract.Plugin")
    if loaded.contract != CONTRACT:
        raise RefusedPluginError(f"built for contract {loaded.contract!r:.20}, this version has contract {CONTRACT}")
    if not (isinstance(loaded.config, type) and issubclass(loaded.config, msgspec.Struct)):
        raise RefusedPluginError("config is no class of settings (appliance.hooks.contract.PluginConfig)")
    if not callable(loaded.open):
        raise RefusedPluginError("open is not callable")
    if not isinstance(loaded.summary, str):
        raise RefusedPluginError("summary is no text")
    return loaded
