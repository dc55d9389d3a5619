"""What Linux tells of processes and cores: CPU time, memory, descriptors, threads. proc(5), nothing else."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_s(pid: int) -> float:
    """CPU seconds of a process, threads that ended included (proc_pid_stat(5): utime + stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def cpu_s_by_thread(pid: int) -> dict[str, float]:
    """CPU seconds of each live thread, by name."""
    found: dict[str, float] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            head, _, tail = (task / "stat").read_text().rpartition(")")
        except FileNotFoundError:
            continue  # it ended meanwhile
        fields, name = tail.split(), head.partition("(")[2]
        found[name] = found.get(name, 0.0) + (int(fields[11]) + int(fields[12])) / TICKS
    return found


def core_busy_s(number: int) -> float:
    """Seconds that a core was not idle (proc_stat(5)), stolen time included."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{number}":
            user, nice, system, _idle, _iowait, *others = map(int, fields[:8])
            return (user + nice + system + sum(others)) / TICKS
    return 0.0


def resident_bytes(pid: int) -> int:
    """Resident set (proc_pid_statm(5))."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def children(pid: int) -> list[int]:
    """Processes that a process has started and that are still there (proc_tid_children(5))."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):  # the thread ended meanwhile
            found += map(int, (task / "children").read_text().split())
    return found


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def listener(port: int) -> int | None:
    """Process that listens on a TCP port of this network namespace (proc_net_tcp(5), state 0A); None without one."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{fields[9]}]")
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with suppress(OSError):  # it ended, or is not ours to look into
            if any(str(link.readlink()) in sockets for link in folder.iterdir()):
                return int(folder.parent.name)
    return None


def machine() -> str:
    """Cores and their model, for tables of results."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = names[0].partition(":")[2].strip() if names else "unknown processor"
    return f"{os.cpu_count()} × {model}, Linux {os.uname().release}"
