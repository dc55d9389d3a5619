"""What a plugin's ``open`` yielded, looked at once before anything is asked of it. Pure.

Owns the rule that there is one hook for each group and that each is whole; refuses to call any. What is looked at may
raise or stand still by its own operators: this runs in the plugin's thread, and every exception is the plugin's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_type_hints

import msgspec

from appliance.events.catalogue import TOPICS, TYPES
from appliance.hooks.calls import CALLS, RubbishError, result, struct, tensors
from appliance.hooks.contract import HOOKS, EventListener, Hook, ModelProcessor, ProcessorInput, ProcessorSample
from appliance.hooks.discovery import RefusedPluginError


def types_of(events: frozenset[str]) -> frozenset[str]:
    """Types of events, with topics spelled out."""
    return frozenset(kind for kind, topic in TYPES.items() if kind in events or topic in events)


def hooks_of(yielded: object, groups: tuple[str, ...]) -> dict[type[Hook], Hook]:
    """One hook for each group, checked; RefusedPluginError says what is wrong with them."""
    several = yielded if isinstance(yielded, tuple) else (yielded,)
    found: dict[type[Hook], Hook] = {}
    for hook in several:
        if not isinstance(hook, Hook) or type(hook) in found:
            kind = type(hook).__name__
            raise RefusedPluginError(f"open yielded {kind}, not one hook for each of {', '.join(groups)}")
        found[type(hook)] = hook
    missing = [group for group in groups if HOOKS[group] not in found]
    if missing or len(found) != len(groups):
        raise RefusedPluginError(f"open yielded {', '.join(hook.__name__ for hook in found)} for {', '.join(groups)}")
    for call in CALLS:
        if call.hook in found and not callable(call.of(found[call.hook])):
            raise RefusedPluginError(f"{call.function} of {call.hook.__name__} is not callable")
    _check_listener(found)
    _check_processor(found)
    return found


def _check_listener(found: Mapping[type[Hook], Hook]) -> None:
    listener = found.get(EventListener)
    if not isinstance(listener, EventListener):
        return
    if not isinstance(listener.events, frozenset):
        raise RefusedPluginError("events is no frozenset")
    if not all(type(name) is str for name in listener.events):
        raise RefusedPluginError("events holds something else than texts")
    unknown = sorted(name for name in listener.events if name not in TYPES and name not in TOPICS)
    if unknown:
        raise RefusedPluginError(f"events: there is no {unknown[0]!r:.60}")


def _check_processor(found: Mapping[type[Hook], Hook]) -> None:
    processor = found.get(ModelProcessor)
    if not isinstance(processor, ModelProcessor):
        return
    declared = get_type_hints(ModelProcessor, include_extras=True)
    try:
        for field in ("task", "input", "output"):
            try:
                msgspec.convert(getattr(processor, field), declared[field])
            except msgspec.ValidationError as error:
                raise RefusedPluginError(f"{field}: {error}") from None
        sample = struct(ProcessorSample)(processor.sample)
        struct(ProcessorInput)(sample.input)
        tensors(sample.tensors)
        result(sample.result)
    except RubbishError as error:
        raise RefusedPluginError(f"sample: {str(error).removeprefix('returned ')}") from None
