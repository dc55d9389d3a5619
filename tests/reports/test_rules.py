"""What counts as a decision and as a task, in English and Chinese, and what does not."""

from __future__ import annotations

import pytest

from appliance.reports.rules import SPEAKER, Task, is_decision, task

NAMES = ("Ben", "Cleo Smith", "陈小明", "Ana")


@pytest.mark.parametrize(
    "sentence",
    [
        "We decided to take the second plan.", "Then we agree on the second plan, with the wide stairs.",
        "Let's go with option B.", "The decision is to postpone the launch.", "It's settled, we move on Monday.",
        "We’ve all agreed.", "The budget has been approved.", "I'm not going to argue, we agreed to ship on Friday.",
        "我们决定采用第二个方案。", "大家一致同意推迟到下周。", "就这么定了。", "那就用第二版吧。",
        "结论是先上线再优化。",
    ],
)  # fmt: skip
def test_a_decision(sentence: str) -> None:
    assert is_decision(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "We have not decided yet.", "Should we go with B?", "If we decided to go, it would be late.",
        "I agree with you.", "Did we agree on the date?", "We talked about the decision.", "We can decide later.",
        "我们还没有决定。", "是否通过？", "如果大家同意就用第二版。", "要不要就这么定？", "我们下次再决定。", "",
    ],
)  # fmt: skip
def test_no_decision(sentence: str) -> None:
    assert not is_decision(sentence)


@pytest.mark.parametrize(
    ("sentence", "owner", "due"),
    [
        ("I'll send the list to everybody this afternoon.", SPEAKER, "this afternoon"),
        ("Yes, and I will also prepare the slides.", SPEAKER, ""),
        ("Let me check with the supplier and get back to you.", SPEAKER, ""),
        ("Can you prepare the budget by Friday?", "", "by Friday"),
        ("Ben, please check the stairs.", "Ben", ""),
        ("Cleo will write the minutes by next Monday.", "Cleo Smith", "by next Monday"),
        ("Ben needs to call the supplier tomorrow.", "Ben", "tomorrow"),
        ("Action item for Ana: book the room.", "Ana", ""),
        ("Action item: book the room.", "", ""),
        ("We have to submit the plan by the end of the month.", "", "by the end of the month"),
        ("好的，我下午把新的预算发给大家，请在周五之前看一下。", SPEAKER, "下午"),
        ("我来写会议纪要。", SPEAKER, ""),
        ("我明天给客户打电话。", SPEAKER, "明天"),
        ("由陈小明负责测试。", "陈小明", ""),
        ("陈小明，你来负责测试。", "陈小明", ""),
        ("请小王周五之前提交报告。", "", "周五之前"),
        ("下周三之前要完成测试。", "", "下周三之前"),
        ("待办：联系供应商。", "", ""),
    ],
)
def test_a_task(sentence: str, owner: str, due: str) -> None:
    assert task(sentence, NAMES) == Task(owner, due)


@pytest.mark.parametrize(
    "sentence",
    [
        "I'll see.", "I'll be there.", "I'll share my screen.", "Let me check that.", "Can you hear me?",
        "Could you repeat that?", "We need to talk about this.", "We should update the docs.",
        "If I send it tomorrow, is that ok?", "I don't want to write it.", "Ben was here.", "Benjamin will write it.",
        "我先说第二部分，图纸已经改好了。", "我觉得这个不错。", "如果有时间我来写。", "请问几点开始？", "不用我来写。",
        "",
    ],
)  # fmt: skip
def test_no_task(sentence: str) -> None:
    assert task(sentence, NAMES) is None


def test_a_name_is_a_name_whatever_it_holds() -> None:
    assert task("A.*[b will send it.", ("A.*[b",)) == Task("A.*[b", "")
    assert task("Axxb will send it.", ("A.*[b",)) is None
