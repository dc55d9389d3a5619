"""A real `parley serve` in a process of its own, with a data folder and ports that nobody else uses.

Owns starting, waiting until it is ready, measuring and stopping it. Refuses to know what it serves.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.children import die_with_parent
from tests.support.http_client import PASSWORD, HttpClient
from tests.support.ports import free_port

PARLEY = Path(sys.executable).with_name("parley")

# On two busy cores a start takes about two seconds; ten times that means that it will not come.
START_WITHIN_S = 60.0
# The server's own deadline for saying goodbye is shorter: see app.py.
STOP_WITHIN_S = 20.0

# Tests sign up and join faster than people do.
GENEROUS = {
    "PARLEY_LIMITS__REGISTER_PER_HOUR": "10000",
    "PARLEY_LIMITS__LOGIN_PER_MINUTE": "10000",
    "PARLEY_LIMITS__JOIN_PER_MINUTE": "10000",
    "PARLEY_LIMITS__API_PER_MINUTE": "100000",
}


class Server:
    """One server process; ``restart`` starts another on the same folder and ports."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], program: Sequence[str] = (str(PARLEY), "serve")
    ) -> None:
        """``program``: another one that serves with the same settings."""
        self.folder = folder
        self._program = program
        self.data_folder = folder / "data"
        self.log_path = folder / "server.log"
        self.http_port = free_port()
        self.media_port = free_port()
        self.url = f"http://127.0.0.1:{self.http_port}"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("PARLEY_")}
        self._environment = {
            **inherited,
            **GENEROUS,
            "PARLEY_DATA__FOLDER": str(self.data_folder),
            "PARLEY_HTTP__PORT": str(self.http_port),
            "PARLEY_MEDIA__PORT": str(self.media_port),
            "PARLEY_LOG__FORMAT": "console",
            "NO_COLOR": "1",
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._administrator: HttpClient | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server was not started"
        return self._process.pid

    def log(self) -> str:
        """Everything that all starts printed."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def start(self) -> None:
        """Start and wait until it says ``ready``. AssertionError carries its log."""
        already = len(self.log())
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._program,
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        deadline = time.monotonic() + START_WITHIN_S
        while not re.search(r"\bready\b", self.log()[already:]):
            code = self._process.poll()
            assert code is None, f"parley serve ended with {code}:\n{self.log()[already:]}"
            assert time.monotonic() < deadline, f"not ready after {START_WITHIN_S} s:\n{self.log()[already:]}"
            time.sleep(0.05)

    def stop(self) -> None:
        """SIGTERM; the server must end by itself, in time, with exit code 0."""
        process, self._process = self._process, None
        assert process is not None, "the server was not started"
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"still there {STOP_WITHIN_S} s after SIGTERM:\n{self.log()[-4000:]}") from None
        assert code == 0, f"exit code {code} after SIGTERM:\n{self.log()[-4000:]}"

    def kill(self) -> None:
        """SIGKILL, as a crash; nothing is asserted."""
        process, self._process = self._process, None
        assert process is not None, "the server was not started"
        process.kill()
        process.wait()

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def running(self) -> bool:
        return self._process is not None

    def client(self) -> HttpClient:
        """Nobody in particular."""
        return HttpClient(self.url)

    def cpu_s(self) -> float:
        """CPU seconds that all threads used since the start (proc_pid_stat(5), utime + stime)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self) -> int:
        """Resident set (proc_pid_status(5))."""
        found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE)
        assert found
        return int(found[1]) * 1024

    def open_files(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def administrator(self) -> HttpClient:
        """The first account, made with the one-time link that the server printed."""
        if self._administrator is None:
            link = re.search(r"/setup\?token=([\w-]+)", self.log())
            assert link, f"no one-time link:\n{self.log()}"
            account = {"username": "root", "email": "root@example.org", "password": PASSWORD, "token": link[1]}
            self._administrator = HttpClient(self.url, self.client().post("/setup", account)["access_token"])
        return self._administrator

    def usage(self) -> dict[str, int]:
        """What meetings hold at this moment: rooms, participants, sessions, sockets, tasks' meetings; all 0 at rest."""
        live = self.administrator().get("/stats")["live"]
        counts = {name: live[name] for name in ("meetings", "participants", "sessions", "sockets")}
        media = {name: int(self.metric(f"sfu_{name}")) for name in ("rooms", "sessions", "producers")}
        return {**counts, **{f"media_{name}": value for name, value in media.items()}}

    def metric(self, name: str) -> float:
        """Sum of a metric over its labels; KeyError when /metrics has none of that name."""
        values = [
            float(line.rpartition(" ")[2])
            for line in self.client().text("/metrics").splitlines()
            if re.match(rf"{re.escape(name)}(\{{|\s)", line)
        ]
        if not values:
            raise KeyError(name)
        return sum(values)


@contextmanager
def running_server(
    folder: Path, environment: Mapping[str, str] | None = None, *, program: Sequence[str] = (str(PARLEY), "serve")
) -> Iterator[Server]:
    """A started server, stopped at the end: exit code 0 is asserted unless the test already failed."""
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(folder, environment or {}, program)
    try:
        server.start()
        yield server
    except BaseException:
        if server.running:
            server.kill()
        print(f"--- {server.log_path}\n{server.log()[-8000:]}")
        raise
    if server.running:
        server.stop()
