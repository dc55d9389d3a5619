"""What a report holds; kept as JSON. Times are milliseconds since the Unix epoch (``…_at_ms``) or lengths (``…_ms``).

Owns the structs and their encoding. A field that is added later has a default, so that older reports are read.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Method = Literal["extractive", "generated"]


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base."""


class Quote(Record, frozen=True, kw_only=True):
    """What somebody said, and where it stands."""

    segment_id: str
    """Of the transcript."""
    participant_id: str
    name: str
    said_at_ms: int
    text: str
    """One sentence, or a whole phrase."""
    language: str = ""


class Point(Record, frozen=True, kw_only=True):
    """Of the summary, or a decision."""

    text: str = ""
    """Of a language model; empty where the quote says it itself."""
    sources: tuple[Quote, ...]
    """At least one."""


class Action(Point, frozen=True, kw_only=True):
    """Something that somebody is to do."""

    owner: str = ""
    """A name; empty where nobody is named."""
    due: str = ""
    """As it was said: "by Friday"."""


class Chapter(Record, frozen=True, kw_only=True):
    """A part of the meeting with words of its own."""

    begins_at_ms: int
    ends_at_ms: int
    heading: Quote
    """Its most central sentence."""


class Speaker(Record, frozen=True, kw_only=True):
    """How much somebody spoke."""

    participant_id: str
    """Of their first connection that spoke."""
    name: str
    talk_ms: int
    share: float
    """Of all that was spoken, 0 to 1."""
    turns: int
    longest_turn_ms: int


class Stay(Record, frozen=True, kw_only=True):
    """From when to when somebody was there; ``left_at_ms`` None: still is."""

    joined_at_ms: int
    left_at_ms: int | None


class Attendee(Record, frozen=True, kw_only=True):
    """Somebody who was there."""

    participant_id: str
    """Of their first connection."""
    name: str
    role: Literal["host", "cohost", "participant"]
    is_guest: bool
    stays: tuple[Stay, ...]


class Report(Record, frozen=True, kw_only=True):
    """All of it."""

    method: Method
    model: str = ""
    """That wrote it."""
    fallback_reason: str = ""
    """Why it is extractive although a language model is configured."""
    begins_at_ms: int
    """Of the first phrase."""
    ends_at_ms: int
    phrases: int
    """That it was made of."""
    is_complete: bool = True
    """False: there was more than was looked at."""
    summary: tuple[Point, ...] = ()
    decisions: tuple[Point, ...] = ()
    actions: tuple[Action, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    speakers: tuple[Speaker, ...] = ()
    attendees: tuple[Attendee, ...] = ()


def encode(report: Report) -> str:
    """As it is kept."""
    return msgspec.json.encode(report).decode()


def decode(content: str) -> Report:
    """One that was kept."""
    return msgspec.json.decode(content, type=Report)
