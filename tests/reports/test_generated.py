"""What a language model writes is believed as far as it cites what was said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance.reports.completions import CompletionError, Completions
from appliance.reports.extractive import extractive
from appliance.reports.generated import generated
from appliance.reports.records import Report
from tests.support.chat_server import Answer, ChatServer, chatting, minutes
from tests.support.said import REVIEW, WEEKLY, phrase, talk


async def write(answer: Answer, said: Any = REVIEW, *, piece_tokens: int = 3000) -> tuple[Report, ChatServer]:
    with chatting(answer) as server:
        completions = Completions(server.settings())
        extract = extractive(said, [])
        return await generated(completions.complete, completions.model, extract, said, piece_tokens), server


def says(**answer: Any) -> Answer:
    return lambda _instructions, _text: json.dumps(answer)


async def test_points_are_shown_with_what_they_cite() -> None:
    report, server = await write(
        says(
            summary=[{"text": "The library's\nstairs stay wide.", "lines": [7, "[2]", "L2"]}],
            decisions=[{"text": "Smaller windows.", "lines": [7]}],
            actions=[{"text": "Send the list.", "owner": "Ben", "due": "by Friday", "lines": [8]}],
        )
    )
    assert (report.method, report.model, report.fallback_reason) == ("generated", "small", "")
    (point,) = report.summary
    assert point.text == "The library's stairs stay wide."
    assert [source.segment_id for source in point.sources] == ["cap_1", "cap_6"]
    assert point.sources[1].name == "Cleo" and point.sources[1].text == REVIEW[6].text
    assert report.decisions[0].sources[0].segment_id == "cap_6"
    (action,) = report.actions
    assert (action.owner, action.due, action.sources[0].name) == ("Ben", "by Friday", "Ben")
    assert report.speakers == extractive(REVIEW, []).speakers
    shown = server.requests[0]["messages"][1]["content"].splitlines()
    assert shown[7] == "[8] 16:00 Ben: I'll send the list of the windows to the supplier by Friday."


async def test_what_cites_nothing_is_dropped_and_what_was_not_said_left_out() -> None:
    report, _ = await write(
        says(
            summary=[{"text": "Kept.", "lines": [1]}, {"text": "Invented.", "lines": []}, {"text": " ", "lines": [1]}],
            decisions=[{"text": "Nobody said so.", "lines": [11, 0, -1, "x", "²"]}, {"text": "No lines."}],
            actions=[
                {"text": "a", "owner": "Zoe", "due": "by Monday", "lines": [8]},
                {"text": "b", "owner": None, "due": None, "lines": [9]},
                {"text": "c", "owner": "the supplier", "lines": [8]},
                {"text": "d", "owner": "Ben", "lines": [99]},
            ],
        )
    )
    assert [point.text for point in report.summary] == ["Kept."]
    assert report.decisions == ()
    assert [(action.text, action.owner, action.due) for action in report.actions] == [
        ("a", "", ""), ("b", "", ""), ("c", "the supplier", ""),
    ]  # fmt: skip


async def test_thoughts_and_fences_are_no_part_of_it() -> None:
    answer = '<think>{"summary": 3}</think>Sure!\n```json\n{"summary": [{"text": "图纸。", "lines": [1]}]}\n```'
    report, _ = await write(lambda _instructions, _text: answer, WEEKLY)
    assert report.summary[0].text == "图纸。" and report.summary[0].sources[0].language == "zh"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("I cannot help with that.", "not the JSON"),
        ('{"summary": "long"}', "not the JSON"),
        ('{"summary": [{"text": "x", "lines": [1.5]}]}', "not the JSON"),
        ("{}", "cites nothing"),
        ('{"summary": [{"text": "x", "lines": [77]}]}', "cites nothing"),
    ],
)
async def test_an_answer_that_cannot_be_used_is_refused(answer: str, reason: str) -> None:
    with pytest.raises(CompletionError, match=reason):
        await write(lambda _instructions, _text: answer)


async def test_a_long_transcript_goes_in_pieces_and_is_summed_up() -> None:
    said = talk([("Ann", f"Number {n} of the long list of things that we discuss here.") for n in range(100)])

    def answer(instructions: str, text: str) -> str:
        if "notes on the parts" in instructions:
            notes = len(text.splitlines())
            return json.dumps({"summary": [{"text": "All of it.", "lines": [1, notes]}, {"text": "No.", "lines": [0]}]})
        return minutes(text, decisions=[{"text": "d", "lines": [1]}])

    report, server = await write(answer, said, piece_tokens=500)
    pieces = [request["messages"][1]["content"] for request in server.requests[:-1]]
    assert len(pieces) > 3 and "\n".join(pieces).count("Number") == 100
    assert all(len(piece) < 500 * 4 for piece in pieces)
    (point,) = report.summary
    assert point.text == "All of it."
    assert point.sources[0].segment_id == "cap_0"
    assert point.sources[1].segment_id == f"cap_{int(pieces[-1][1:].partition(']')[0]) - 1}"
    assert [decision.sources[0].segment_id for decision in report.decisions] == ["cap_0"]  # the only one shown line 1

    def empty_at_the_end(instructions: str, text: str) -> str:
        return "{}" if "notes on the parts" in instructions else minutes(text)

    with pytest.raises(CompletionError, match="cites none of them"):
        await write(empty_at_the_end, said, piece_tokens=500)


async def test_a_transcript_without_end_is_sent_nowhere() -> None:
    said = [phrase(n, "Ann", "字" * 400, start_s=n) for n in range(70)]
    with pytest.raises(CompletionError, match="too long: 70 pieces"):
        await write(says(), said, piece_tokens=500)


async def test_what_it_writes_is_bounded() -> None:
    many = [{"text": "x" * 900, "lines": list(range(1, 11))}] * 200
    report, _ = await write(says(summary=many, decisions=many, actions=many))
    assert (len(report.summary), len(report.decisions), len(report.actions)) == (8, 100, 100)
    assert len(report.summary[0].text) == 600 and len(report.summary[0].sources) == 5
