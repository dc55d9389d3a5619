"""The command line: help, exit codes, one line on stderr."""

from __future__ import annotations

import io
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import trio

from appliance.__main__ import main, program_version
from appliance.store import job_runs, jobs
from tests.support.databases import open_test_database
from tests.support.queued_jobs import Number, a_turn, done, number_type


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty working directory and data folder; what `main` changes for the process is put back."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PARLEY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PARLEY_AUTH__ARGON2_MEMORY_KIB", "8192")
    root = logging.getLogger()
    handlers, level, mask = root.handlers[:], root.level, os.umask(0o022)
    yield
    os.umask(mask)
    logging.captureWarnings(False)
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def _type(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_help_names_every_command_and_the_environment(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    for word in ("serve", "check-config", "doctor", "user", "jobs", "version", "PARLEY_<SECTION>__<KEY>", "exit codes"):
        assert word in shown


@pytest.mark.parametrize(
    "arguments",
    [[], ["dance"], ["user"], ["user", "add", "ann"], ["jobs"], ["jobs", "show"], ["serve", "--port", "1"]],
)
def test_a_wrong_command_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: parley" in capsys.readouterr().err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"parley {program_version()}\n"
    assert re.match(r"\d+\.\d+", program_version()) or program_version() == "0+source"


def test_the_settings_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config"]) == 0
    assert capsys.readouterr().out == "settings are good (defaults and environment)\n"
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "appliance.toml").write_text("[http]\nport = 1\n")
    assert main(["check-config"]) == 0
    assert capsys.readouterr().out == "settings are good (config/appliance.toml)\n"
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[http]\nport = 'x'\n")
    assert main(["check-config", "--config", str(wrong)]) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"parley: http.port = 'x': expected int, got str ({wrong})\n")


def test_a_setting_that_cannot_be_stops_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARLEY_HTTP__PROT", "1")
    for arguments in (["serve"], ["check-config"], ["user", "list"]):
        assert main(arguments) == 2
        assert capsys.readouterr().err == "parley: http.prot: unknown key, did you mean port? (PARLEY_HTTP__PROT)\n"


def test_accounts_from_end_to_end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _type(monkeypatch, "correct horse\n")
    assert main(["user", "add", "ann", "--email", "ann@example.org", "--admin"]) == 0
    user_id = capsys.readouterr().out.strip()
    _type(monkeypatch, "correct horse\n")
    assert main(["user", "add", "ANN", "--email", "other@example.org"]) == 1
    assert capsys.readouterr().err == "parley: another account has this username\n"
    _type(monkeypatch, "another horse\n")
    assert main(["user", "reset-password", "ann"]) == 0
    assert main(["user", "list"]) == 0
    assert re.fullmatch(
        rf"{user_id}  \d{{4}}-\d\d-\d\d  admin  active  ann  ann@example.org\n", capsys.readouterr().out
    )
    assert (Path("data").stat().st_mode & 0o777, Path("data/parley.sqlite3").stat().st_mode & 0o777) == (0o700, 0o600)


def test_a_crash_is_told_with_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(io.StringIO):
        def readline(self, size: int | None = -1, /) -> str:
            raise LookupError("no such thing")

    monkeypatch.setattr("sys.stdin", Broken())
    assert main(["user", "reset-password", "ann"]) == 1
    shown = capsys.readouterr().err
    assert "crashed" in shown
    assert "LookupError: no such thing" in shown


def test_jobs_are_listed_shown_requeued_and_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARLEY_DATA__FOLDER", str(tmp_path))
    assert main(["jobs", "list"]) == 0
    assert capsys.readouterr().out == ""

    async def bury() -> str:
        async with open_test_database(tmp_path) as database:
            order = number_type().order(Number(7), now_ms=1_000_000)
            await database.run(jobs.enqueue, order)
            await database.run(job_runs.turn, a_turn(1_000_000))
            ended = done(order.id, verdict="dead", error="Traceback\n  …\nLookupError: boom")
            await database.run(job_runs.turn, a_turn(2_000_000, ended=(ended,), limit=0))
            return order.id

    job_id = trio.run(bury)
    assert main(["jobs", "list", "--state", "dead"]) == 0
    assert capsys.readouterr().out == (
        f"{job_id}  1970-01-01 00:16:40  dead       normal    1/4    test.number  LookupError: boom\n"
    )
    assert main(["jobs", "show", job_id]) == 0
    shown = capsys.readouterr().out
    assert shown.endswith("error\nTraceback\n  …\nLookupError: boom\n")
    for line in ("payload          {\"n\":7}", "state            dead", "finished_at      1970-01-01 00:33:20"):
        assert line in shown.splitlines()
    assert main(["jobs", "requeue", job_id]) == 0
    assert main(["jobs", "drop", job_id]) == 1
    assert capsys.readouterr().err == (
        f"parley: only dead and cancelled jobs can be dropped, {job_id} is waiting\n"
    )
    assert main(["jobs", "show", "job_nobody"]) == 1
    assert capsys.readouterr().err == "parley: there is no job 'job_nobody'\n"
