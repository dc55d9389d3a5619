"""``parley doctor``: each part is looked at as the server opens it, before the first start and beside a running one."""

from __future__ import annotations

import datetime
import json
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from appliance.__main__ import main
from appliance.inference.runtime import card_is_there
from tests.support.inference_world import entry_text
from tests.support.ports import free_port
from tests.support.postgres import Postgres
from tests.support.redis_server import running_redis
from tests.support.s3_server import SECRET, running_s3
from tests.support.server import running_server
from tests.test_main import _place  # the same place for commands

__all__ = ["_place"]

pytestmark = pytest.mark.slow

Found = dict[str, list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _ports(_place: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("HTTP", "MEDIA"):
        monkeypatch.setenv(f"PARLEY_{name}__PORT", str(free_port()))
    yield


def look(capsys: pytest.CaptureFixture[str], *, code: int) -> Found:
    """The report by area; the exit code and the sums fit what it says."""
    assert main(["doctor", "--json"]) == code
    report = json.loads(capsys.readouterr().out)
    levels = [finding["level"] for finding in report["findings"]]
    assert (report["wrong"], report["warnings"]) == (levels.count("wrong"), levels.count("warning"))
    assert code == (1 if report["wrong"] else 0)
    found: Found = {}
    for finding in report["findings"]:
        found.setdefault(finding["area"], []).append(finding)
    return found


def only(found: Found, area: str, level: str) -> str:
    """What the one finding of an area says."""
    (finding,) = found[area]
    assert finding["level"] == level, finding
    return str(finding["text"])


def test_before_the_first_start_nothing_is_wrong_and_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = look(capsys, code=0)
    for area in ("data folder", "database", "storage"):
        assert "is made at the first start" in only(found, area, "note")
    for area in ("settings", "http port", "media port", "certificate", "recordings"):
        only(found, area, "good")
    assert found["models"][0]["advice"] == "parley models pull"
    assert "plugins" not in found and "bus" not in found
    assert list(tmp_path.iterdir()) == []
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "\nnote     data folder  data is made at the first start\n" in shown
    assert "→ parley models pull" in shown and shown.rstrip().endswith("to be looked at")


def test_settings_that_are_no_good_are_all_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARLEY_MEDIA__PORT", "many")
    found = look(capsys, code=1)
    assert list(found) == ["settings"] and "media.port" in only(found, "settings", "wrong")
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.startswith("WRONG    settings  media.port")


def test_beside_a_running_server_its_ports_are_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_server(tmp_path / "server") as server:
        monkeypatch.setenv("PARLEY_DATA__FOLDER", str(server.data_folder))
        monkeypatch.setenv("PARLEY_HTTP__PORT", str(server.http_port))
        monkeypatch.setenv("PARLEY_MEDIA__PORT", str(server.media_port))
        found = look(capsys, code=0)
        assert f"served from by process {server.pid} on " in only(found, "data folder", "good")
        assert "answers" in only(found, "http port", "good")
        only(found, "media port", "note")
        assert [finding["level"] for finding in found["database"]] == ["good", "note"]
        assert "no administrator" in found["database"][1]["text"]
        server.administrator()
        assert "sqlite, schema " in only(look(capsys, code=0), "database", "good")
        monkeypatch.setenv("PARLEY_HTTP__PORT", str(free_port()))
        only(look(capsys, code=1), "http port", "wrong")
        assert server.client().text("/health")
    assert "no server runs" in only(look(capsys, code=0), "data folder", "good")


def test_ports_of_others_are_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        for name, taken in (("HTTP", tcp), ("MEDIA", udp)):
            taken.bind(("0.0.0.0", 0))
            monkeypatch.setenv(f"PARLEY_{name}__PORT", str(taken.getsockname()[1]))
        tcp.listen()
        found = look(capsys, code=1)
        assert f"http.port = {tcp.getsockname()[1]}" in only(found, "http port", "wrong")
        assert f"media.port {udp.getsockname()[1]}" in only(found, "media port", "wrong")


def test_a_spoilt_data_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "secret.key").write_bytes(b"short")
    (data / "secret.key").chmod(0o600)
    assert "holds 5 bytes instead of 32" in only(look(capsys, code=1), "data folder", "wrong")
    assert [path.name for path in data.iterdir()] == ["secret.key"]
    (data / "secret.key").unlink()
    data.rmdir()
    data.write_text("a file")
    assert "is not a folder" in only(look(capsys, code=1), "data folder", "wrong")


def test_a_database_of_another_version_is_told_and_left_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["user", "list"]) == 0  # makes it
    with sqlite3.connect("data/parley.sqlite3") as connection:
        (newest,) = connection.execute("SELECT MAX(number) FROM schema_migrations").fetchone()
        connection.execute("DELETE FROM schema_migrations WHERE number = ?", (newest,))
    told = only(look(capsys, code=0), "database", "note")
    assert f"schema {newest - 1}: the next start brings it to {newest}" in told
    with sqlite3.connect("data/parley.sqlite3") as connection:
        connection.execute("INSERT INTO schema_migrations VALUES (999, 'later', 1)")
    assert "number 999, made by a newer parley" in only(look(capsys, code=1), "database", "wrong")
    Path("data/parley.sqlite3").write_bytes(b"no database at all" * 100)
    assert "parley.sqlite3" in only(look(capsys, code=1), "database", "wrong")


def test_services_elsewhere_are_asked(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres.new_database()
    monkeypatch.setenv("PARLEY_DATABASE__URL", url)
    with running_redis() as redis:
        monkeypatch.setenv("PARLEY_BUS__REDIS_URL", redis.url)
        found = look(capsys, code=0)
        assert only(found, "bus", "good") == "Redis answers"
        assert "postgresql, schema 0: the next start" in only(found, "database", "note")
    assert main(["user", "list"]) == 0
    monkeypatch.setenv("PARLEY_DATABASE__URL", url.rpartition("/")[0] + "/there_is_none")
    found = look(capsys, code=1)
    only(found, "bus", "wrong")
    assert "there_is_none" in only(found, "database", "wrong")
    monkeypatch.setenv("PARLEY_DATABASE__URL", url)
    assert look(capsys, code=1)["database"][0]["level"] == "good"  # the bus is still away


def test_a_bucket_is_tried_and_left_as_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_s3() as s3:
        settings = s3.settings()
        for name in ("kind", "bucket", "endpoint_url", "region", "access_key", "secret_key"):
            monkeypatch.setenv(f"PARLEY_STORAGE__{name.upper()}", str(getattr(settings, name)))
        before = s3.names()
        assert s3.bucket in only(look(capsys, code=0), "storage", "good")
        assert s3.names() == before
        monkeypatch.setenv("PARLEY_STORAGE__BUCKET", "no-such-bucket")
        assert "no-such-bucket" in only(look(capsys, code=1), "storage", "wrong")
    monkeypatch.setenv("PARLEY_STORAGE__BUCKET", s3.bucket)
    assert SECRET not in only(look(capsys, code=1), "storage", "wrong")  # nobody is there


def certificate(folder: Path, days: float) -> None:
    """A pair that ends in so many days."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "meet.example.org")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=90))
        .not_valid_after(now + datetime.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "privkey.pem").write_bytes(pem)


def test_certificates_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARLEY_HTTP__HOST", "0.0.0.0")
    assert "self-signed" in only(look(capsys, code=0), "certificate", "note")
    monkeypatch.setenv("PARLEY_TLS__FOLDER", str(tmp_path))
    assert "fullchain.pem" in only(look(capsys, code=1), "certificate", "wrong")
    for days, level in ((60.0, "good"), (5.0, "warning"), (-1.0, "wrong")):
        certificate(tmp_path, days)
        only(look(capsys, code=1 if level == "wrong" else 0), "certificate", level)
    monkeypatch.delenv("PARLEY_TLS__FOLDER")
    monkeypatch.setenv("PARLEY_TLS__MODE", "off")
    assert "browsers give no camera" in only(look(capsys, code=0), "certificate", "warning")
    monkeypatch.setenv("PARLEY_HTTP__TRUSTED_PROXIES", "10.0.0.0/8")
    assert "a proxy" in only(look(capsys, code=0), "certificate", "good")


def test_models_are_compared_with_their_hashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog = tmp_path / "catalog.toml"
    catalog.write_text(entry_text("echo", "Echo", default=True))
    (tmp_path / "echo-weights.bin").write_bytes(b"weights")
    monkeypatch.setenv("PARLEY_MODELS__CATALOGS", str(catalog))
    assert main(["models", "pull", "echo"]) == 0
    capsys.readouterr()
    assert "1 in data/models" in only(look(capsys, code=0), "models", "good")
    Path("data/models/echo@1/weights.bin").write_bytes(b"altered")
    found = look(capsys, code=1)
    assert "weights.bin has SHA-256" in only(found, "models", "wrong")
    assert found["models"][0]["advice"] == "parley models pull echo --again"
    monkeypatch.setenv("PARLEY_AI__ENABLED", "false")
    assert "off" in only(look(capsys, code=0), "models", "note")


@pytest.mark.skipif(card_is_there(), reason="a graphics card is there, and may be used")
def test_a_card_that_is_asked_for_and_not_used_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARLEY_AI__DEVICE", "cuda")
    found = look(capsys, code=0)
    warnings = [finding["text"] for finding in found["device"] if finding["level"] == "warning"]
    assert any('ai.device = "cuda"' in text and "no graphics card" in text for text in warnings)
    main(["doctor"])
    assert "\nWARNING  device " in capsys.readouterr().out


def test_plugins_are_checked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PARLEY_PLUGINS__ENABLED", "absent")
    assert "plugins.absent: not installed" in only(look(capsys, code=1), "plugins", "wrong")


def test_a_full_disk_is_a_warning(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PARLEY_RECORDING__MIN_FREE_BYTES", str(2**60))
    assert "recording.min_free_bytes" in only(look(capsys, code=0), "recordings", "warning")
