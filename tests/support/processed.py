"""A server that makes the film of a recording, seen by its API."""

from __future__ import annotations

from typing import Any

from tests.support.http_client import HttpClient
from tests.support.waiting import wait_for

# Seconds of a meeting are a film within seconds; the rest is for machines that have a lot else to do.
PROCESSED_WITHIN_S = 300.0


def processed(client: HttpClient, recording_id: str, *, within_s: float = PROCESSED_WITHIN_S) -> dict[str, Any]:
    """The recording once its processing is over, however that ended."""

    def over() -> dict[str, Any] | None:
        seen: dict[str, Any] = client.get(f"/recordings/{recording_id}")
        return None if seen["status"] in ("recording", "paused", "processing") else seen

    found: dict[str, Any] = wait_for(over, within_s=within_s, each_s=0.25)
    return found
