"""Certificates: signed by ourselves, given, broken, and renewed while connections are served."""

from __future__ import annotations

import datetime
import ssl
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from appliance.errors import ConfigError
from appliance.settings import HttpSettings, Settings, TlsSettings
from appliance.tls import Certificates, open_certificates

PUBLIC = HttpSettings(host="0.0.0.0")


def _signed(folder: Path, *names: str) -> Certificates:
    folder.mkdir(exist_ok=True)
    return Certificates(folder / "fullchain.pem", folder / "privkey.pem", names=names or ["localhost", "127.0.0.1"])


@asynccontextmanager
async def _listening(certificates: Certificates) -> AsyncIterator[int]:
    async def answer(stream: trio.SSLStream[trio.SocketStream]) -> None:
        await stream.send_all(await stream.receive_some(1))

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_ssl_over_tcp, answer, 0, certificates.context)
        yield listeners[0].transport_listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def _visit(port: int, trusted: Path, name: str = "localhost") -> x509.Certificate:
    """Handshake as a client that trusts this one certificate, and say something."""
    context = ssl.create_default_context(cafile=trusted)
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with trio.SSLStream(stream, context, server_hostname=name, https_compatible=True) as tls:
        await tls.send_all(b"x")
        assert await tls.receive_some(1) == b"x"
        der = tls.getpeercert(binary_form=True)
    assert isinstance(der, bytes)
    return x509.load_der_x509_certificate(der)


async def test_a_certificate_of_our_own_is_good_for_its_names(tmp_path: Path) -> None:
    certificates = open_certificates(
        Settings(http=PUBLIC, tls=TlsSettings(names=("meet.example.org",))), tmp_path / "tls", ["192.0.2.7"]
    )
    assert certificates is not None
    chain = tmp_path / "tls" / "fullchain.pem"
    assert stat.S_IMODE((tmp_path / "tls" / "privkey.pem").stat().st_mode) == 0o600
    async with _listening(certificates) as port:
        for name in ("localhost", "meet.example.org", "192.0.2.7", "127.0.0.1", "::1"):
            await _visit(port, chain, name)
        with pytest.raises(trio.BrokenResourceError):
            await _visit(port, chain, "elsewhere.example.org")
    certificate = x509.load_pem_x509_certificate(chain.read_bytes())
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc < datetime.timedelta(days=398)


def test_it_stays_over_restarts_until_its_names_change(tmp_path: Path) -> None:
    chain, key = tmp_path / "fullchain.pem", tmp_path / "privkey.pem"
    _signed(tmp_path)
    first = chain.read_bytes()
    _signed(tmp_path)
    assert chain.read_bytes() == first
    _signed(tmp_path, "localhost")  # fewer names: the old one is good enough
    assert chain.read_bytes() == first
    _signed(tmp_path, "localhost", "meet.example.org")
    second = chain.read_bytes()
    assert second != first
    key.write_bytes(_other_key())  # as a crash between the two writes would leave it
    _signed(tmp_path, "localhost", "meet.example.org")
    assert chain.read_bytes() != second
    chain.write_text("damaged")
    _signed(tmp_path)
    assert chain.read_bytes().startswith(b"-----BEGIN CERTIFICATE")


def _other_key() -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


async def test_a_renewed_certificate_is_served_without_a_restart(tmp_path: Path) -> None:
    old, new, watched = tmp_path / "old", tmp_path / "new", tmp_path / "watched"
    _signed(old)
    _signed(new)
    watched.mkdir()
    _copy(old, watched)
    certificates = open_certificates(Settings(tls=TlsSettings(folder=str(watched))), tmp_path / "own", [])
    assert certificates is not None
    async with _listening(certificates) as port:
        before = await _visit(port, old / "fullchain.pem")
        assert certificates.refresh() is False
        (watched / "fullchain.pem").write_bytes((new / "fullchain.pem").read_bytes())  # half renewed
        assert certificates.refresh() is False
        assert await _visit(port, old / "fullchain.pem") == before
        (watched / "privkey.pem").unlink()
        assert certificates.refresh() is False
        _copy(new, watched)
        assert certificates.refresh() is True
        after = await _visit(port, new / "fullchain.pem")
        assert after != before
        assert certificates.refresh() is False
    assert not (tmp_path / "own").exists()


def _copy(source: Path, target: Path) -> None:
    for name in ("fullchain.pem", "privkey.pem"):
        (target / name).write_bytes((source / name).read_bytes())


def test_files_may_be_named_apart(tmp_path: Path) -> None:
    _signed(tmp_path)
    tls = TlsSettings(certificate_file=str(tmp_path / "fullchain.pem"), key_file=str(tmp_path / "privkey.pem"))
    for mode in ("auto", "files"):
        settings = Settings(tls=TlsSettings(mode=mode, certificate_file=tls.certificate_file, key_file=tls.key_file))
        assert open_certificates(settings, tmp_path / "own", []) is not None


def test_loopback_needs_none(tmp_path: Path) -> None:
    assert open_certificates(Settings(), tmp_path / "own", []) is None
    assert open_certificates(Settings(http=PUBLIC, tls=TlsSettings(mode="off")), tmp_path / "own", []) is None
    assert not (tmp_path / "own").exists()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda folder: (folder / "fullchain.pem").unlink(), "No such file"),
        (lambda folder: (folder / "privkey.pem").unlink(), "No such file"),
        (lambda folder: (folder / "fullchain.pem").write_text("nonsense"), "not a certificate and its key"),
        (lambda folder: (folder / "privkey.pem").write_bytes(_other_key()), "not a certificate and its key"),
        (lambda folder: _encrypt(folder / "privkey.pem"), "the key is encrypted"),
    ],
)
def test_unfit_files_are_a_config_error(tmp_path: Path, spoil, sentence: str) -> None:  # type: ignore[no-untyped-def]
    _signed(tmp_path)
    spoil(tmp_path)
    with pytest.raises(ConfigError) as caught:
        open_certificates(Settings(tls=TlsSettings(folder=str(tmp_path))), tmp_path / "own", [])
    assert sentence in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def _encrypt(path: Path) -> None:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )


async def test_old_protocol_versions_are_refused(tmp_path: Path) -> None:
    certificates = _signed(tmp_path)
    assert certificates.context.minimum_version == ssl.TLSVersion.TLSv1_2
    async with _listening(certificates) as port:
        context = ssl.create_default_context(cafile=tmp_path / "fullchain.pem")
        context.set_alpn_protocols(["h2", "http/1.1"])
        stream = trio.SSLStream(await trio.open_tcp_stream("127.0.0.1", port), context, server_hostname="localhost")
        await stream.do_handshake()
        assert stream.selected_alpn_protocol() == "http/1.1"
        assert stream.version() == "TLSv1.3"
        await stream.transport_stream.aclose()
