"""Around every request: its id, its one line in the log, the headers that protect the page."""

from __future__ import annotations

import time

import pytest
import structlog

from tests.support.api_server import ApiServer


def test_every_answer_has_an_id_and_the_headers(plain: ApiServer) -> None:
    seen = set()
    for path in ("/info", "!/", "!/docs", "/nothing", "/profile", "!/health"):
        headers = plain.request("GET", path).headers
        assert headers["X-Request-Id"].startswith("req_")
        seen.add(headers["X-Request-Id"])
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Server"] is None and headers["Strict-Transport-Security"] is None
    assert len(seen) == 6


def test_an_id_of_the_clients_is_not_taken_over(plain: ApiServer) -> None:
    answer = plain.request("GET", "/info", headers={"X-Request-Id": "mine"})
    assert answer.headers.get_all("X-Request-Id") != ["mine"]


def test_the_policy_names_this_hosts_sockets(plain: ApiServer) -> None:
    policy = plain.request("GET", "!/").headers["Content-Security-Policy"]
    assert f"connect-src 'self' ws://{plain.host}:{plain.port};" in policy
    odd = plain.request("GET", "!/", headers={"Host": "a;script-src *"}).headers["Content-Security-Policy"]
    assert "connect-src 'self';" in odd and "script-src *" not in odd
    six = plain.request("GET", "!/", headers={"Host": "[fd77::1]:8800"}).headers["Content-Security-Policy"]
    assert "connect-src 'self';" in six


def wait_for(lines: list[structlog.typing.EventDict], count: int) -> None:
    """The line comes once the answer is out, so the client may be faster."""
    deadline = time.monotonic() + 5
    while len(lines) < count and time.monotonic() < deadline:
        time.sleep(0.005)


def test_one_line_for_each_request(plain: ApiServer) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        answer = plain.request("GET", "/info")
        ours = {answer.headers["X-Request-Id"], plain.request("GET", "/nothing?token=secret").headers["X-Request-Id"]}
        # A line follows its answer: that of a test before may still come, and the second one may overtake the first.
        deadline = time.monotonic() + 5
        while not ours <= {line.get("request") for line in lines} and time.monotonic() < deadline:
            time.sleep(0.005)
    lines = [line for line in lines if line["request"] in ours]
    assert [line["event"] for line in lines] == ["http_answered"] * 2
    first, second = sorted(lines, key=lambda line: line["status"])
    assert first["request"] == answer.headers["X-Request-Id"]
    assert (first["method"], first["path"], first["status"], first["peer"]) == ("GET", "/api/v1/info", 200, "127.0.0.1")
    assert first["bytes"] == len(answer.body) and first["ms"] >= 0
    assert (second["path"], second["status"]) == ("/api/v1/nothing", 404)
    assert "secret" not in str(second)


@pytest.mark.parametrize("path", ["!/health", "!/ready", "!/metrics"])
def test_checks_that_come_every_second_are_quiet(plain: ApiServer, path: str) -> None:
    with structlog.testing.capture_logs() as lines:
        plain.request("GET", path)
        wait_for(lines, 1)
    assert [line["log_level"] for line in lines] == ["debug"]
