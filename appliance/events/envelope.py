"""An event on its way: its id, when it happened, and its text form.

Owns the JSON that the outbox stores, Redis carries and webhooks send; refuses to draw ids or read a clock. Version 1:

    {"v": 1, "id": "evt_…", "topic": "meeting_events", "at_ms": 1790000000000, "event": {"type": "meeting.started", …}}
"""

from __future__ import annotations

from typing import Literal

import msgspec

from appliance.events.catalogue import AnyEvent, Topic


class UnknownEventError(ValueError):
    """Not an envelope of this version, or an event that this program does not know."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One event with what is needed to tell it once and in order."""

    id: str
    """The same each time that it is told: what a subscriber that may be told twice remembers."""
    topic: Topic
    at_ms: int
    event: AnyEvent
    v: Literal[1] = 1

    @property
    def order(self) -> str:
        """See `Event.order`."""
        return self.event.order


def envelop(event: AnyEvent, *, event_id: str, at_ms: int) -> Envelope:
    """Put an event on its way."""
    return Envelope(id=event_id, topic=event.topic, at_ms=at_ms, event=event)


_decoder = msgspec.json.Decoder(Envelope)


def encode(envelope: Envelope) -> bytes:
    """JSON in UTF-8."""
    return msgspec.json.encode(envelope)


def decode(raw: bytes | str) -> Envelope:
    """UnknownEventError when it is not one, or its topic is not its event's."""
    try:
        envelope = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnknownEventError(str(error)) from error
    if envelope.topic != envelope.event.topic:
        event = envelope.event
        raise UnknownEventError(f"topic: {event.event_type} belongs to {event.topic}, not {envelope.topic}")
    return envelope
