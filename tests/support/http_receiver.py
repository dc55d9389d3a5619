"""A real HTTP server that takes what is posted to it and answers as the test wants."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

OK = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


@dataclass
class Request:
    """One that came in."""

    line: str
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes
    server_name: str | None


@dataclass
class Receiver:
    """A listener; ``answer`` is sent as it is, b"" hangs."""

    address: str
    port: int
    answer: bytes = OK
    requests: list[Request] = field(default_factory=list)


def certificate(folder: Path, *names: str) -> Path:
    """A self-signed certificate with its key in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    alternatives: list[x509.GeneralName] = [
        x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names
    ]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{names[0]}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@contextmanager
def receiving(address: str = "127.0.0.1", port: int = 0, pem: Path | None = None) -> Iterator[Receiver]:
    """Listen for the length of the block."""
    listener = socket.create_server((address, port))
    receiver = Receiver(address, listener.getsockname()[1])
    stop = threading.Event()
    tls: ssl.SSLContext | None = None
    asked: list[str | None] = []
    if pem is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(pem)
        tls.sni_callback = lambda _socket, name, _context: asked.append(name)

    def serve_one(raw: socket.socket) -> None:
        with raw:
            raw.settimeout(5)
            try:
                connection = raw if tls is None else tls.wrap_socket(raw, server_side=True)
            except (ssl.SSLError, OSError):  # a client that does not trust us
                return
            with connection:
                file = connection.makefile("rb")
                line = file.readline().decode().strip()
                headers = {}
                while text := file.readline().decode().strip():
                    name, _, value = text.partition(":")
                    headers[name.lower()] = value.strip()
                body = file.read(int(headers.get("content-length", 0)))
                receiver.requests.append(Request(line, headers, body, asked[-1] if asked else None))
                if not receiver.answer:
                    stop.wait(10)
                    return
                try:
                    connection.sendall(receiver.answer)
                except OSError:  # the client has read enough
                    return

    def serve() -> None:
        while not stop.is_set():
            try:
                raw, _ = listener.accept()
            except OSError:
                return
            if stop.is_set():
                raw.close()
                return
            threading.Thread(target=serve_one, args=(raw,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        stop.set()
        with socket.create_connection((address, receiver.port), 1):  # wakes accept
            pass
        thread.join(5)
        listener.close()
