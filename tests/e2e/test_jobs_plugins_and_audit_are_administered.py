"""An administrator sees what failed and why, begins it anew, looks at plugins and checks the audit log, on pages."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from appliance.store.database import SQLITE_FILE
from tests.e2e.person import Person
from tests.support.http_client import PASSWORD
from tests.support.server import Server, running_server

JOB = "[data-testid='admin-job'][data-key='job_x']"
STATE = "([selector, state]) => document.querySelector(selector)?.dataset.state === state"
TEXT = "(selector) => document.querySelector(selector)?.innerText"
COUNT = "(selector) => document.querySelectorAll(selector).length"


@pytest.fixture
def server(lab: None, tmp_path: Path) -> Iterator[Server]:
    """One with a plugin in its settings that nobody installed."""
    with running_server(tmp_path / "server", {"PARLEY_PLUGINS__ENABLED": "nowhere"}) as running:
        yield running


def _dead_job(server: Server) -> None:
    """A job of a type that nobody does any more, as another version may have left one."""
    now_ms = time.time_ns() // 1_000_000
    with closing(sqlite3.connect(server.data_folder / SQLITE_FILE, timeout=30)) as database, database:
        database.execute(
            "INSERT INTO jobs (id, type, priority, payload, state, attempts, max_attempts, run_at_ms, rank_ms, error,"
            " created_at_ms, started_at_ms, finished_at_ms) VALUES ('job_x', 'test.nobody', 'normal', '{}', 'dead', 4,"
            " 4, ?, ?, 'Traceback\nLookupError: boom', ?, ?, ?)",
            [now_ms] * 5,
        )


def test_jobs_plugins_and_audit_are_administered(server: Server, people: Callable[..., Person]) -> None:
    server.administrator()
    _dead_job(server)
    root = people("Root", "red")
    root.page.goto(server.url + "/login")
    root.sign_in("root", PASSWORD)

    root.page.goto(server.url + "/admin/jobs")
    assert "LookupError: boom" in root.page.wait_for(TEXT, JOB)
    root.page.click("job-requeue")
    root.page.wait_for(STATE, [JOB, "waiting"])
    root.page.click("job-cancel")
    root.page.wait_for(STATE, [JOB, "cancelled"])
    root.page.click("job-drop")
    root.page.wait_for("(selector) => document.querySelector(selector) === null", JOB)

    root.page.click("admin-plugins")
    plugin = "[data-testid='admin-plugin'][data-key='nowhere']"
    root.page.wait_for(STATE, [plugin, "failed"])
    assert "nowhere" in root.page.evaluate(TEXT, plugin)
    root.page.click("plugin-enable")
    root.page.wait_for(STATE, [plugin, "failed"])

    root.page.click("admin-audit")
    entry = "[data-testid='audit-entry'][data-state='admin.job.drop']"
    assert "job_x" in root.page.wait_for(TEXT, entry)
    root.page.click("audit-verify")
    root.page.wait_for("() => document.querySelector(`[data-testid='audit-verdict']`)?.dataset.intact === 'true'")
    root.page.fill("audit-action", "admin.job.requeue")
    root.page.click("audit-show")
    root.page.wait_for("(selector) => document.querySelectorAll(selector).length === 1", "[data-testid='audit-entry']")
    assert root.page.evaluate(COUNT, "[data-testid='admin-list'] article") == 1
