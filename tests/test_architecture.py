"""The shape of the code, enforced: who may import whom, who may do I/O, how long a file may be, what has a test.

Reads source text and syntax trees only; refuses to import the product.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APPLIANCE = ROOT / "appliance"

# Imports point upwards in this list. Within a layer nobody imports a neighbour, except in the first: one room.
LAYERS: list[set[str]] = [
    {"ids", "errors", "settings", "settings_check", "asyncio_thread"},
    {"events", "meeting", "signaling", "webrtc", "job_records", "settings_file", "data_folder", "_dataplane"},
    {"store", "files", "auth", "observe", "hooks", "bus", "jobs", "sfu", "recorder", "inference", "tls", "stopping",
     "process_limits"},
    {"live", "chores", "file_chores", "reactions", "recordings", "reports", "plugin_samples", "plugin_storage",
     "ai", "ai_parts", "questions"},
    {"api"},
    {"app"},
    {"console", "model_bench", "model_console", "plugin_console"},
    {"doctor"},
    {"__main__"},
]
LAYER_OF = {name: number for number, names in enumerate(LAYERS) for name in names}

# Modules that touch the world, and for what: they alone import an event loop, sockets, databases, threads, clocks or
# randomness. Everything else takes what it needs as an argument, the time too.
DOES_IO: dict[str, str] = {
    "__main__": "the process itself",
    "app": "the root nursery and the order of starting and stopping",
    "asyncio_thread": "the bridge between trio and asyncio",
    "console": "a terminal",
    "data_folder": "files, the lock of the folder, the secret",
    "doctor": "opens everything for a look",
    "ids": "randomness",
    "model_bench": "a clock, files for measurements",
    "model_console": "a terminal; models are loaded for a try",
    "plugin_console": "a terminal; plugins are started for a try",
    "plugin_samples": "a file to store, the time of day",
    "plugin_storage": "a file to hand over, calls that wait",
    "process_limits": "limits of the kernel, a thread that gives memory back",
    "settings_file": "a file and the environment",
    "stopping": "signals",
    "tls": "certificate files and their dates",
    "ai.plugged": "a loop for a plugin, in the worker",
    "api.ai": "loading a model has a deadline",
    "api.ai_functions": "questions of a batch are asked side by side",
    "api.ai_media": "large JSON is read in a thread",
    "api.ai_socket": "the tasks of a stream and their deadlines",
    "api.application": "how long a request took; answers that outlive a cancelled task",
    "api.avatars": "pictures are decoded in a thread",
    "api.http1": "what a connection may take",
    "api.media_intake": "cleans up when the client is gone",
    "api.recording_progress": "waits for changes, ends in time",
    "api.request_body": "a body waits for its reader, and its sender gets a deadline",
    "api.server": "the listener",
    "api.websocket": "a socket",
    "auth.passwords": "hashing takes threads",
    "bus.changes": "watchers wait",
    "bus.live": "listeners wait",
    "bus.redis": "Redis, in the asyncio thread",
    "bus.relay": "tasks that tell, and the time that they take",
    "files.folder": "files",
    "files.staging": "files",
    "files.probe": "a process for each file",
    "files.s3": "an S3 service, in threads",
    "files.s3_upload": "files, pauses after failures",
    "hooks.dispatch": "deadlines of calls, the pulse of each plugin",
    "hooks.plugin_thread": "a thread and a loop for each plugin",
    "hooks.running": "starts and stops plugins side by side",
    "inference.client": "tasks wait for answers and deadlines",
    "inference.keys": "ZeroMQ draws keys",
    "inference.link": "a socket",
    "inference.memory": "what the process takes, a program that knows the graphics card",
    "inference.model_thread": "a thread and a clock for each model",
    "inference.sources": "downloads",
    "inference.pulling": "folders for downloads",
    "inference.installed": "folders that become whole at once",
    "inference.supervisor": "processes",
    "inference.trio_socket": "a socket",
    "inference.worker": "a socket, threads, signals",
    "jobs.places": "threads and processes",
    "jobs.runner": "the task of each job, sleep",
    "live.camera": "the tasks of each camera",
    "live.captions": "a task that looks while captions are on",
    "live.commands": "who sent a command waits for it",
    "live.directory": "the nursery of the meetings' tasks, the time of day",
    "live.idle": "looks again each minute",
    "live.meeting_task": "the task of a meeting",
    "live.nodes": "counts and looks each ten seconds",
    "live.outside": "tasks that put commands",
    "live.recorder": "the task of each recording",
    "live.recording_rows": "journals are read in threads",
    "live.records": "writes to the store, and again after a failure",
    "live.sockets": "one task that reads and one that writes for each socket",
    "live.transcriber": "what was just looked at is not looked at again",
    "live.vision": "a task that looks while something is on",
    "live.voice": "the task of each microphone",
    "live.watcher": "what was just looked at is not looked at again",
    "reactions.returning": "a task for each plugin",
    "reactions.telling": "the tasks of the relay",
    "questions.asking": "deadlines",
    "recorder.writer": "a thread that writes, a few times a second",
    "recordings.processing": "a task that looks how far the worker process is",
    "recordings.shelf": "folders, in threads; waits for a job to stop",
    "recorder.progress": "how long the rest may take",
    "sfu.media": "the data plane's file descriptors",
    "sfu.room": "a channel of events",
    "sfu.session": "waits for the other thread",
    "sfu.transport": "randomness: SSRCs and ICE credentials",
    "reports.completions": "a socket, a deadline",
    "store.migrations": "when a step was applied",
    "store.postgresql": "asyncpg",
    "store.postgresql_listening": "asyncpg",
    "store.sqlite": "sqlite3 and its writer's thread",
    "store.wakeups": "tasks wait",
    "webrtc.data_channels": "aiortc runs in asyncio",
    "webrtc.dtls": "aiortc runs in asyncio; the certificate's dates",
}

IO_MODULES = {
    "aiofiles", "anyio", "asyncio", "asyncpg", "boto3", "concurrent", "multiprocessing", "queue", "random", "redis",
    "secrets", "selectors", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "trio",
    "trio_websocket", "urllib.request", "uuid", "zmq",
}  # fmt: skip
CLOCK_CALLS = {"now", "utcnow", "today"}  # of datetime and date

MAX_LINES = 400
VAGUE_NAMES = re.compile(r"(^|_)(utils?|common|helpers?|managers?)(_|$)")
NOT_OURS = {".git", ".venv", "node_modules", "target", "dist", "static", "build", "data", ".cache", "__pycache__"}


def _files(*suffixes: str, under: Path = ROOT) -> Iterator[Path]:
    for entry in sorted(under.iterdir()):
        if entry.is_dir():
            if entry.name not in NOT_OURS and not entry.is_symlink():
                yield from _files(*suffixes, under=entry)
        elif not suffixes or entry.suffix in suffixes:
            yield entry


def _modules() -> Iterator[tuple[str, Path]]:
    """Dotted name below ``appliance`` ("store.users", "store" for its __init__) and file of every module."""
    for path in _files(".py", under=APPLIANCE):
        parts = path.relative_to(APPLIANCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            yield name, path


def _imported(tree: ast.AST, module: str, path: Path) -> Iterator[tuple[str, int]]:
    """Absolute dotted names that a module imports, with the line."""
    package = ["appliance", *module.split(".")]
    if path.name != "__init__.py":
        package.pop()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            target = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield f"{target}.{alias.name}", node.lineno


def _where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def _complain(wrong: list[str]) -> None:
    assert not wrong, "\n" + "\n".join(wrong)


def test_imports_point_one_way() -> None:
    wrong = []
    for module, path in _modules():
        room = module.split(".")[0]
        if room not in LAYER_OF:
            wrong.append(f"{path.relative_to(ROOT)}: {room} has no layer; give it one in this test")
            continue
        for name, line in _imported(ast.parse(path.read_text()), module, path):
            parts = name.split(".")
            if parts[0] != "appliance" or len(parts) < 2 or parts[1] in (room, "__version__"):
                continue
            theirs = LAYER_OF.get(parts[1])
            if theirs is None:
                wrong.append(f"{_where(path, line)}: imports {name}, which has no layer")
            elif theirs > LAYER_OF[room]:
                wrong.append(f"{_where(path, line)}: {room} imports {parts[1]}, which stands above it")
            elif theirs == LAYER_OF[room] and theirs > 0:
                wrong.append(f"{_where(path, line)}: {room} imports its neighbour {parts[1]}")
    _complain(wrong)


def _io_of(module: str, path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    found = []
    for name, line in _imported(tree, module, path):
        parts = name.split(".")
        if parts[0] in IO_MODULES or ".".join(parts[:2]) in IO_MODULES:
            found.append(f"{_where(path, line)}: imports {name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in CLOCK_CALLS:
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if owner in ("datetime", "date"):
                found.append(f"{_where(path, node.lineno)}: reads the clock by {owner}.{node.attr}")
    return found


def test_only_listed_modules_do_io() -> None:
    _complain([line for module, path in _modules() if module not in DOES_IO for line in _io_of(module, path)])


def test_the_list_holds_nobody_else() -> None:
    modules = dict(_modules())
    wrong = [f"{entry}: no such module" for entry in sorted(DOES_IO) if entry not in modules]
    # A file or a terminal needs no import, so these two are taken at their word.
    listed = [entry for entry in sorted(DOES_IO) if entry in modules and entry not in ("__main__", "settings_file")]
    wrong += [f"{entry}: does no I/O; strike it from the list" for entry in listed if not _io_of(entry, modules[entry])]
    _complain(wrong)


def test_files_are_short() -> None:
    wrong = []
    for path in _files(".py", ".rs", ".ts", ".svelte"):
        text = path.read_text()
        lines = len(text.splitlines())
        if lines > MAX_LINES and "; do not edit" not in text[:300]:  # a generated file says so
            wrong.append(f"{path.relative_to(ROOT)}: {lines} lines, more than {MAX_LINES}")
    _complain(wrong)


def test_every_module_has_its_test() -> None:
    wrong = []
    for _, path in _modules():
        if path.name == "__init__.py":
            continue
        mirrored = ROOT / "tests" / path.relative_to(APPLIANCE)
        mirrored = mirrored.with_name(f"test_{path.stem.strip('_')}.py")
        if not mirrored.exists():
            wrong.append(f"{path.relative_to(ROOT)}: no {mirrored.relative_to(ROOT)}")
    _complain(wrong)


def test_modules_say_what_they_own() -> None:
    _complain(
        [
            f"{path.relative_to(ROOT)}: no docstring"
            for _, path in _modules()
            if ast.get_docstring(ast.parse(path.read_text())) is None
        ]
    )


def test_names_say_something() -> None:
    wrong = []
    for path in _files(".py", ".rs", ".ts", ".svelte"):
        for part in path.relative_to(ROOT).with_suffix("").parts:
            if VAGUE_NAMES.search(part.lower()):
                wrong.append(f"{path.relative_to(ROOT)}: {part} says nothing")
    _complain(wrong)


def test_asyncio_is_not_patched() -> None:
    """trio-asyncio replaces asyncio's event loop policy for the whole process and cost 5 to 7 times the CPU a call."""
    wrong = []
    for path in _files(".py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names.append(node.module)
            if any(name.split(".")[0] == "trio_asyncio" for name in names):
                wrong.append(f"{_where(path, getattr(node, 'lineno', 0))}: imports trio_asyncio")
    _complain(wrong)


def test_aiortc_is_pinned_exactly() -> None:
    """webrtc/dtls uses private names of aiortc: another version is another contract."""
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert [d for d in dependencies if re.fullmatch(r"aiortc==[0-9.]+", d)]
    assert re.search(r"^aiortc==[0-9.]+ ", (ROOT / "requirements.lock").read_text(), re.MULTILINE)


def test_a_clone_needs_nothing_beside_it() -> None:
    """No path out of the repository, no download address in a lock file."""
    outside = re.compile(r"\.\./" + "shared|(?<![\\w.])/" + r"work/")
    wrong = []
    texts = _files(".py", ".rs", ".ts", ".svelte", ".toml", ".md", ".json", ".lock", ".service", ".yml", ".yaml")
    for path in [*texts, ROOT / "Makefile", ROOT / "Dockerfile", ROOT / ".ci" / "run"]:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if outside.search(line):
                wrong.append(f"{_where(path, number)}: points outside the repository")
    for path in [*ROOT.glob("requirements*.lock"), *_files(".json")]:
        if path.suffix == ".lock" or path.name == "package-lock.json":
            text = path.read_text()
            if re.search(r'"resolved": *"http|^--(extra-)?index-url|^--find-links', text, re.MULTILINE):
                wrong.append(f"{path.relative_to(ROOT)}: carries download addresses")
    _complain(wrong)
