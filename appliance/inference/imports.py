"""Code that the catalog names, found: ``package.module:attribute``, or the name of an entry point.

Owns the errors; refuses to know what is done with it. A catalog is the administrator's own file, so what it names is
trusted as much as the settings are.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from appliance.inference.installed import ModelError


def resolve(name: str, *, group: str) -> Any:
    """The object. ModelError ``model_broken`` says why there is none; what its module raises travels on."""
    module_name, colon, attribute = name.partition(":")
    if not colon:
        found = list(entry_points(group=group, name=name))
        if len(found) != 1:
            there = ", ".join(sorted({point.name for point in entry_points(group=group)})) or "none"
            how_many = "no" if not found else f"{len(found)}"
            raise ModelError("model_broken", f"{how_many} entry points {name!r} in {group}; there are: {there}")
        return found[0].load()
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        raise ModelError("model_broken", f"{name}: {error.msg}") from error
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise ModelError("model_broken", f"{name}: {module_name} has no {attribute}") from None
