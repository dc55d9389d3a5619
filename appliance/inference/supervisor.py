"""Keeps one local worker running: starts it, relays its log, kills it when it is silent, starts it again.

Owns the process and its endpoint; refuses to know requests. A worker that ended is started again after
`_FIRST_PAUSE_S`, each time twice as long up to `_MOST_PAUSE_S`, and after a minute of good work the pause is short
again. The process gets no environment but what Python and the graphics card need: it decodes what strangers send, and
none of our secrets shall be in it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import msgspec
import structlog
import trio

from appliance.inference.link import Link
from appliance.inference.worker_config import EXIT_REASONS, WorkerConfig

_log = structlog.get_logger(__name__)

_FIRST_PAUSE_S = 0.2
_MOST_PAUSE_S = 30.0
_WELL_AFTER_S = 60.0
_STOP_WITHIN_S = 4.0
"""More than what the worker gives the batches that run; less than `stopping.DEADLINE_S`."""
_LINE_MAX = 16_384
"""Of its log."""
_ENVIRONMENT = (
    "PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR", "HOME", "TZ", "PYTHONPATH", "VIRTUAL_ENV",
    "OMP_NUM_THREADS", "ORT_DISABLE_TELEMETRY",
)  # fmt: skip
_ENVIRONMENT_PREFIXES = ("CUDA_", "NVIDIA_", "NCCL_", "TENSORRT_")
_LEVELS = {"debug", "info", "warning", "error", "critical"}


class Supervisor:
    """One worker process after another."""

    def __init__(self, link: Link, config: WorkerConfig) -> None:
        """``config.endpoint`` is replaced by one of our own at each start."""
        self._link = link
        self._config = config
        self.starts = 0
        self.pid: int | None = None

    async def serve(self) -> None:
        """For ever; cancelled, the worker may finish what it runs, and is ended."""
        # Its own folder, readable for us alone; in /tmp, because a socket's path has at most 107 bytes (unix(7)).
        folder = Path(mkdtemp(prefix="parley-ai-"))
        try:
            pause_s = _FIRST_PAUSE_S
            while True:
                self.starts += 1
                began_s = trio.current_time()
                reason = await self._live(folder / f"{self.starts}.sock")
                if trio.current_time() - began_s > _WELL_AFTER_S:
                    pause_s = _FIRST_PAUSE_S
                _log.error("ai_worker_ended", worker=self._link.key, reason=reason, again_in_s=round(pause_s, 1))
                self._link.reason = reason
                await trio.sleep(pause_s)
                pause_s = min(_MOST_PAUSE_S, 2 * pause_s)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _live(self, path: Path) -> str:
        """One process from start to end; why it ended."""
        endpoint = f"ipc://{path}"
        config = msgspec.json.encode(msgspec.structs.replace(self._config, endpoint=endpoint))
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "appliance.inference.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=_environment(),
        )
        self.pid = process.pid
        _log.info("ai_worker_started", worker=self._link.key, pid=process.pid)
        assert process.stdin is not None
        reason = ""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._relay, process)
            lived = False
            try:
                with trio.CancelScope() as life:
                    nursery.start_soon(_cancel_after, process, life)
                    try:
                        await process.stdin.send_all(config + b"\n")
                    except trio.BrokenResourceError:
                        reason = "it ended before it read its configuration"
                        await trio.sleep_forever()  # until that is noticed
                    reason = await self._link.live(endpoint)
                lived = True
            finally:
                await _end(process, at_once=lived)
                self.pid = None
        killed_by_us = bool(reason) and process.returncode == -9
        return reason if killed_by_us else _said(process.returncode or 0)

    async def _relay(self, process: trio.Process) -> None:
        """Put its log into ours, to its last word; the process ends for certain."""
        assert process.stderr is not None
        rest = b""
        with trio.CancelScope(shield=True):
            async for part in process.stderr:
                *lines, rest = (rest + part).split(b"\n")
                rest = rest[-_LINE_MAX:]
                for line in lines:
                    self._say(line)
            await process.stderr.aclose()
        self._say(rest)

    def _say(self, line: bytes) -> None:
        text = line.strip()
        if not text:
            return
        try:
            fields: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
            event, level = str(fields.pop("event")), str(fields.pop("level", "info"))
        except (msgspec.DecodeError, KeyError, UnicodeDecodeError):
            # of a native library, or the traceback of a start that failed
            _log.warning("ai_worker_said", worker=self._link.key, text=text[:_LINE_MAX].decode("utf-8", "replace"))
            return
        fields = {name: value for name, value in fields.items() if name not in ("worker", "logger", "timestamp")}
        getattr(_log, level if level in _LEVELS else "info")(event, worker=self._link.key, **fields)


async def _cancel_after(process: trio.Process, scope: trio.CancelScope) -> None:
    with trio.CancelScope(shield=True):
        await process.wait()
    scope.cancel()


async def _end(process: trio.Process, *, at_once: bool) -> None:
    """Kill it, or close its standard input, which says that it may finish what runs."""
    assert process.stdin is not None
    with trio.CancelScope(shield=True):
        if at_once and process.returncode is None:
            process.kill()
        await process.stdin.aclose()
        with trio.move_on_after(_STOP_WITHIN_S) as patience:
            await process.wait()
        if patience.cancelled_caught:
            _log.warning("ai_worker_slow_to_stop", pid=process.pid)
            process.kill()
            await process.wait()


def _said(code: int) -> str:
    if code in EXIT_REASONS:
        return EXIT_REASONS[code]
    return f"signal {-code} ended it" if code < 0 else f"it ended with exit code {code}"


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name in _ENVIRONMENT or name.startswith(_ENVIRONMENT_PREFIXES)
    }
