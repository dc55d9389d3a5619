"""One line for each thing, in the right shape, without secrets; libraries and threads included."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from appliance.asyncio_thread import open_asyncio_thread
from appliance.observe import log
from appliance.settings import LogSettings


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    """Logging is the process's: leave it as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def lines() -> io.StringIO:
    """Where JSON lines go."""
    stream = io.StringIO()
    log.configure(LogSettings(), stream)
    return stream


def _read(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_where_nobody_looks(lines: io.StringIO) -> None:
    structlog.get_logger("appliance.live").info("meeting_started", meeting="mtg_1", people=3)
    (line,) = _read(lines)
    assert list(line)[:3] == ["time", "level", "event"]
    assert line["time"].endswith("Z")
    del line["time"]
    assert line == {
        "level": "info",
        "event": "meeting_started",
        "logger": "appliance.live",
        "meeting": "mtg_1",
        "people": 3,
    }


def test_a_line_is_for_people_on_a_terminal() -> None:
    stream = _Terminal()
    log.configure(LogSettings(), stream)
    structlog.get_logger("x").info("meeting_started", meeting="mtg_1")
    assert "meeting_started" in stream.getvalue()
    assert "\x1b[" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.parametrize(("format", "json_lines"), [("console", False), ("json", True)])
def test_the_format_may_be_insisted_on(format: Any, json_lines: bool) -> None:
    stream = _Terminal() if json_lines else io.StringIO()
    log.configure(LogSettings(format=format), stream)
    structlog.get_logger("x").info("something")
    assert stream.getvalue().startswith("{") is json_lines
    assert ("\x1b[" in stream.getvalue()) is False


def test_levels_hold_back() -> None:
    stream = io.StringIO()
    log.configure(LogSettings(level="warning"), stream)
    logger = structlog.get_logger("x")
    logger.info("quiet")
    logger.warning("loud")
    logging.getLogger("library").info("quiet")
    logging.getLogger("library").error("loud")
    assert [line["event"] for line in _read(stream)] == ["loud", "loud"]


def test_loggers_made_before_follow() -> None:
    logger = structlog.get_logger("early")
    stream = io.StringIO()
    log.configure(LogSettings(), stream)
    logger.info("late")
    assert [line["event"] for line in _read(stream)] == ["late"]


def test_libraries_and_warnings_are_lines_too(lines: io.StringIO) -> None:
    logging.getLogger("library").warning("lost %d packets", 3)
    logging.getLogger("aiortc.rtcdtlstransport").info("chatter")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old", stacklevel=1)
    events = _read(lines)
    assert [(line["logger"], line["level"]) for line in events] == [("library", "warning"), ("py.warnings", "warning")]
    assert events[0]["event"] == "lost 3 packets"
    assert "old" in events[1]["event"]


def test_exceptions_carry_their_traceback_in_one_line(lines: io.StringIO) -> None:
    try:
        raise LookupError("no such thing")
    except LookupError:
        structlog.get_logger("x").exception("failed")
        logging.getLogger("library").exception("failed")
    for line in _read(lines):
        assert "Traceback" in line["exception"]
        assert "LookupError: no such thing" in line["exception"]


SECRET = "hunter2-hunter2-hunter2"


@pytest.mark.parametrize(
    "fields",
    [
        {"password": SECRET},
        {"Passcode": SECRET},
        {"join_token": SECRET},
        {"token": SECRET},
        {"tokens": [SECRET]},
        {"client_secret": SECRET},
        {"cookie": SECRET},
        {"authorization": SECRET},
        {"password_hash": SECRET},
        {"body": {"inner": {"new_password": SECRET}}},
        {"servers": [{"credential": SECRET}]},
        {"headers": {"Authorization": f"Bearer {SECRET}"}},
        {"header": f"Bearer {SECRET}"},
        {"url": f"postgresql://ann:{SECRET}@db/parley"},
        {"link": f"https://meet.example.org/setup?token={SECRET}"},
        {"link": f"https://meet.example.org/x?a=1&resume_token={SECRET}&b=2"},
        {"path": f"/api/v1/shared/{SECRET}/file"},
        {"jwt": f"eyJhbGciOiJIUzI1NiJ9.{SECRET}.c2lnbmF0dXJl"},
        {"error": ValueError(f"cannot open postgresql://ann:{SECRET}@db/parley")},
        {"raw": SECRET.encode()},
        {"deep": [[[[[[[[{"password": SECRET}]]]]]]]]},
    ],
)
def test_secrets_are_never_written(lines: io.StringIO, fields: dict[str, Any]) -> None:
    structlog.get_logger("x").info("something", **fields)
    logging.getLogger("library").warning("%r", f"postgresql://ann:{SECRET}@db/parley")
    try:
        raise ValueError(f"postgresql://ann:{SECRET}@db/parley")
    except ValueError:
        structlog.get_logger("x").exception("failed")
    assert lines.getvalue().count("\n") == 3
    assert SECRET not in lines.getvalue()


def test_what_only_sounds_like_a_secret_stays(lines: io.StringIO) -> None:
    fields = {"token_count": 3, "author": "ann", "secretary": "ben", "has_passcode": True, "key": "avatars/a.webp"}
    structlog.get_logger("x").info("secret_drawn", **fields)
    (line,) = _read(lines)
    assert line["event"] == "secret_drawn"
    assert {key: line[key] for key in ("author", "secretary", "has_passcode", "key")} == {
        "author": "ann",
        "secretary": "ben",
        "has_passcode": True,
        "key": "avatars/a.webp",
    }


def test_a_strangers_text_cannot_forge_or_fill_lines(lines: io.StringIO) -> None:
    structlog.get_logger("x").info("chat", text='line\n{"event":"forged"}\r\x1b[2J', long="x" * 100_000, half="\ud83d")
    (line,) = _read(lines)
    assert line["event"] == "chat"
    assert len(lines.getvalue()) < 10_000
    assert "\x1b" not in lines.getvalue()


def test_a_strangers_text_cannot_move_the_cursor_of_a_terminal() -> None:
    stream = io.StringIO()
    log.configure(LogSettings(format="console"), stream)
    structlog.get_logger("x").info("chat", text="\x1b[2J\x07", name="a\nb")
    assert "\x1b" not in stream.getvalue()
    assert "\x07" not in stream.getvalue()
    assert stream.getvalue().count("\n") == 1


async def test_bound_ids_are_on_lines_of_the_asyncio_thread(lines: io.StringIO) -> None:
    async def work() -> None:
        structlog.get_logger("x").info("over_there")
        await asyncio.sleep(0)

    async with open_asyncio_thread() as thread:
        with structlog.contextvars.bound_contextvars(request="req_1"):
            await thread.call(work)
            structlog.get_logger("x").info("here")
        structlog.get_logger("x").info("after")
    assert [(line["event"], line.get("request")) for line in _read(lines)] == [
        ("over_there", "req_1"),
        ("here", "req_1"),
        ("after", None),
    ]
