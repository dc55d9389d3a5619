"""The certificate of the HTTPS listener: given files, a watched folder, or one that we sign ourselves.

Browsers give a page camera and microphone only over HTTPS or on loopback, so a server on any other address that was
given no certificate makes its own; people accept it once. Owns the TLS context and its renewal without a restart
(new handshakes take the new certificate); refuses to know sockets and HTTP.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path

import structlog
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.data_folder import write_private
from appliance.errors import ConfigError
from appliance.settings import Settings, has_certificate, is_loopback, serves_tls

_log = structlog.get_logger(__name__)

# Names that certbot and its kin give to the two files of a folder.
_CHAIN, _KEY = "fullchain.pem", "privkey.pem"
# Files are looked at this often: certificates are renewed weeks ahead, and a stat() costs nothing.
_LOOK_EACH_S = 10.0
# Apple and Chromium refuse server certificates that are valid for longer than 398 days.
_VALID_DAYS = 397
_RENEW_BEFORE_DAYS = 30
# Clocks of clients may be behind.
_BACKDATED = datetime.timedelta(days=1)


class Certificates:
    """A TLS context that follows its files."""

    def __init__(self, chain: Path, key: Path, *, names: Sequence[str] | None) -> None:
        """`names`: we sign the certificate ourselves, for these names and addresses. ConfigError when it is unfit."""
        self._chain = chain
        self._key = key
        self._names = names
        if names is not None:
            _sign_if_needed(chain, key, names)
        self._seen = self._stamp()
        self.context = make_context(chain, key)
        self._tell("certificate_loaded")

    async def watch(self) -> None:
        """Renew what we signed and load what somebody else renewed, for ever; the old one stays when that fails."""
        while True:
            await trio.sleep(_LOOK_EACH_S)
            self.refresh()

    def refresh(self) -> bool:
        """Look once; whether another certificate was loaded."""
        try:
            if self._names is not None:
                _sign_if_needed(self._chain, self._key, self._names)
            stamp = self._stamp()
            if stamp == self._seen:
                return False
            self._seen = stamp
            make_context(self._chain, self._key)  # the pair may be half written: tried apart first
            self.context.load_cert_chain(self._chain, self._key)
        except (ConfigError, OSError) as error:
            _log.warning("certificate_refused", reason=str(error))
            return False
        self._tell("certificate_renewed")
        return True

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        stats = []
        for path in (self._chain, self._key):
            try:
                found = path.stat()
            except OSError as error:
                raise ConfigError(f"{path}: {error.strerror}") from error
            stats.append((found.st_ino, found.st_mtime_ns, found.st_size))
        return tuple(stats)

    def _tell(self, event: str) -> None:
        certificate = x509.load_pem_x509_certificate(self._chain.read_bytes())
        expires = certificate.not_valid_after_utc
        fields = {
            "file": str(self._chain),
            "expires": expires.isoformat(),
            "sha256": certificate.fingerprint(hashes.SHA256()).hex(":"),
            "self_signed": self._names is not None,
        }
        if expires < datetime.datetime.now(datetime.UTC):
            _log.warning("certificate_expired", **fields)
        else:
            _log.info(event, **fields)


def open_certificates(settings: Settings, own_folder: Path, addresses: Sequence[str]) -> Certificates | None:
    """The certificates that the settings ask for; None for plain HTTP.

    `own_folder` holds what we sign; `addresses` are this machine's, for that certificate's names.
    """
    if not serves_tls(settings):
        return None
    chain, key = certificate_files(settings, own_folder)
    if has_certificate(settings.tls):
        return Certificates(chain, key, names=None)
    try:
        own_folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{own_folder}: {error.strerror}") from error
    names = [*settings.tls.names, *addresses, "localhost", "127.0.0.1", "::1"]
    return Certificates(chain, key, names=list(dict.fromkeys(names)))


def certificate_files(settings: Settings, own_folder: Path) -> tuple[Path, Path]:
    """Where the certificate and its key are, or will be: the administrator's, or what we sign in ``own_folder``."""
    tls = settings.tls
    if tls.certificate_file:
        return Path(tls.certificate_file), Path(tls.key_file)
    folder = Path(tls.folder) if tls.folder else own_folder
    return folder / _CHAIN, folder / _KEY


def expiry(chain: Path) -> datetime.datetime:
    """When a certificate ends that `make_context` has taken."""
    return x509.load_pem_x509_certificate(chain.read_bytes()).not_valid_after_utc


def plain_http_advice(settings: Settings) -> str | None:
    """What to do about plain HTTP that browsers give no camera on; None where it is HTTPS, or meant."""
    if serves_tls(settings) or is_loopback(settings.http.host) or settings.http.trusted_proxies:
        return None
    return "set tls, or name the proxy that does it in http.trusted_proxies"


def make_context(chain: Path, key: Path) -> ssl.SSLContext:
    """A server's context with this certificate; ConfigError when the files are missing, wrong or not a pair."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # HTTP/1.1 alone: one page of few files gains nothing from HTTP/2, and WebSockets start as they do everywhere.
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(chain, key, password=_no_password)
    except ssl.SSLError as error:
        reason = error.reason or str(error)
        raise ConfigError(f"{chain} and {key}: not a certificate and its key: {reason}") from error
    except OSError as error:
        raise ConfigError(f"{chain} and {key}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{key}: {error}") from error
    return context


def _no_password() -> str:
    """Called for an encrypted key; without it OpenSSL would ask on the terminal."""
    raise ValueError("the key is encrypted, write it without a password")


def _sign_if_needed(chain: Path, key: Path, names: Sequence[str]) -> None:
    """Sign a certificate unless there is one with these names that is valid for a while."""
    now = datetime.datetime.now(datetime.UTC)
    wanted = _general_names(names)
    try:
        existing = x509.load_pem_x509_certificate(chain.read_bytes())
        alternative = existing.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        remaining = existing.not_valid_after_utc - now
        private_key = serialization.load_pem_private_key(key.read_bytes(), password=None)
        pair = private_key.public_key() == existing.public_key()  # a crash between the two writes leaves no pair
        if pair and set(wanted) <= set(alternative) and remaining > datetime.timedelta(days=_RENEW_BEFORE_DAYS):
            return
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        _log.debug("certificate_missing", file=str(chain), reason=str(error))
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Parley, signed by itself")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now - _BACKDATED + datetime.timedelta(days=_VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(wanted), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(key, pem)
    write_private(chain, certificate.public_bytes(serialization.Encoding.PEM))


def _general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name.encode("idna").decode("ascii")))
    return found
