"""Pages hear of recordings that begin, end, are ready or fail, on whichever node that happened."""

from __future__ import annotations

from collections.abc import Callable

from appliance.bus.live import LiveBus
from appliance.events.catalogue import MediaEvent

_TYPES = frozenset({"recording.started", "recording.stopped", "recording.processed", "recording.failed"})


async def follow_recordings(live: LiveBus, changed: Callable[[str], None]) -> None:
    """For ever: call ``changed`` with the recording's id.

    How far processing is changes each second and is no event; `recordings.processing` tells that on its own node.
    """
    with live.listen(_TYPES) as listener:
        async for envelope in listener:
            if isinstance(envelope.event, MediaEvent):
                changed(envelope.event.recording_id)
