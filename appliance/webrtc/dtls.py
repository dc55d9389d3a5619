"""DTLS with every client, in the asyncio thread: aiortc's transport over datagrams of the data plane.

Owns the server's certificate, the handshakes and their bounds, the check of the client's certificate against its
SDP, and the export of SRTP keys; runs the data channels of a session over its DTLS. Refuses to see media: the data
plane tells DTLS from SRTP and STUN (RFC 7983), and only passes on what came by a path that ICE has validated.

aiortc's RTCDtlsTransport asks little of its transport (``_recv``, ``_send``, ``role``), so a queue stands in for
ICE; after the handshake `dtls_records` stands in for OpenSSL. Private names are used; aiortc is pinned exactly and
tests/webrtc/test_aiortc_contract.py covers them. aiortc's SRTP (libsrtp by CFFI) is not built: the keys go to the data
plane, after the fingerprint was checked.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import datetime
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import structlog
from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AES128_CM_SHA1_80,
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    State,
    certificate_digest,
)
from aiortc.rtcicetransport import RTCIceTransport
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from appliance.webrtc.data_channels import DataChannels
from appliance.webrtc.dtls_fragments import is_bounded_untrusted
from appliance.webrtc.dtls_records import take_over
from appliance.webrtc.offer import Sctp

_log = structlog.get_logger(__name__)

# First to last flight. OpenSSL retransmits after 1, 2, 4, 8 s: four losses in a row are forgiven (RFC 6347 §4.2.4.1).
HANDSHAKE_DEADLINE_S = 15.0
# Handshakes under way at once. Each holds an OpenSSL connection of about 50 kB, of 180 kB if its fragments never become
# whole (measured; `dtls_fragments` bounds them): 180 MB at the most.
MAX_HALF_OPEN = 1024
# Datagrams that one session may have waiting: a congestion window of the smallest chunks; 384 kB at the most.
_MAX_WAITING = 256
# What one session may send here per second; a data channel message is one datagram, plus acknowledgements.
_DATAGRAMS_PER_S = 400.0
_DATAGRAM_BURST = 800.0
# MEDIA-NOTES §2.5: half the cost of AES-CM; RFC 7714 §14.2, RFC 5764 §4.1.2.
SRTP_PREFERENCE = (SRTP_AEAD_AES_128_GCM, SRTP_AES128_CM_SHA1_80)
# Clients check the fingerprint and not the dates (RFC 8827 §6.5), but the dates must hold while the process runs.
_CERTIFICATE_LIFE = datetime.timedelta(days=3650)
_HANDSHAKE_RECORD = 22  # RFC 5246 §6.2.1


class DtlsPlane(Protocol):
    """What is needed of the data plane; `appliance._dataplane.DataPlane` has it."""

    def dtls_fd(self) -> int: ...
    def poll_dtls(self) -> list[tuple[int, bytes]]: ...
    def send_dtls(self, session: int, datagram: bytes) -> None: ...
    def set_keys(self, session: int, *, profile: str, tx: bytes, rx: bytes) -> None: ...


class DtlsListener(Protocol):
    """Who is told; called in the asyncio thread, must be quick and must not raise."""

    def dtls_connected(self, session: int) -> None:
        """The client's certificate matched and the data plane has the keys."""

    def dtls_closed(self, session: int, reason: str) -> None:
        """The handshake failed, or the client said goodbye. Not called after `close`."""

    def data_message(self, session: int, label: str, message: str | bytes) -> None: ...


class ServerCertificate(RTCCertificate):
    """ECDSA P-256, self-signed, made anew at each start; shared by all sessions."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        super().__init__(key, certificate)
        self._context: SSL.Context | None = None

    @classmethod
    def generate(cls) -> ServerCertificate:
        key = ec.generate_private_key(ec.SECP256R1())
        # A random name, as browsers use: it says nothing (RFC 8827 §6.5).
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, secrets.token_hex(8))])
        now = datetime.datetime.now(tz=datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + _CERTIFICATE_LIFE)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    @property
    def fingerprint(self) -> str:
        """Value of the a=fingerprint line (RFC 8122 §5)."""
        return f"sha-256 {certificate_digest(self._cert, 'sha-256')}"

    def _create_ssl_context(self, srtp_profiles: Sequence[Any]) -> SSL.Context:
        """One context for all sessions: loading the key costs more than the rest of a session's set-up."""
        if self._context is None:
            self._context = super()._create_ssl_context(list(srtp_profiles))
            # A client gains nothing by renegotiating and costs us an asymmetric operation each time.
            self._context.set_options(SSL.OP_NO_RENEGOTIATION)
            # Record buffers are of 16 kB and hold something for microseconds. With OpenSSL 4.0 a connection has 127 kB
            # after its handshake, 94 kB with this; `dtls_records` takes over most of them.
            self._context.set_mode(SSL.MODE_RELEASE_BUFFERS)
            # No session is resumed; OpenSSL would keep 20,480 that ended (SSL_CTX_sess_set_cache_size(3)).
            self._context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        return self._context


class _Path:
    """Stands in for aiortc's RTCIceTransport."""

    role = "controlled"  # RFC 8445 §6.1.1: a lite agent is controlled; the DTLS role is set apart from it

    def __init__(self, plane: DtlsPlane, session: int) -> None:
        self._plane = plane
        self._session = session
        self._waiting: collections.deque[bytes] = collections.deque()
        self._wakeup = asyncio.Event()
        self._closed = False
        self.newest_sent = b""

    def put(self, datagram: bytes) -> bool:
        if self._closed or len(self._waiting) >= _MAX_WAITING:
            return False
        self._waiting.append(datagram)
        self._wakeup.set()
        return True

    def close(self) -> None:
        self._closed = True
        self._wakeup.set()

    async def _recv(self) -> bytes:
        while not self._waiting:
            if self._closed:
                raise ConnectionError
            self._wakeup.clear()
            await self._wakeup.wait()
        return self._waiting.popleft()

    async def _send(self, datagram: bytes) -> None:
        if self._closed:
            raise ConnectionError
        self.newest_sent = datagram
        self._plane.send_dtls(self._session, datagram)


class KeyedDtls(RTCDtlsTransport):
    """RTCDtlsTransport that hands out the SRTP keys instead of using them, and lets OpenSSL go after the handshake."""

    def __init__(self, path: _Path, certificate: ServerCertificate) -> None:
        self._path = path
        super().__init__(cast(RTCIceTransport, path), [certificate])
        self._srtp_profiles = list(SRTP_PREFERENCE)
        self._set_role("server")  # our answer says a=setup:passive
        self.keys: tuple[str, bytes, bytes] | None = None
        """(OpenSSL profile name, key‖salt to send with, key‖salt to receive with), once connected."""
        self.identity_ok = False
        """The client's certificate matched the fingerprints of its SDP."""

    async def start(self, remoteParameters: RTCDtlsParameters) -> None:  # noqa: N803  # aiortc's name
        await super().start(remoteParameters)
        if self._state == State.CONNECTED:  # the task that reads has not had its first turn
            assert self._ssl is not None
            records = take_over(self._ssl, self._path.newest_sent)
            if records is not None:
                self._ssl = cast(SSL.Connection, records)

    def _validate_peer_identity(self, remote: RTCDtlsParameters) -> None:
        """Sets the state to FAILED unless every fingerprint matches (RFC 8122 §5)."""
        super()._validate_peer_identity(remote)
        self.identity_ok = self._state != State.FAILED

    def _setup_srtp(self) -> None:
        """Called by ``start`` after the peer's fingerprint was found right (RFC 5764 §4.2)."""
        assert self._ssl is not None
        selected = self._ssl.get_selected_srtp_profile()
        profile = next((p for p in self._srtp_profiles if p.openssl_profile == selected), None)
        if profile is None:
            self._set_state(State.FAILED)
            return
        size = 2 * (profile.key_length + profile.salt_length)
        material = self._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", size)
        client, server = profile.get_key_and_salt(material, 0), profile.get_key_and_salt(material, 1)
        self.keys = (profile.openssl_profile.decode(), server, client)

    async def _send_data(self, data: bytes) -> None:
        """SCTP's timers may fire once more after the end; aiortc would raise into a task that nobody awaits."""
        if self._state == State.CONNECTED:
            with contextlib.suppress(ConnectionError):
                await super()._send_data(data)

    async def wait_closed(self) -> None:
        """Until the client's close_notify, or ``stop``."""
        if self._task is not None:
            await asyncio.wait([self._task])  # unlike awaiting it, a cancellation here leaves it to `stop`
            self._task.result()


@dataclass(slots=True)
class _Session:
    fingerprints: tuple[tuple[str, str], ...]
    path: _Path
    sctp: Sctp | None = None
    dtls: KeyedDtls | None = None
    task: asyncio.Task[None] | None = None
    half_open: bool = False
    connected: bool = False
    over: bool = False
    channels: DataChannels | None = None
    allowance: float = _DATAGRAM_BURST
    allowed_at: float | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class DtlsEndpoint:
    """All sessions' DTLS. Every method belongs to the asyncio thread."""

    def __init__(self, plane: DtlsPlane, certificate: ServerCertificate, listener: DtlsListener) -> None:
        self._plane = plane
        self._certificate = certificate
        self._listener = listener
        self._sessions: dict[int, _Session] = {}
        self._half_open = 0
        self._dropped = 0
        self._failed = 0

    def start(self) -> None:
        """Read the data plane's DTLS from now on."""
        asyncio.get_running_loop().add_reader(self._plane.dtls_fd(), self._readable)

    async def stop(self) -> None:
        """Say goodbye to every client and stop reading."""
        asyncio.get_running_loop().remove_reader(self._plane.dtls_fd())
        await asyncio.gather(*(self.close(session) for session in list(self._sessions)))

    def open(self, session: int, fingerprints: Iterable[tuple[str, str]]) -> None:
        """Accept a handshake; ``fingerprints`` are (algorithm, value) of the client's SDP, all must match."""
        self._sessions[session] = _Session(tuple(fingerprints), _Path(self._plane, session))

    def open_channels(self, session: int, remote: Sctp) -> None:
        """Run data channels over this session as soon as it is connected; the first call counts."""
        state = self._sessions.get(session)
        if state is None or state.over or state.sctp is not None:
            return
        state.sctp = remote
        if state.connected and state.task is not None:
            task = asyncio.ensure_future(self._start_channels(session, state, state.sctp))
            state.tasks.add(task)
            task.add_done_callback(state.tasks.discard)

    async def close(self, session: int) -> None:
        """Send close_notify and forget the session; unknown ones are ignored."""
        state = self._sessions.pop(session, None)
        if state is None:
            return
        state.over = True
        if state.task is not None:
            state.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await state.task

    def send(self, session: int, label: str, text: str) -> None:
        """Queue a text on a channel; dropped when the session has none open."""
        state = self._sessions.get(session)
        if state is not None and state.channels is not None:
            state.channels.send(label, text)

    def statistics(self) -> dict[str, int]:
        """Sessions by state, and what was dropped or failed since the start."""
        return {
            "sessions": len(self._sessions),
            "connected": sum(s.connected for s in self._sessions.values()),
            "half_open": self._half_open,
            "dropped": self._dropped,
            "failed": self._failed,
        }

    # --- inside ------------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        now = asyncio.get_running_loop().time()
        for number, datagram in self._plane.poll_dtls():
            session = self._sessions.get(number)
            if session is None or session.over or not self._allowed(session, datagram, now):
                self._dropped += 1
                continue
            if session.task is None:
                # Nothing is spent on a session before it speaks, and then only on so many at once: the client
                # repeats its ClientHello (RFC 6347 §4.2.4).
                if datagram[0] != _HANDSHAKE_RECORD or self._half_open >= MAX_HALF_OPEN:
                    self._dropped += 1
                    continue
                self._half_open += 1
                session.half_open = True
                session.task = asyncio.get_running_loop().create_task(self._run(number, session))
                # A task that is cancelled before its first step never enters its own `finally`.
                session.task.add_done_callback(lambda _, ended=session: self._not_half_open(ended))  # type: ignore[misc]
            if not session.path.put(datagram):
                self._dropped += 1

    @staticmethod
    def _allowed(session: _Session, datagram: bytes, now: float) -> bool:
        if session.allowed_at is not None:
            earned = (now - session.allowed_at) * _DATAGRAMS_PER_S
            session.allowance = min(_DATAGRAM_BURST, session.allowance + earned)
        session.allowed_at = now
        if session.allowance < 1:
            return False
        session.allowance -= 1
        return bool(datagram) and (session.connected or is_bounded_untrusted(datagram))

    def _not_half_open(self, session: _Session) -> None:
        if session.half_open:
            session.half_open = False
            self._half_open -= 1

    async def _run(self, number: int, session: _Session) -> None:
        """One session from ClientHello to goodbye. A client's broken DTLS is caught here and nowhere else."""
        dtls = session.dtls = KeyedDtls(session.path, self._certificate)
        reason = "the client closed the connection"
        try:
            failure = await self._shake_hands(dtls, session.fingerprints)
            self._not_half_open(session)
            if failure is not None:
                self._failed += 1
                reason = failure
                return
            assert dtls.keys is not None
            profile, tx, rx = dtls.keys
            self._plane.set_keys(number, profile=profile, tx=tx, rx=rx)
            session.connected = True
            self._listener.dtls_connected(number)
            if session.sctp is not None:
                await self._start_channels(number, session, session.sctp)
            await dtls.wait_closed()
        except ConnectionError:
            return
        except Exception as error:
            self._failed += 1
            reason = f"DTLS failed: {error}"
            _log.warning("dtls_failed", session=number, error=str(error), kind=type(error).__name__)
        finally:
            told, session.over, session.connected = session.over, True, False
            for task in session.tasks:
                task.cancel()
            if session.channels is not None:
                await session.channels.stop()
            await dtls.stop()
            session.path.close()
            if not told:
                self._listener.dtls_closed(number, reason)

    async def _shake_hands(self, dtls: KeyedDtls, fingerprints: Iterable[tuple[str, str]]) -> str | None:
        """None when the keys are there, else why not."""
        remote = RTCDtlsParameters(
            fingerprints=[RTCDtlsFingerprint(algorithm=a, value=v) for a, v in fingerprints], role="client"
        )
        try:
            async with asyncio.timeout(HANDSHAKE_DEADLINE_S):
                await dtls.start(remote)
        except TimeoutError:
            return f"the DTLS handshake took longer than {HANDSHAKE_DEADLINE_S:.0f} s"
        if dtls.state != "connected":
            if dtls.encrypted and not dtls.identity_ok:
                return "the client's certificate does not match the fingerprint in its SDP"
            return "the DTLS handshake failed"
        return None

    async def _start_channels(self, number: int, session: _Session, remote: Sctp) -> None:
        assert session.dtls is not None

        def on_message(label: str, message: str | bytes) -> None:
            self._listener.data_message(number, label, message)

        session.channels = DataChannels(session.dtls, remote, on_message)
        await session.channels.start()
