"""What people say in tests of reports."""

from __future__ import annotations

from collections.abc import Iterable

from appliance.store.transcripts import Segment

T0 = 1_764_000_000_000  # 2025-11-24T16:00:00Z


def phrase(
    number: int, name: str, text: str, *, start_s: float, length_s: float = 2.0, language: str = "en"
) -> Segment:
    """A phrase of somebody."""
    start_ms = T0 + round(start_s * 1000)
    return Segment(
        id=f"cap_{number}", meeting_id="mtg_one", participant_id=f"prt_{name}", name=name, start_ms=start_ms,
        end_ms=start_ms + round(length_s * 1000), text=text, language=language,
    )  # fmt: skip


def talk(lines: Iterable[tuple[str, str]], *, each_s: float = 3.0, language: str = "en") -> list[Segment]:
    """Phrases one after the other."""
    return [
        phrase(number, name, text, start_s=number * each_s, language=language)
        for number, (name, text) in enumerate(lines)
    ]


REVIEW = talk(
    [
        ("Ann", "Good morning everybody. Today we review the drawings of the library."),
        ("Ben", "The drawings of the library show wide stairs and windows to the north."),
        ("Ann", "Yeah."),
        ("Cleo", "I like the wide stairs, but the windows to the north cost more than the budget allows."),
        ("Ben", "Should we take smaller windows?"),
        ("Ann", "The budget for the windows is 40,000, and the stairs are paid already."),
        ("Cleo", "Then we agreed to take the smaller windows and to keep the wide stairs."),
        ("Ben", "I'll send the list of the windows to the supplier by Friday."),
        ("Ann", "Cleo, please update the budget. Thanks."),
        ("Cleo", "Okay, see you."),
    ]
)
WEEKLY = talk(
    [
        ("李雷", "大家早上好，今天我们先看图书馆的图纸。"),
        ("韩梅", "图书馆的图纸里楼梯很宽，窗户朝北。"),
        ("李雷", "嗯。"),
        ("韩梅", "朝北的窗户太贵，超出了预算，楼梯没有问题。"),
        ("李雷", "窗户的预算是四万，楼梯的钱已经付了。"),
        ("韩梅", "那我们决定窗户做小一点，楼梯保持不变。"),
        ("李雷", "我周五之前把窗户清单发给供应商。"),
        ("韩梅", "请李雷更新预算。"),
    ],
    language="zh",
)
