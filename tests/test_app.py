"""The whole server as a process: start, stop, refuse. What happens in meetings is tests/e2e's."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from trio_websocket import ConnectionClosed, wrap_client_stream

from appliance.app import certificate_names, public_url
from appliance.settings import HttpSettings, MediaSettings, Settings
from tests.support.http_client import HttpClient
from tests.support.postgres import Postgres
from tests.support.server import Server, running_server

slow = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A started server on SQLite."""
    with running_server(tmp_path) as running:
        yield running


def _serve(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `parley serve` where it must refuse."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
    return subprocess.run(
        [sys.executable, "-m", "appliance", "serve"],
        env={
            **inherited,
            "PYTHONPATH": str(Path(__file__).parent.parent),
            "PARLEY_DATA__FOLDER": str(folder / "data"),
            "PARLEY_HTTP__PORT": "0",
            "PARLEY_MEDIA__PORT": "0",
            "PARLEY_LOG__LEVEL": "warning",
            **environment,
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
    )


def _refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr of a start that was refused for a setting."""
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("parley: ")
    return line.removeprefix("parley: ")


@slow
def test_it_starts_without_settings_and_stops_on_a_signal(server: Server) -> None:
    link = re.search(r"create one: (http://127\.0\.0\.1:\d+)/setup\?token=([\w-]{43})$", server.log(), re.MULTILINE)
    assert link and link[1] == server.url
    ready = re.search(r"^ready (\S+)$", server.log(), re.MULTILINE)
    assert ready and ready[1] == server.url
    for path in ("/health", "/ready", "/metrics", "/"):
        with urllib.request.urlopen(server.url + path, timeout=5) as answer:
            assert answer.status == 200, path
    data = server.data_folder
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    for path in data.rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    started = time.monotonic()
    server.stop()  # asserts exit code 0
    assert time.monotonic() - started < 10  # the deadline, on a machine that does other things too
    assert link[2] not in server.log().replace(link[0], "")  # the token is printed once and never logged
    assert "Traceback" not in server.log()


@slow
def test_metrics_of_every_part_are_there(server: Server) -> None:
    client = server.client()
    client.text("/health")
    for name in ("active_users", "active_meetings", "signaling_sockets", "sfu_rooms", "sfu_sessions"):
        assert server.metric(name) == 0
    assert server.metric("db_connections") == 2
    assert server.metric("jobs_turns_total") >= 1
    assert server.metric("jobs_running") == 0
    assert server.metric("tasks") > 1
    assert server.metric("http_requests_total") >= 1
    assert server.metric("http_request_duration_seconds_count") >= 1
    deadline = time.monotonic() + 5
    while "sfu_packets_total{" not in client.text("/metrics"):  # the data plane's numbers come each second
        assert time.monotonic() < deadline
        time.sleep(0.1)


@slow
async def test_people_in_a_room_are_told_that_the_server_stops(server: Server) -> None:
    ann = server.client()
    account = {"username": "ann", "email": "ann@example.org", "password": "correct horse battery"}
    token = ann.post("/auth/register", account)["access_token"]
    ann = HttpClient(server.url, token)
    meeting = ann.post("/meetings", {"title": "x"})
    pass_in = ann.post(f"/meetings/{meeting['id']}/join", {})
    stream = await trio.open_tcp_stream("127.0.0.1", server.http_port)
    async with stream, trio.open_nursery() as nursery:  # closed by us: trio-websocket leaves that to the garbage
        socket = await wrap_client_stream(nursery, stream, f"127.0.0.1:{server.http_port}", pass_in["signaling_path"])
        await socket.send_message(json.dumps({"type": "join", "room": meeting["id"], "token": pass_in["token"]}))
        assert json.loads(await socket.get_message())["type"] == "joined"
        for name in ("active_users", "active_meetings", "signaling_sockets", "sfu_rooms"):
            assert server.metric(name) == 1, name
        await trio.to_thread.run_sync(server.stop)  # asserts exit code 0
        farewell = json.loads(await socket.get_message())
        assert (farewell["type"], farewell["reason"]) == ("room-closed", "server_stopping")
        assert farewell["reconnect_after_s"] > 0
        with pytest.raises(ConnectionClosed) as caught:
            await socket.get_message()
        assert caught.value.reason.code == 1001  # RFC 6455 §7.4.1: going away


@slow
def test_an_administrator_is_made_once(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        link = re.search(r"setup\?token=(\S+)", server.log())
        assert link
        account = {"username": "root", "email": "root@example.org", "password": "correct horse battery"}
        server.client().post("/setup", {**account, "token": link[1]})
        told = len(server.log())
        server.restart()
        assert "create one" not in server.log()[told:]


@slow
def test_a_second_server_on_the_folder_is_refused_and_told_why(server: Server) -> None:
    line = _refused(_serve(server.folder))
    assert line.startswith(f"data.folder = '{server.data_folder}': in use by process {server.pid} on ")
    server.client().text("/health")


@slow
def test_a_taken_port_is_named(server: Server, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    line = _refused(_serve(other, PARLEY_HTTP__PORT=str(server.http_port)))
    assert f"http.port = {server.http_port}" in line
    line = _refused(_serve(other, PARLEY_MEDIA__PORT=str(server.media_port)))
    assert f"media.port {server.media_port}" in line or f"media.port = {server.media_port}" in line
    server.client().text("/health")


@slow
@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("PARLEY_HTTP__PROT", "1", "http.prot: unknown key, did you mean port? (PARLEY_HTTP__PROT)"),
        ("PARLEY_DATA__FOLDER", "/proc/none", "data.folder = '/proc/none': cannot be made"),
        ("PARLEY_HTTP__HOST", "203.0.113.1", "http.host = '203.0.113.1'"),
        ("PARLEY_MEDIA__HOSTS", "203.0.113.1", "203.0.113.1"),
        ("PARLEY_TLS__FOLDER", "/nowhere", "/nowhere/fullchain.pem"),
        ("PARLEY_DATABASE__URL", "postgresql://u:hidden@127.0.0.1:1/x", "database.url: 127.0.0.1:1/x"),
    ],
)
def test_a_setting_that_cannot_be_is_one_line(tmp_path: Path, variable: str, value: str, sentence: str) -> None:
    line = _refused(_serve(tmp_path, **{variable: value}))
    assert sentence in line
    assert "hidden" not in line


@slow
def test_a_killed_server_starts_again_with_everything(tmp_path: Path) -> None:
    account = {"username": "ann", "email": "ann@example.org", "password": "correct horse battery"}
    with running_server(tmp_path) as server:
        server.client().post("/auth/register", account)
        server.kill()
        server.start()
        server.client().post("/auth/login", {"login": "ann", "password": account["password"]})


@slow
def test_a_signal_during_the_start_gives_it_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a database that accepts and never answers
        url = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/x"
        environ = {**os.environ, "PARLEY_DATABASE__URL": url, "PARLEY_DATA__FOLDER": str(tmp_path / "data")}
        process = subprocess.Popen(
            [sys.executable, "-m", "appliance", "serve"],
            env={**environ, "PARLEY_DATABASE__CONNECT_TIMEOUT_S": "60"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            silent.settimeout(20)
            accepted = silent.accept()[0]
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=10)
            accepted.close()
        finally:
            process.kill()
            process.wait(10)
    assert process.returncode == 0, output
    assert "ready" not in output


@slow
def test_it_serves_on_postgresql(postgres: Postgres, tmp_path: Path) -> None:
    account = {"username": "ann", "email": "ann@example.org", "password": "correct horse battery"}
    with running_server(tmp_path, {"PARLEY_DATABASE__URL": postgres.new_database()}) as server:
        server.client().post("/auth/register", account)
        server.restart()
        server.client().post("/auth/login", {"login": "ann", "password": account["password"]})
        assert not list(server.data_folder.glob("*.sqlite3*"))


@slow
def test_beyond_loopback_it_speaks_https_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    environ = {"PARLEY_HTTP__HOST": "0.0.0.0", "PARLEY_TLS__NAMES": "meet.example.org"}
    with running_server(tmp_path, environ) as server:
        ready = re.search(r"^ready (https://\S+)$", server.log(), re.MULTILINE)
        assert ready
        trusting = ssl.create_default_context(cafile=server.data_folder / "tls" / "fullchain.pem")
        url = f"https://127.0.0.1:{server.http_port}/health"
        with urllib.request.urlopen(url, timeout=5, context=trusting) as answer:
            assert answer.status == 200
        with (
            socket.create_connection(("127.0.0.1", server.http_port), 5) as raw,
            trusting.wrap_socket(raw, server_hostname="meet.example.org") as tls,
        ):
            assert tls.version() == "TLSv1.3"


@slow
def test_every_address_means_both_families(tmp_path: Path) -> None:
    environ = {"PARLEY_HTTP__HOST": "::", "PARLEY_TLS__MODE": "off"}
    with running_server(tmp_path, environ) as server:
        assert "plain_http_beyond_loopback" in server.log()
        families = ["127.0.0.1"]
        if socket.has_dualstack_ipv6():
            families.append("[::1]")
        for host in families:
            with urllib.request.urlopen(f"http://{host}:{server.http_port}/health", timeout=5) as answer:
                assert answer.status == 200


def _settings(host: str = "127.0.0.1", url: str = "", announced: tuple[str, ...] = ()) -> Settings:
    return Settings(http=HttpSettings(host=host, public_url=url), media=MediaSettings(announced_addresses=announced))


@pytest.mark.parametrize(
    ("settings", "bound", "secure", "url"),
    [
        (_settings(), [("127.0.0.1", 8800)], False, "http://127.0.0.1:8800"),
        (_settings("::1"), [("::1", 8800)], False, "http://[::1]:8800"),
        (_settings("0.0.0.0"), [("0.0.0.0", 8800)], True, "https://192.0.2.7:8800"),
        (_settings("::"), [("::", 443)], True, "https://[2001:db8::7]"),
        (_settings("0.0.0.0"), [("0.0.0.0", 80)], False, "http://192.0.2.7"),
        (_settings("0.0.0.0", "https://meet.example.org/"), [("0.0.0.0", 1)], True, "https://meet.example.org"),
    ],
)
def test_the_url_is_one_that_people_can_open(
    settings: Settings, bound: list[tuple[str, int]], secure: bool, url: str
) -> None:
    addresses = ["127.0.0.1", "::1", "2001:db8::7", "192.0.2.7"]
    assert public_url(settings, bound, addresses, secure=secure) == url


def test_a_certificate_names_every_way_in() -> None:
    names = certificate_names(_settings("0.0.0.0", "https://meet.example.org", ("198.51.100.1",)), ["192.0.2.7", "::1"])
    assert names[:4] == ["meet.example.org", "198.51.100.1", "192.0.2.7", "::1"]
    assert "0.0.0.0" not in names
    assert "parley.example.org" in certificate_names(_settings("parley.example.org"), [])
