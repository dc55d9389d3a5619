"""The listener against strangers: slow, silent, many, speaking the wrong protocol; and how it stops."""

from __future__ import annotations

import datetime
import socket
import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from appliance.errors import ConfigError
from appliance.settings import HttpSettings
from tests.support.api_server import ApiServer, serving, settings_for
from tests.support.raw_http import connection, exchange, is_closed, read_answer


def certificate(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    start = datetime.datetime(2020, 1, 1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36_500))
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def test_a_taken_port_is_one_clear_line(plain: ApiServer, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, http=HttpSettings(port=plain.port))
    with pytest.raises(ConfigError, match=rf"http.port = {plain.port}: cannot listen there"), serving(settings):
        pass


def test_tls_and_plain_http_on_the_same_port(tmp_path: Path) -> None:
    with serving(settings_for(tmp_path), tls=certificate(tmp_path)) as server:
        assert server.request("GET", "/health").status == 200
        host = f"127.0.0.1:{server.port}".encode()
        status, headers, _ = exchange(server, b"GET /abc-defg-hij?x=1 HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
        assert (status, headers["location"]) == (308, f"https://127.0.0.1:{server.port}/abc-defg-hij?x=1")
        assert exchange(server, b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n")[0] == 400
        assert exchange(server, b"\x00\x01\x02")[0] == 0
        assert server.request("GET", "/health").status == 200
        login = {"login": "x", "password": "y", "session": "cookie"}
        assert server.request("POST", "/auth/login", login).headers["Strict-Transport-Security"] is None
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2", "http/1.1"])
        with connection(server) as raw, context.wrap_socket(raw) as secure:
            assert secure.selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize(
    "data",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 32,
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000,
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        b"GET /api/v1/ws/signaling HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: \xff\r\n"
        b"Sec-WebSocket-Version: \xff\r\nSec-WebSocket-Extensions: \xff\r\nSec-WebSocket-Protocol: \xff\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
        b"GET api HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"=;" * 500 + b"\r\n\r\n",
        b"GET /api/v1/info HTTP/1.1\r\nHost: x\r\nAuthorization: \xff\xfe\r\n\r\n",
    ],
)
def test_rubbish_disturbs_nobody(plain: ApiServer, data: bytes) -> None:
    with connection(plain) as other:
        other.sendall(b"GET /api/v1/info HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(other)[0] == 200
        status, _, _ = exchange(plain, data)
        assert status != 500 and status != 101
        other.sendall(b"GET /api/v1/info HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(other)[0] == 200


def test_a_request_that_never_ends_is_given_up(tmp_path: Path) -> None:
    http = HttpSettings(port=0, header_timeout_s=0.2, keep_alive_s=0.4)
    with (
        serving(settings_for(tmp_path, http=http)) as server,
        connection(server) as silent,
        connection(server) as slow,
        connection(server) as idle,
    ):
        slow.sendall(b"GET / HTTP/1.1\r\nX: ")
        idle.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(idle)[0] == 200
        started = time.monotonic()
        assert is_closed(silent) and is_closed(slow) and is_closed(idle)
        assert time.monotonic() - started < 5


def test_more_connections_than_allowed_are_turned_away(tmp_path: Path) -> None:
    http = HttpSettings(port=0, max_connections=3)
    with serving(settings_for(tmp_path, http=http)) as server:
        kept = [socket.create_connection((server.host, server.port), timeout=10) for _ in range(3)]
        try:
            for sock in kept:
                sock.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
                assert read_answer(sock)[0] == 200
            status, headers, _ = exchange(server, b"")
            assert (status, headers["retry-after"]) == (503, "5")
            kept.pop().close()
            deadline = time.monotonic() + 10
            while exchange(server, b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n")[0] != 200:
                assert time.monotonic() < deadline
        finally:
            for sock in kept:
                sock.close()


def test_stopping_lets_idle_connections_go(tmp_path: Path) -> None:
    with serving(settings_for(tmp_path)) as server:
        sock = socket.create_connection((server.host, server.port), timeout=10)
        sock.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(sock)[0] == 200
        started = time.monotonic()
    assert time.monotonic() - started < 4  # less than the grace: nothing was waited for
    assert is_closed(sock)
    sock.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port), timeout=10)
