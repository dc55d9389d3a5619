"""The queue as administrators see and mend it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import trio

from appliance.store import job_runs, jobs
from tests.support.api_server import Account, ApiServer
from tests.support.queued_jobs import Number, a_turn, done, now_ms, number_type


@pytest.fixture(scope="module")
def root(api: ApiServer) -> Iterator[Account]:
    yield api.admin()


def _run(api: ApiServer, fn: Any, *args: Any) -> Any:
    """A transaction of the server's database, from the test's thread."""
    return trio.from_thread.run(api.services.database.run, fn, *args, trio_token=api.token)


def _job(api: ApiServer, kind: str, *, state: str, key: str | None = None) -> str:
    """A job of a type that no other test has, brought into a state."""
    order = number_type(kind).order(Number(7), now_ms=now_ms(), key=key, meeting_id="mtg_1")
    _run(api, jobs.enqueue, order)
    if state != "waiting":
        _run(api, job_runs.turn, a_turn(now_ms(), types=(kind,)))
    if state in ("done", "dead"):
        error = 'Traceback:\n  File "x"\nLookupError: boom' if state == "dead" else None
        ended = done(order.id, verdict=state, error=error, result='{"a":1}' if state == "done" else None)
        _run(api, job_runs.turn, a_turn(now_ms(), types=(kind,), ended=(ended,), limit=0))
    return order.id


def test_nobody_else_may(api: ApiServer, root: Account) -> None:
    ann = api.user("curious")
    job_id = _job(api, "secret", state="dead")
    for method, path in (
        ("GET", "/admin/jobs"),
        ("GET", f"/admin/jobs/{job_id}"),
        ("POST", f"/admin/jobs/{job_id}/requeue"),
        ("POST", f"/admin/jobs/{job_id}/cancel"),
        ("DELETE", f"/admin/jobs/{job_id}"),
    ):
        body = None if method == "GET" else {}
        assert (api.request(method, path, body).status, ann.call(method, path, body).code) == (401, "forbidden")


def test_a_job_is_shown_whole(api: ApiServer, root: Account) -> None:
    shown = root.get(f"/admin/jobs/{_job(api, 'whole', state='dead', key='k')}").data
    assert (shown["type"], shown["state"], shown["priority"]) == ("whole", "dead", "normal")
    assert (shown["payload"], shown["result"], shown["idempotency_key"]) == ({"n": 7}, None, "k")
    assert (shown["attempts"], shown["max_attempts"], shown["meeting_id"]) == (1, 4, "mtg_1")
    assert shown["error"].startswith("Traceback") and shown["last_error"] == "LookupError: boom"
    assert shown["finished_at"] >= shown["started_at"] >= shown["created_at"]
    assert root.get(f"/admin/jobs/{_job(api, 'whole', state='done')}").data["result"] == {"a": 1}
    assert root.get("/admin/jobs/job_nobody").status == 404


def test_jobs_are_filtered_and_paged(api: ApiServer, root: Account) -> None:
    ids = [_job(api, "paged", state="waiting") for _ in range(3)]
    dead = _job(api, "paged2", state="dead")
    seen: list[str] = []
    cursor = ""
    while True:
        page = root.get(f"/admin/jobs?type=paged&limit=2{cursor}").data
        seen += [job["id"] for job in page["items"]]
        assert all("payload" not in job for job in page["items"])
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert sorted(seen) == sorted(ids)
    assert [job["id"] for job in root.get("/admin/jobs?type=paged2&state=dead").data["items"]] == [dead]
    assert root.get("/admin/jobs?type=paged2&state=done").data["items"] == []
    assert root.get("/admin/jobs?state=sleeping").error == "invalid_field: state"


def test_dead_letters_are_requeued_and_dropped_and_it_is_audited(api: ApiServer, root: Account) -> None:
    job_id = _job(api, "letter", state="dead")
    again = root.post(f"/admin/jobs/{job_id}/requeue").data
    assert (again["state"], again["attempts"], again["last_error"]) == ("waiting", 0, "LookupError: boom")
    assert root.post(f"/admin/jobs/{job_id}/requeue").code == "wrong_state"
    assert root.delete(f"/admin/jobs/{job_id}").code == "wrong_state"
    assert root.post(f"/admin/jobs/{job_id}/cancel").data["state"] == "cancelled"
    assert root.post(f"/admin/jobs/{job_id}/cancel").code == "wrong_state"
    assert root.delete(f"/admin/jobs/{job_id}").status == 200
    assert root.delete(f"/admin/jobs/{job_id}").status == 404
    assert root.post(f"/admin/jobs/{job_id}/requeue").status == 404
    rows = root.get("/admin/audit?limit=200").data["items"]
    mine = [(row["action"], row["outcome"]) for row in rows if row["target"] == job_id]
    assert mine == [("admin.job.drop", "ok"), ("admin.job.cancel", "ok"), ("admin.job.requeue", "ok")]


def test_a_running_job_is_asked_to_stop(api: ApiServer, root: Account) -> None:
    job_id = _job(api, "runs", state="running")
    asked = root.post(f"/admin/jobs/{job_id}/cancel").data
    assert (asked["state"], asked["cancel_requested"], asked["worker"]) == ("running", True, "w1")
