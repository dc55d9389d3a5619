"""Every setting: its name, type, default and bounds, as frozen structs. The unit is in each name.

Owns the shape and the checks that need more than one key; refuses to know where values come from (settings_file
reads TOML and the environment) and what they are used for. config/appliance.toml holds the same keys with the same
defaults and the reason for each; a test compares the two.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from appliance.errors import ConfigError

NonEmpty = Annotated[str, Meta(min_length=1)]
Port = Annotated[int, Meta(ge=0, le=65535)]
"""0 lets the kernel choose a free one."""
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
LongSeconds = Annotated[int, Meta(ge=60, le=31_536_000)]
Bytes = Annotated[int, Meta(ge=1024, le=1_073_741_824)]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the sections."""


class DataSettings(Section, frozen=True):
    """Where this process keeps what it owns."""

    folder: NonEmpty = "data"


class HttpSettings(Section, frozen=True):
    """The listener for the web page, the API and signaling."""

    host: NonEmpty = "127.0.0.1"
    port: Port = 8800
    public_url: str = ""
    trusted_proxies: tuple[NonEmpty, ...] = ()
    max_body_bytes: Bytes = 1_048_576
    max_upload_bytes: Bytes = 10_485_760
    max_connections: Count = 10_000
    keep_alive_s: Seconds = 75.0
    header_timeout_s: Seconds = 15.0


class TlsSettings(Section, frozen=True):
    """HTTPS on the same listener."""

    mode: Literal["auto", "off", "files"] = "auto"
    certificate_file: str = ""
    key_file: str = ""
    folder: str = ""
    names: tuple[NonEmpty, ...] = ()


class DatabaseSettings(Section, frozen=True):
    """SQLite in the data folder, or PostgreSQL."""

    url: str = ""
    pool_min: Annotated[int, Meta(ge=1, le=100)] = 2
    pool_max: Annotated[int, Meta(ge=1, le=1000)] = 10
    connect_timeout_s: Seconds = 5.0
    busy_timeout_s: Seconds = 5.0
    synchronous: Literal["normal", "full"] = "full"


class AuthSettings(Section, frozen=True):
    """Accounts, tokens and password hashing."""

    registration: Literal["open", "closed"] = "open"
    access_ttl_s: LongSeconds = 86_400
    refresh_ttl_s: LongSeconds = 604_800
    join_ttl_s: LongSeconds = 43_200
    password_min_length: Annotated[int, Meta(ge=8, le=128)] = 8
    argon2_memory_kib: Annotated[int, Meta(ge=8_192, le=4_194_304)] = 65_536
    argon2_passes: Annotated[int, Meta(ge=1, le=100)] = 3
    argon2_lanes: Annotated[int, Meta(ge=1, le=64)] = 4
    hash_threads: Annotated[int, Meta(ge=1, le=64)] = 2


class MeetingsSettings(Section, frozen=True):
    """Defaults of a new meeting and the ceiling of all."""

    max_participants: Annotated[int, Meta(ge=2, le=10_000)] = 100
    guests_allowed: bool = True
    empty_grace_s: Seconds = 60.0


class SignalingSettings(Section, frozen=True):
    """Limits and clocks of the signaling WebSocket."""

    max_frame_bytes: Annotated[int, Meta(ge=65_536, le=4_194_304)] = 393_216
    messages_per_s: Annotated[float, Meta(ge=1, le=10_000)] = 30.0
    burst: Annotated[int, Meta(ge=1, le=100_000)] = 120
    heartbeat_s: Seconds = 5.0
    silence_s: Seconds = 20.0
    resume_s: Seconds = 30.0
    replay_frames: Annotated[int, Meta(ge=16, le=65_536)] = 512


class IceServerSettings(Section, frozen=True):
    """One STUN or TURN server that clients are told about (RFC 7064, RFC 7065)."""

    urls: Annotated[tuple[NonEmpty, ...], Meta(min_length=1)]
    username: str | None = None
    credential: str | None = None


class MediaSettings(Section, frozen=True):
    """The selective forwarding unit."""

    hosts: tuple[NonEmpty, ...] = ()
    port: Port = 8801
    workers: Annotated[int, Meta(ge=1, le=128)] = 1
    announced_addresses: tuple[NonEmpty, ...] = ()
    tcp: bool = True
    video_codecs: tuple[Literal["vp8", "vp9", "h264", "av1"], ...] = ("vp8", "vp9", "h264", "av1")
    ice_servers: tuple[IceServerSettings, ...] = ()
    max_seats: Annotated[int, Meta(ge=1, le=49)] = 49
    initial_seats: Annotated[int, Meta(ge=0, le=49)] = 4
    audio_seats: Annotated[int, Meta(ge=0, le=49)] = 0


class LimitsSettings(Section, frozen=True):
    """Rate limits, each per user where one is signed in, else per address."""

    login_per_minute: Count = 10
    register_per_hour: Count = 20
    refresh_per_minute: Count = 30
    join_per_minute: Count = 60
    upload_per_minute: Count = 10
    api_per_minute: Count = 600


class LogSettings(Section, frozen=True):
    """One line for each thing that happened."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


class Settings(Section, frozen=True):
    """All sections."""

    data: DataSettings = DataSettings()
    http: HttpSettings = HttpSettings()
    tls: TlsSettings = TlsSettings()
    database: DatabaseSettings = DatabaseSettings()
    auth: AuthSettings = AuthSettings()
    meetings: MeetingsSettings = MeetingsSettings()
    signaling: SignalingSettings = SignalingSettings()
    media: MediaSettings = MediaSettings()
    limits: LimitsSettings = LimitsSettings()
    log: LogSettings = LogSettings()


def is_loopback(host: str) -> bool:
    """Whether a listener on this host is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def serves_tls(settings: Settings) -> bool:
    """Whether the listener speaks HTTPS: always with files, by itself on any address that is not loopback."""
    match settings.tls.mode:
        case "off":
            return False
        case "files":
            return True
        case _:
            return has_certificate(settings.tls) or not is_loopback(settings.http.host)


def has_certificate(tls: TlsSettings) -> bool:
    """Whether the administrator named a certificate."""
    return bool(tls.certificate_file or tls.folder)


def check(settings: Settings) -> None:
    """Raise ConfigError for what bounds on single keys cannot say; names the key and the value."""
    _check_http(settings.http)
    _check_tls(settings.tls)
    _check_database(settings.database)
    auth, signaling, media = settings.auth, settings.signaling, settings.media
    if auth.refresh_ttl_s < auth.access_ttl_s:
        _reject("auth.refresh_ttl_s", auth.refresh_ttl_s, f"is shorter than auth.access_ttl_s = {auth.access_ttl_s}")
    if signaling.silence_s < 2 * signaling.heartbeat_s:
        _reject("signaling.silence_s", signaling.silence_s, "must be at least twice signaling.heartbeat_s")
    if signaling.burst < signaling.messages_per_s:
        _reject("signaling.burst", signaling.burst, "must not be below signaling.messages_per_s")
    if media.initial_seats > media.max_seats:
        _reject("media.initial_seats", media.initial_seats, f"is above media.max_seats = {media.max_seats}")
    if media.port and media.port + media.workers - 1 > 65535:
        _reject("media.port", media.port, f"leaves no room for media.workers = {media.workers} ports")
    if not media.video_codecs:
        _reject("media.video_codecs", [], "must name at least one codec")
    if len(set(media.video_codecs)) != len(media.video_codecs):
        _reject("media.video_codecs", media.video_codecs, "names a codec twice")
    for name, hosts in (("hosts", media.hosts), ("announced_addresses", media.announced_addresses)):
        for host in hosts:
            _check_address(f"media.{name}", host)
    for server in media.ice_servers:
        for url in server.urls:
            if not url.startswith(("stun:", "stuns:", "turn:", "turns:")):
                _reject("media.ice_servers", url, "must begin with stun:, stuns:, turn: or turns:")
            if url.startswith("turn") and not (server.username and server.credential):
                _reject("media.ice_servers", url, "needs username and credential")


def _check_http(http: HttpSettings) -> None:
    if http.public_url:
        parts = urlsplit(http.public_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            _reject("http.public_url", http.public_url, "must be http(s)://host[:port]")
        if parts.path.rstrip("/") or parts.query or parts.fragment:
            _reject("http.public_url", http.public_url, "must not hold a path: the page is served at the root")
    for proxy in http.trusted_proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError:
            _reject("http.trusted_proxies", proxy, "must be an address or a network as 10.0.0.0/8")


def _check_tls(tls: TlsSettings) -> None:
    if bool(tls.certificate_file) != bool(tls.key_file):
        missing = "tls.key_file" if tls.certificate_file else "tls.certificate_file"
        _reject(missing, "", "must be set together with the other file")
    if tls.folder and tls.certificate_file:
        _reject("tls.folder", tls.folder, "excludes tls.certificate_file: set one of them")
    if tls.mode == "files" and not has_certificate(tls):
        _reject("tls.mode", tls.mode, "needs tls.certificate_file and tls.key_file, or tls.folder")
    if tls.mode == "off" and has_certificate(tls):
        _reject("tls.mode", tls.mode, "contradicts the certificate that is set")


def _check_database(database: DatabaseSettings) -> None:
    if database.url:
        parts = urlsplit(database.url)
        if parts.scheme not in ("postgresql", "postgres"):
            # The value is not repeated: a password may be in it.
            raise ConfigError('database.url: must be "" for SQLite or begin with postgresql://')
    if database.pool_min > database.pool_max:
        _reject("database.pool_min", database.pool_min, f"is above database.pool_max = {database.pool_max}")


def _check_address(key: str, value: str) -> None:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        _reject(key, value, "must be an IPv4 or IPv6 address")


def _reject(key: str, value: object, reason: str) -> None:
    raise ConfigError(f"{key} = {value!r}: {reason}")
