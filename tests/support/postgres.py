"""A real PostgreSQL for the length of a test session: a fresh cluster on a free port of 127.0.0.1, gone afterwards.

Owns the server process. Runs it as an unprivileged user, as PostgreSQL insists on.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from tests.support.children import die_with_parent
from tests.support.ports import free_port

START_WITHIN_S = 30.0
STOP_WITHIN_S = 10.0

# Nothing here outlives the tests, so nothing needs to reach the disk.
FAST = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=60"]


class Postgres:
    """A running cluster; ``new_database`` gives each test a room of its own."""

    def __init__(self, port: int, programs: Path) -> None:
        self.port = port
        self._programs = programs
        self._numbers = count(1)

    def new_database(self) -> str:
        """URL of an empty database."""
        name = f"parley_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name}")
        return f"postgresql://parley@127.0.0.1:{self.port}/{name}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement by psql; its unaligned rows."""
        done = subprocess.run(
            [
                *(self._programs / "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "parley", "-d", database),
                *("-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement),
            ],
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def _programs() -> Path:
    """Folder of initdb and postgres: on the path, or where Debian keeps them, the newest version."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    assert versions, "PostgreSQL is missing: apt-get install postgresql"
    return versions[-1].parent


def _unprivileged() -> tuple[int, int]:
    """User and group that run the server: ourselves, or when we are root the package's user."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    entry = pwd.getpwnam("postgres")
    return entry.pw_uid, entry.pw_gid


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A fresh cluster, started; stopped and deleted at the end."""
    programs = _programs()
    user, group = _unprivileged()
    as_user: dict[str, object] = {"user": user, "group": group, "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="parley-postgres-") as name:
        folder = Path(name)
        os.chown(folder, user, group)
        data = folder / "cluster"
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "parley", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"],
            check=True,
            timeout=60,
            stdout=subprocess.DEVNULL,
            cwd=folder,
            **as_user,  # type: ignore[call-overload]
        )
        port = free_port()
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [programs / "postgres", "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1", *FAST],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,
                cwd=folder,
                **as_user,  # type: ignore[call-overload]
            )
        try:
            deadline = time.monotonic() + START_WITHIN_S
            ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
            while subprocess.run(ready, timeout=10).returncode != 0:
                assert process.poll() is None, f"PostgreSQL ended:\n{log.read_text()}"
                assert time.monotonic() < deadline, f"PostgreSQL does not answer:\n{log.read_text()}"
                time.sleep(0.05)
            yield Postgres(port, programs)
        finally:
            process.send_signal(signal.SIGQUIT)  # immediate shutdown: the folder goes anyway
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
