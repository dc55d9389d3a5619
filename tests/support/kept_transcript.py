"""What was said in a meeting and who was there, put into the SQLite file of a running server, as captions would."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from appliance.store.database import SQLITE_FILE
from appliance.store.users import fold

EACH_MS = 20_000
"""From one phrase to the next; each takes a tenth to half of it by its length."""

REVIEW: tuple[tuple[str, str], ...] = (
    ("Ana", "Good morning everybody. Today we review the new drawings of the library."),
    ("Ben", "The stairs are wider now, and the windows of the library face north."),
    ("Cleo", "I like the wide stairs, but windows to the north cost more than the budget allows."),
    ("Ben", "Could we take smaller windows?"),
    ("Ana", "The budget for the windows is 40,000, and the stairs are paid already."),
    ("陈小明", "窗户小一点没有问题，图书馆里的光线还是够的。"),
    ("Cleo", "Smaller windows would keep us within the budget, with some 3,000 left for the lights."),
    ("Ana", "Then we agreed to take the smaller windows and to keep the wide stairs."),
    ("Ben", "I'll send the list of the windows to the supplier by Friday."),
    ("陈小明", "我下午把新的预算发给大家，请在周五之前看一下。"),
    ("Ana", "Cleo, please update the schedule, the windows come two weeks later."),
    ("Cleo", "Sure. Thanks everybody, see you next week."),
)


def keep_transcript(
    data_folder: Path, meeting_id: str, *, from_ms: int, lines: Sequence[tuple[str, str]] = REVIEW
) -> list[str]:
    """The ids of the phrases; who speaks was there from before the first to after the last."""
    ids = []
    connection = sqlite3.connect(data_folder / SQLITE_FILE, timeout=10)
    try:
        with connection:
            for number, name in enumerate(dict.fromkeys(name for name, _ in lines)):
                role = "host" if number == 0 else "participant"
                join = (f"prt_{meeting_id}_{name}", meeting_id, f"gst_{number}", name, role)
                times = (from_ms - 30_000 + number * 10_000, from_ms + len(lines) * EACH_MS, "left")
                connection.execute(
                    "INSERT INTO participants (id, meeting_id, guest_id, name, role, joined_at_ms, left_at_ms,"
                    " leave_reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (*join, *times),
                )
            for number, (name, text) in enumerate(lines):
                ids.append(f"cap_{meeting_id}_{number:03d}")
                start_ms = from_ms + number * EACH_MS
                end_ms = start_ms + min(EACH_MS // 2, max(EACH_MS // 10, len(text.encode()) * 110))
                phrase = (name, start_ms, end_ms, text, "en" if text.isascii() else "zh", fold(text))
                connection.execute(
                    "INSERT INTO transcript_segments (id, meeting_id, participant_id, name, start_ms, end_ms, text,"
                    " language, search_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (ids[-1], meeting_id, f"prt_{meeting_id}_{name}", *phrase),
                )
                cursor = connection.execute("INSERT INTO transcript_numbers (segment_id) VALUES (?)", (ids[-1],))
                entry = (cursor.lastrowid, fold(text) + " ")
                connection.execute("INSERT INTO transcript_grams (rowid, search_key) VALUES (?, ?)", entry)
    finally:
        connection.close()
    return ids
