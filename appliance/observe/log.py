"""One line for each thing that happened: for people on a terminal, JSON otherwise.

Owns the shape of a line, the capture of what libraries log and warn, and the rule that no secret is ever written;
refuses to know what happens. A line is an event in the past tense and its fields, as
``_log.info("meeting_started", meeting=meeting_id)``. Ids bound with ``structlog.contextvars`` (request, meeting) are
on every line below them, across the asyncio thread and the database's too.

Lines go to stderr; stdout carries only what a person or a script waits for.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from appliance.settings import LogSettings

_HIDDEN = "[hidden]"
# Field names that hold a secret, whoever chose them.
_SECRET_NAME = re.compile(
    r"(^|[_\-.])(password|passwd|passcode|secret|token|credential|authorization|cookie|api_key|private_key)s?"
    r"(_hash)?($|[_\-.])",
    re.IGNORECASE,
)
# Secrets inside texts: signed tokens, bearer headers, passwords of URLs, one-time links. Every repetition that could
# run over the whole text from each of its places is bounded: the texts may be a stranger's.
_SECRET_TEXT = (
    (re.compile(r"\beyJ[\w\-]{8,}\.[\w\-]+\.[\w\-]*"), _HIDDEN),
    (re.compile(r"(?i)\b(bearer|basic)\s{1,8}[\w\-.~+/=]{8,}"), rf"\1 {_HIDDEN}"),
    (re.compile(r"(://[^\s:/@]{0,256}):[^\s@/]{1,256}@"), rf"\1:{_HIDDEN}@"),
    (re.compile(r"(?i)([?&#](?:\w{0,32}token|code|secret|key)=)[^\s&#\"']+"), rf"\1{_HIDDEN}"),
    (re.compile(r"(/shared/)[\w\-]{8,}"), rf"\1{_HIDDEN}"),  # a link to a recording
)
# A remote peer chooses some texts; a longer one says no more and fills disks.
_TEXT_MAX = 4000
_TRACEBACK_MAX = 32_000
_TRACEBACKS = frozenset({"exception", "stack"})
# C0, DEL and C1 (ECMA-48): they would move a terminal's cursor or forge lines.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_CONTROLS_BUT_LAYOUT = {code: text for code, text in _CONTROLS.items() if chr(code) not in "\n\t"}
_DEPTH_MAX = 6

# Libraries whose "info" is our "debug": each would write a line for each request, connection check or packet.
_CHATTY = ("hypercorn.access", "hypercorn.error", "aioice", "aiortc", "asyncio", "quart.app", "quart.serving", "PIL")

_levels: Mapping[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging; the last call wins. `stream` None: stderr."""
    target = stream if stream is not None else sys.stderr
    people = settings.format == "console" or (settings.format == "auto" and target.isatty())
    level = _levels[settings.level]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f" if people else "iso", utc=not people, key="time"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        # A logger made at import time must follow this call.
        cache_logger_on_first_use=False,
    )
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=target.isatty(), timestamp_key="time", pad_event_to=24)
        if people
        else _render_json
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.DEBUG if level == logging.DEBUG else logging.WARNING)
    logging.captureWarnings(True)


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace values of fields with telling names, and secrets inside texts."""
    for key in list(event):
        if not key.startswith("_"):  # structlog's own record and logger
            event[key] = _hide(key, event[key], 0)
    return event


def _hide(key: str, value: Any, depth: int) -> Any:
    if _SECRET_NAME.search(key) and value is not None and not isinstance(value, bool):
        return _HIDDEN
    if isinstance(value, str):
        return _hide_in_text(value, layout=key in _TRACEBACKS)
    if isinstance(value, BaseException):
        return _hide_in_text(f"{type(value).__name__}: {value}")
    if depth >= _DEPTH_MAX:
        return f"<{type(value).__name__}>"
    if isinstance(value, Mapping):
        return {str(name): _hide(str(name), inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_hide(key, inner, depth + 1) for inner in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return _hide_in_text(repr(value))


def _hide_in_text(text: str, *, layout: bool = False) -> str:
    """`layout`: line ends and tabs may stay."""
    longest = _TRACEBACK_MAX if layout else _TEXT_MAX
    shown = text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"
    for pattern, replacement in _SECRET_TEXT:
        shown = pattern.sub(replacement, shown)
    shown = shown.translate(_CONTROLS_BUT_LAYOUT if layout else _CONTROLS)
    return shown if shown.isascii() else shown.encode("utf-8", "backslashreplace").decode()


def _render_json(_logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]) -> str:
    """Time, level and event first, as people read them in a raw file."""
    first = {key: event.pop(key) for key in ("time", "level", "event") if key in event}
    return msgspec.json.encode({**first, **event}, enc_hook=repr).decode()
