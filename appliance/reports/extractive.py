"""The report without a language model: sentences that somebody said, chosen by place and by rule.

Owns how many are chosen, and what of a meeting is quotable. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from appliance.reports import chapters, ranking, rules, talk
from appliance.reports.records import Action, Chapter, Point, Quote, Report
from appliance.reports.sentences import length, sentences, terms
from appliance.store.participants import ParticipantRecord
from appliance.store.transcripts import Segment

# A summary that fits on a screen: one sentence in twelve, and no fewer and no more than these.
_SENTENCES_EACH = 12
_FEWEST, _MOST = 3, 8
# Shorter sentences, in words, say little when they stand alone; longer ones were not cut into sentences by who
# transcribed them.
_SHORTEST, _LONGEST = 5, 60
# More would be no list of what matters; the first ones of a meeting count as much as the last.
_MOST_ITEMS = 50
_QUESTION = re.compile(r"[?？][\"”’」』)]*$|吗。?$")
# Said at every meeting and about none, where there is no more to the sentence than so many words.
_COURTESY = re.compile(
    r"\b(?:thanks|thank you|see you|good (?:morning|afternoon|evening)|hello|welcome|bye|goodbye|"
    r"have a (?:nice|good))\b|谢谢|再见|(?:大家|早上|上午|下午|晚上|各位)好|辛苦了",
    re.IGNORECASE,
)
_COURTESY_LONGEST = 9


def extractive(
    segments: Sequence[Segment], joins: Sequence[ParticipantRecord], *, is_complete: bool = True
) -> Report:
    """The report of what was said, at least one phrase, in the order of speaking."""
    quotes = [_quote(segment, sentence) for segment in segments for sentence in sentences(segment.text)]
    found = ranking.vectors([terms(quote.text) for quote in quotes])
    scores = ranking.centrality(found)
    quotable = np.array([_is_quotable(quote.text) for quote in quotes], dtype=bool)
    central = np.where(quotable, scores, 0.0) if quotes else scores
    wanted = min(_MOST, max(_FEWEST, int(quotable.sum()) // _SENTENCES_EACH))
    chosen = sorted(ranking.choose(found, central, wanted))
    names = list(dict.fromkeys([*(join.name for join in joins), *(segment.name for segment in segments)]))
    return Report(
        method="extractive",
        begins_at_ms=segments[0].start_ms,
        ends_at_ms=max(segment.end_ms for segment in segments),
        phrases=len(segments),
        is_complete=is_complete,
        summary=tuple(Point(sources=(quotes[at],)) for at in chosen),
        decisions=_decisions(quotes),
        actions=_actions(quotes, names),
        chapters=_chapters(segments, quotes, central),
        speakers=talk.speakers(segments, joins),
        attendees=talk.attendees(joins),
    )


def quote_of(segment: Segment) -> Quote:
    """A whole phrase."""
    return _quote(segment, " ".join(segment.text.split()))


def _quote(segment: Segment, sentence: str) -> Quote:
    return Quote(
        segment_id=segment.id,
        participant_id=segment.participant_id,
        name=segment.name,
        said_at_ms=segment.start_ms,
        text=" ".join(sentence.split()),
        language=segment.language,
    )


def _is_quotable(sentence: str) -> bool:
    words = length(sentence)
    if words <= _COURTESY_LONGEST and _COURTESY.search(sentence):
        return False
    return _SHORTEST <= words <= _LONGEST and not _QUESTION.search(sentence)


def _decisions(quotes: Sequence[Quote]) -> tuple[Point, ...]:
    matching = [quote for quote in quotes if rules.is_decision(quote.text)]
    return tuple(Point(sources=(quote,)) for quote in _once(matching)[:_MOST_ITEMS])


def _actions(quotes: Sequence[Quote], names: Sequence[str]) -> tuple[Action, ...]:
    found: list[Action] = []
    for quote in _once(quotes):
        task = rules.task(quote.text, names)
        if task is not None:
            owner = quote.name if task.owner == rules.SPEAKER else task.owner
            found.append(Action(sources=(quote,), owner=owner, due=task.due))
    return tuple(found[:_MOST_ITEMS])


def _once(quotes: Sequence[Quote]) -> list[Quote]:
    """Without what the same person has said already in the same words."""
    return list({(quote.participant_id, quote.text.casefold()): quote for quote in reversed(quotes)}.values())[::-1]


def _chapters(
    segments: Sequence[Segment], quotes: Sequence[Quote], central: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> tuple[Chapter, ...]:
    ends_ms = max(segment.end_ms for segment in segments)
    starts_ms = [segment.start_ms for segment in segments]
    begins = chapters.boundaries([terms(segment.text) for segment in segments], starts_ms, ends_ms)
    if len(begins) < 2:
        return ()
    number_of = {segment.id: number for number, segment in enumerate(segments)}
    parts: list[list[int]] = [[] for _ in begins]
    part = 0
    for at, quote in enumerate(quotes):
        while part + 1 < len(begins) and number_of[quote.segment_id] >= begins[part + 1]:
            part += 1
        parts[part].append(at)
    found = []
    for number, members in enumerate(parts):
        if members:
            last = number + 1 == len(begins)
            found.append(
                Chapter(
                    begins_at_ms=starts_ms[begins[number]],
                    ends_at_ms=ends_ms if last else starts_ms[begins[number + 1]],
                    heading=quotes[max(members, key=lambda at: float(central[at]))],
                )
            )
    return tuple(found)
