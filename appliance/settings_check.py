"""Which settings contradict each other: what the bounds of single keys cannot say.

Owns the sentences, each of which names a key, its value unless it may hold a secret, and what is wrong.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NoReturn
from urllib.parse import urlsplit

from appliance.errors import ConfigError
from appliance.settings import (
    AiSettings,
    BusSettings,
    DatabaseSettings,
    HttpSettings,
    IceServerSettings,
    PluginsSettings,
    Settings,
    StorageSettings,
    SummarySettings,
    TlsSettings,
    has_certificate,
    is_loopback,
)


def check(settings: Settings) -> None:
    """Raise ConfigError for what bounds on single keys cannot say; names the key and the value."""
    _check_http(settings.http)
    _check_tls(settings.tls)
    _check_database(settings.database)
    _check_storage(settings.storage, settings.plugins)
    _check_bus(settings.bus)
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
        _check_ice_server(server)
    _check_ai(settings.ai)
    if len(set(settings.plugins.enabled)) != len(settings.plugins.enabled):
        _reject("plugins.enabled", list(settings.plugins.enabled), "names a plugin twice")


def _check_ai(ai: AiSettings) -> None:
    for worker in ai.workers:
        endpoint, _, key = worker.partition(" ")
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        if not endpoint.startswith("tcp://") or not host or not port.isdigit():
            _reject("ai.workers", worker, 'must be "tcp://host:port KEY"')
        if key and not _is_curve_key(key):
            _reject("ai.workers", worker, "its key must be what `parley ai keys` prints, 40 characters")
        if not key and not is_loopback(host.strip("[]")):
            _reject("ai.workers", worker, "only a worker on loopback may do without a key")
    if len(set(ai.workers)) != len(ai.workers):
        _reject("ai.workers", list(ai.workers), "names a worker twice")
    for key in ai.servers:
        if not _is_curve_key(key):
            _reject("ai.servers", key, "must be what `parley ai keys` prints, 40 characters")
    if ai.max_request_bytes > ai.queue_bytes:
        _reject("ai.max_request_bytes", ai.max_request_bytes, f"is above ai.queue_bytes = {ai.queue_bytes}")
    if ai.triton_url and urlsplit(ai.triton_url).scheme not in ("http", "https"):
        _reject("ai.triton_url", ai.triton_url, "must begin with http:// or https://")
    _check_summary(ai.summary)


def _check_summary(summary: SummarySettings) -> None:
    if not summary.url:
        return
    if "@" in urlsplit(summary.url).netloc:
        raise ConfigError("ai.summary.url: must hold no user name; the key belongs into ai.summary.api_key")
    if not re.fullmatch(r"https?://[!-~]+", summary.url) or not _has_host(summary.url):
        _reject("ai.summary.url", summary.url, "must be http(s)://host[:port]/path, as http://127.0.0.1:11434/v1")
    if not summary.model:
        _reject("ai.summary.model", "", "must be set where ai.summary.url is")
    if summary.api_key and not re.fullmatch(r"[!-~]+", summary.api_key):
        raise ConfigError("ai.summary.api_key: must hold printable ASCII only")  # it becomes a header


def _has_host(url: str) -> bool:
    parts = urlsplit(url)
    try:
        return bool(parts.hostname) and parts.port != 0 and not parts.query and not parts.fragment
    except ValueError:  # of the port
        return False


def _is_curve_key(text: str) -> bool:
    """Z85 of 32 bytes (RFC 32): 40 of these characters."""
    return re.fullmatch(r"[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}", text) is not None


def _check_ice_server(server: IceServerSettings) -> None:
    for url in server.urls:
        if not url.startswith(("stun:", "stuns:", "turn:", "turns:")):
            _reject("media.ice_servers", url, "must begin with stun:, stuns:, turn: or turns:")
        if url.startswith("turn") and server.secret is None and not (server.username and server.credential):
            _reject("media.ice_servers", url, "needs secret, or username and credential")
    shown = server.urls[0]
    if server.secret is not None and (server.username is not None or server.credential is not None):
        _reject("media.ice_servers", shown, "has secret beside username or credential: take one or the other")
    if server.secret is not None and not any(url.startswith("turn") for url in server.urls):
        _reject("media.ice_servers", shown, "has a secret, which only a TURN server takes")


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


def _check_storage(storage: StorageSettings, plugins: PluginsSettings) -> None:
    kind, colon, name = storage.kind.partition(":")
    if colon and kind == "plugin":
        if name not in plugins.enabled:
            _reject("storage.kind", storage.kind, f"names a plugin that is not in plugins.enabled: {name!r}")
        return
    if storage.kind not in ("folder", "s3"):
        _reject("storage.kind", storage.kind, 'must be "folder", "s3" or "plugin:<name>"')
    if storage.kind == "folder":
        return
    # Neither value is repeated: each is half of what gives access.
    if bool(storage.access_key) != bool(storage.secret_key):
        missing = "secret_key" if storage.access_key else "access_key"
        raise ConfigError(f"storage.{missing}: must be set together with the other key")
    # What Amazon allows (S3 user guide, "Bucket naming rules"); others allow no more.
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", storage.bucket):
        _reject("storage.bucket", storage.bucket, "must be a bucket's name: 3 to 63 small letters, digits, - and .")
    if storage.endpoint_url:
        parts = urlsplit(storage.endpoint_url)
        if parts.username is not None or parts.password is not None:
            raise ConfigError("storage.endpoint_url: must not hold a password; set access_key and secret_key")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            _reject("storage.endpoint_url", storage.endpoint_url, 'must be http(s)://host[:port], or "" for Amazon')
    elif not storage.region:
        _reject("storage.region", "", "must be set where storage.endpoint_url is not, as eu-central-1")
    if storage.prefix and not re.fullmatch(r"([A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}/){1,8}", storage.prefix):
        _reject("storage.prefix", storage.prefix, 'must be "" or names that each end in /, as parley/')


def _check_bus(bus: BusSettings) -> None:
    if bus.redis_url and urlsplit(bus.redis_url).scheme not in ("redis", "rediss", "unix"):
        # The value is not repeated: a password may be in it.
        raise ConfigError('bus.redis_url: must be "" or begin with redis://, rediss:// or unix://')


def _check_address(key: str, value: str) -> None:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        _reject(key, value, "must be an IPv4 or IPv6 address")


def _reject(key: str, value: object, reason: str) -> NoReturn:
    raise ConfigError(f"{key} = {value!r}: {reason}")
