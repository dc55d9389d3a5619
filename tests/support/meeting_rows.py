"""Joins and chat lines put straight into a test server's database, as `live` would."""

from __future__ import annotations

from typing import Any

import trio

from appliance.store import messages, participants, transcripts
from tests.support import stored_rows
from tests.support.api_server import ApiServer


def in_server(api: ApiServer, fn: Any, *args: Any, **kwargs: Any) -> Any:
    """Run a repository function in the server's database."""
    assert api.token is not None

    async def work() -> Any:
        return await api.services.database.run(fn, *args, **kwargs)

    return trio.from_thread.run(work, trio_token=api.token)


def add_join(api: ApiServer, ident: str, meeting_id: str, **fields: Any) -> None:
    """A connection that was made."""
    in_server(api, participants.insert, stored_rows.participant(ident, meeting_id, **fields))


def say(api: ApiServer, meeting_id: str, text: str) -> None:
    """A chat line that was stored."""
    in_server(
        api,
        messages.append,
        message_id=f"msg_{meeting_id}_{text}",
        meeting_id=meeting_id,
        participant_id="par_x",
        user_id=None,
        name="Ann",
        text=text,
        now_ms=1_000,
    )


def transcribe(api: ApiServer, meeting_id: str, name: str, text: str, *, start_ms: int, language: str = "en") -> str:
    """A phrase of two seconds that was captioned; its id."""
    ident = f"cap_{meeting_id}_{start_ms}"
    segment = transcripts.Segment(
        id=ident,
        meeting_id=meeting_id,
        participant_id=f"prt_{name}",
        name=name,
        start_ms=start_ms,
        end_ms=start_ms + 2000,
        text=text,
        language=language,
    )
    in_server(api, transcripts.insert, segment=segment)
    return ident
