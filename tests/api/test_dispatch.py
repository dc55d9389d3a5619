"""What every endpoint does the same way: bodies, types, sizes, methods, limits, proxies, cookies on TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.settings import HttpSettings, LimitsSettings
from tests.support.api_server import PASSWORD, ApiServer, serving, settings_for
from tests.support.raw_http import connection, read_answer

LOGIN = b'{"login": "ann", "password": "correct horse"'


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        LOGIN + b', "login": "bob"}',
        LOGIN + b', "x": NaN}',
        LOGIN + b', "x": -Infinity}',
        LOGIN + b', "x": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        LOGIN + b', "x": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}",
        b'{"login": "\\ud800", "password": "correct horse"}',
        b'{"login": "a\\u0000b", "password": "correct horse"}',
        b'{"login": "\xff", "password": "correct horse"}',
        b'{"login": "\xed\xa0\x80", "password": "correct horse"}',
        LOGIN + b', "x": ' + b"9" * 5_000 + b"}",
        LOGIN + b"} {}",
        b"\xef\xbb\xbf" + LOGIN + b"}",
        LOGIN + b',"x":1e999999}',
    ],
)
def test_json_that_two_parsers_could_read_differently_is_refused(plain: ApiServer, raw: bytes) -> None:
    answer = plain.request("POST", "/auth/login", raw=raw)
    assert answer.status == 400
    assert answer.code in ("invalid_json", "invalid_field")


def test_content_types(plain: ApiServer) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        answer = plain.request("POST", "/auth/login", raw=LOGIN + b"}", headers={"Content-Type": media_type})
        assert (answer.status, answer.code) == (415, "unsupported_media_type")
    fine = plain.request(
        "POST", "/auth/login", raw=LOGIN + b"}", headers={"Content-Type": "application/json; charset=utf-8"}
    )
    assert fine.code == "invalid_credentials"


def test_a_body_beyond_the_limit_is_refused_and_the_answer_is_read(plain: ApiServer) -> None:
    for size in (65_537, 1_000_000, 5_000_000):
        answer = plain.request("POST", "/auth/login", raw=b" " * size)
        assert (answer.status, answer.code) == (413, "payload_too_large")


def test_a_body_without_a_length_is_counted(plain: ApiServer) -> None:
    head = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += b"Transfer-Encoding: chunked\r\n\r\n"
    with connection(plain) as sock:
        sock.sendall(head)
        try:
            for _ in range(200):
                sock.sendall(b"4000\r\n" + b" " * 0x4000 + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert read_answer(sock)[0] == 413


def test_unknown_paths_and_methods(plain: ApiServer) -> None:
    assert plain.request("GET", "/nothing").code == "not_found"
    assert plain.request("POST", "/nothing", {}).code == "not_found"
    assert plain.request("POST", "!/nothing", {}).code == "not_found"
    wrong = plain.request("DELETE", "/auth/login")
    assert (wrong.status, wrong.code) == (405, "method_not_allowed")
    assert "POST" in wrong.headers["Allow"]
    assert plain.request("GET", "!//evil.example/").status != 308
    for path in ("/users/%00", "/users/a%0ab", "/meetings/%ff"):
        assert plain.request("GET", path, token=plain.user(f"p{abs(hash(path))}").token).status == 404
    assert plain.request("GET", "/info?x=1").error == "invalid_field: x"


def test_a_head_request_has_no_body(plain: ApiServer) -> None:
    answer = plain.request("HEAD", "/info")
    assert answer.status == 200 and answer.body == b"" and int(answer.headers["Content-Length"]) > 100


def test_sign_ins_are_limited_by_address_and_by_account(tmp_path: Path) -> None:
    limits = LimitsSettings(login_per_minute=3)
    settings = settings_for(tmp_path, limits=limits, http=HttpSettings(port=0, trusted_proxies=["127.0.0.0/8"]))
    with serving(settings) as server:
        server.user("ann")

        def login(address: str, name: str = "ann", password: str = "wrong password") -> int:
            body = {"login": name, "password": password}
            return server.request("POST", "/auth/login", body, headers={"X-Forwarded-For": address}).status

        assert [login("192.0.2.1") for _ in range(4)] == [401, 401, 401, 429]
        answer = server.request("POST", "/auth/login", {}, headers={"X-Forwarded-For": "192.0.2.1"})
        assert answer.code == "rate_limited" and 1 <= int(answer.headers["Retry-After"]) <= 20
        assert login("192.0.2.2", "ann", PASSWORD) == 200
        # The account's own bucket: three times the address's.
        statuses = [login(f"192.0.2.{n}") for n in range(10, 20)]
        assert statuses.count(429) >= 4
        server.clock.ahead_ms += 60_000
        assert login("192.0.2.1", "ann", PASSWORD) == 200


def test_a_stranger_cannot_choose_an_address(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, limits=LimitsSettings(login_per_minute=2))
    with serving(settings) as server:
        body = {"login": "ann", "password": "wrong password"}
        statuses = [
            server.request("POST", "/auth/login", body, headers={"X-Forwarded-For": f"192.0.2.{n}"}).status
            for n in range(4)
        ]
        assert statuses == [401, 401, 429, 429]


def test_a_user_has_one_bucket_wherever_the_requests_come_from(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, limits=LimitsSettings(api_per_minute=5, register_per_hour=10))
    with serving(settings) as server:
        ann, bob = server.user("ann"), server.user("bob")
        assert [ann.get("/profile").status for _ in range(6)] == [200] * 5 + [429]
        assert bob.get("/profile").status == 200


def test_behind_a_proxy_that_ends_tls_cookies_are_secure(tmp_path: Path) -> None:
    http = HttpSettings(port=0, trusted_proxies=["127.0.0.1"], public_url="https://meet.example.org")
    with serving(settings_for(tmp_path, http=http)) as server:
        server.user("ann")
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1", "Host": "meet.example.org"}
        body = {"login": "ann", "password": PASSWORD, "session": "cookie"}
        answer = server.request("POST", "/auth/login", body, headers={**headers, "Origin": "https://meet.example.org"})
        assert answer.status == 200
        assert all("Secure" in line for line in answer.headers.get_all("Set-Cookie") or [""])
        evil = server.request("POST", "/auth/login", body, headers={**headers, "Origin": "http://meet.example.org"})
        assert evil.code == "csrf_failed"


def test_a_bug_is_a_500_with_a_request_id_and_no_details(plain: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    ann = plain.user("unlucky")
    meeting = ann.post("/meetings").data["id"]

    def broken(meeting_id: str) -> int:
        raise RuntimeError("secret detail")

    plain.ledger.participant_count = broken  # type: ignore[method-assign]
    try:
        answer = ann.get(f"/meetings/{meeting}")
    finally:
        del plain.ledger.participant_count  # type: ignore[method-assign]
    assert (answer.status, answer.code) == (500, "internal_error")
    assert b"secret" not in answer.body
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    assert ann.get(f"/meetings/{meeting}").status == 200
