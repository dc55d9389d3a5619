"""What was found in the pictures of a meeting, put into the SQLite file of a running server, as the models would."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from appliance.ai.pictures import decode_picture_untrusted, encode_picture
from appliance.store.database import SQLITE_FILE
from tests.support.ai_models import data_file


def evidence() -> bytes:
    """A frame with a face, as JPEG of 512 by 512."""
    return encode_picture(decode_picture_untrusted(data_file("astronaut").read_bytes()), "jpeg")


def keep_alert(data_folder: Path, meeting_id: str, name: str, *, kind: str = "face_spoof", at_ms: int) -> str:
    """The id of an alert with evidence about somebody."""
    alert_id = f"alr_{kind}_{name}_{at_ms}"
    found = (name, kind, 0.91, "face-spoof", at_ms, evidence())
    _insert(
        data_folder,
        "INSERT INTO vision_alerts (id, meeting_id, participant_id, name, kind, score, model, at_ms, evidence)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(alert_id, meeting_id, f"prt_{meeting_id}_{name}", *found)],
    )
    return alert_id


def keep_emotions(data_folder: Path, meeting_id: str, name: str, spans: Sequence[tuple[int, int, str]]) -> None:
    """Spans (begin and end in ms since 1970, label) of the expressions of somebody."""
    _insert(
        data_folder,
        "INSERT INTO emotion_spans (id, meeting_id, participant_id, name, label, start_ms, end_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (f"emo_{name}_{start_ms}", meeting_id, f"prt_{meeting_id}_{name}", name, label, start_ms, end_ms)
            for start_ms, end_ms, label in spans
        ],
    )


def _insert(data_folder: Path, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    connection = sqlite3.connect(data_folder / SQLITE_FILE, timeout=10)
    try:
        with connection:
            connection.executemany(statement, rows)
    finally:
        connection.close()
