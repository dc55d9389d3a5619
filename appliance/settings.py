"""Every setting: its name, type, default and bounds, as frozen structs. The unit is in each name.

Owns the shape and the bounds of single keys; refuses to know where values come from (settings_file reads TOML and the
environment), which of them contradict each other (settings_check) and what they are used for. config/appliance.toml
holds the same keys with the same defaults and the reason for each; a test compares the two.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

NonEmpty = Annotated[str, Meta(min_length=1)]
Port = Annotated[int, Meta(ge=0, le=65535)]
"""0 lets the kernel choose a free one."""
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
LongSeconds = Annotated[int, Meta(ge=60, le=31_536_000)]
Bytes = Annotated[int, Meta(ge=1024, le=1_073_741_824)]
LargeBytes = Annotated[int, Meta(ge=1024, le=2**50)]
PLUGIN_NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
PluginName = Annotated[str, Meta(pattern=PLUGIN_NAME, max_length=50)]
"""No underscore: PARLEY_PLUGINS__MY_PLUGIN__KEY can then mean only one name."""


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
    node_lost_after_s: Annotated[float, Meta(ge=1, le=3600)] = 60.0


class StorageSettings(Section, frozen=True):
    """Where files lie: a folder of the data folder, an S3-compatible service, or what a plugin makes of it."""

    kind: NonEmpty = "folder"
    """``folder``, ``s3`` or ``plugin:<name>``; `settings_check` knows no other."""
    endpoint_url: str = ""
    bucket: str = ""
    region: str = ""
    access_key: str = ""
    secret_key: str = ""
    prefix: str = "parley/"
    path_style: bool = True

    def __repr__(self) -> str:
        """Without what gives access, wherever settings may be printed."""
        return f"StorageSettings(kind={self.kind!r}, endpoint_url={self.endpoint_url!r}, bucket={self.bucket!r}, …)"


class BusSettings(Section, frozen=True):
    """How events reach those who react."""

    redis_url: str = ""
    keep_days: Annotated[int, Meta(ge=1, le=3650)] = 7


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
    max_invitations: Count = 1000
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
    """One STUN or TURN server that clients are told about (RFC 7064, RFC 7065).

    A TURN server has either one user for everybody or `secret`, from which each join gets credentials of its own.
    """

    urls: Annotated[tuple[NonEmpty, ...], Meta(min_length=1)]
    username: str | None = None
    credential: str | None = None
    secret: NonEmpty | None = None

    def __repr__(self) -> str:
        """Without what gives access, wherever settings may be printed."""
        return f"IceServerSettings(urls={self.urls!r}, …)"


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
    audio_last_n: Annotated[int, Meta(ge=0, le=49)] = 3


class JobsSettings(Section, frozen=True):
    """Work in the background."""

    places: Annotated[int, Meta(ge=1, le=1000)] = 16
    processes: Annotated[int, Meta(ge=1, le=128)] = 1
    lease_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    drain_s: Annotated[float, Meta(ge=0, le=6)] = 3.0
    keep_done_days: Annotated[int, Meta(ge=1, le=3650)] = 7


class RecordingSettings(Section, frozen=True):
    """How meetings are recorded, and for how long the files are kept."""

    folder: str = ""
    min_free_bytes: Annotated[int, Meta(ge=16_777_216, le=2**60)] = 1_073_741_824
    keep_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    max_total_bytes: Annotated[int, Meta(ge=0, le=2**60)] = 0
    height: Annotated[int, Meta(ge=360, le=1080)] = 720
    fps: Annotated[int, Meta(ge=5, le=30)] = 25
    format: Literal["mp4", "webm"] = "mp4"
    layout: Literal["speaker", "grid", "screen"] = "speaker"
    live: bool = False
    encoder: Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,32}$")] = "auto"


class SummarySettings(Section, frozen=True):
    """A language model that writes the meetings' reports."""

    url: str = ""
    model: str = ""
    api_key: str = ""
    timeout_s: Seconds = 120.0
    piece_tokens: Annotated[int, Meta(ge=500, le=1_000_000)] = 3000

    @property
    def sent_to(self) -> str | None:
        """Host that transcripts are sent to; None: they stay on this machine."""
        host = urlsplit(self.url).hostname
        return None if host is None or is_loopback(host) else host

    def __repr__(self) -> str:
        """Without what gives access, wherever settings may be printed."""
        return f"SummarySettings(url={self.url!r}, model={self.model!r}, …)"


class AiSettings(Section, frozen=True):
    """The inference workers."""

    enabled: bool = True
    device: Literal["auto", "cpu", "cuda", "tensorrt"] = "auto"
    processes: Annotated[int, Meta(ge=0, le=64)] = 1
    threads: Annotated[int, Meta(ge=0, le=256)] = 0
    max_memory_bytes: Annotated[int, Meta(ge=268_435_456, le=2**40)] = 2_147_483_648
    idle_unload_s: Annotated[float, Meta(ge=0, le=604_800)] = 600.0
    queue: Annotated[int, Meta(ge=1, le=100_000)] = 256
    queue_bytes: Annotated[int, Meta(ge=1_048_576, le=2**40)] = 134_217_728
    max_request_bytes: Annotated[int, Meta(ge=1024, le=1_073_741_824)] = 33_554_432
    workers: tuple[NonEmpty, ...] = ()
    servers: tuple[NonEmpty, ...] = ()
    triton_url: str = ""
    summary: SummarySettings = SummarySettings()


class CaptionsSettings(Section, frozen=True):
    """Live captions, which hosts switch on, and the transcripts that come of them."""

    enabled: bool = True
    language: Annotated[str, Meta(pattern=r"^[a-z]{2,16}$")] = "auto"
    transcript: bool = True
    keep_days: Annotated[int, Meta(ge=0, le=36_500)] = 0


class VisionSettings(Section, frozen=True):
    """The analysis of pictures, which hosts switch on, of those who agree."""

    enabled: bool = True
    keep_days: Annotated[int, Meta(ge=1, le=3650)] = 30


class ModelsSettings(Section, frozen=True):
    """Where models lie, and which there are."""

    folder: str = ""
    catalogs: tuple[NonEmpty, ...] = ()


class MediaFilesSettings(Section, frozen=True):
    """Files that people upload."""

    max_bytes: LargeBytes = 2_147_483_648
    quota_bytes: Annotated[int, Meta(ge=0, le=2**60)] = 10_737_418_240
    unfinished_keep_s: LongSeconds = 86_400


class LimitsSettings(Section, frozen=True):
    """Rate limits, each per user where one is signed in, else per address."""

    login_per_minute: Count = 10
    register_per_hour: Count = 20
    refresh_per_minute: Count = 30
    join_per_minute: Count = 60
    upload_per_minute: Count = 10
    invitations_per_hour: Count = 200
    ai_per_minute: Count = 120
    api_per_minute: Count = 600


class LogSettings(Section, frozen=True):
    """One line for each thing that happened."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


class NotificationsSettings(Section, frozen=True):
    """What people are told, by the notifiers of the plugins."""

    per_hour: Count = 20
    reminder_before_s: Annotated[float, Meta(ge=0, le=604_800)] = 600.0
    keep_days: Annotated[int, Meta(ge=1, le=3650)] = 90


class GivenValue(Struct, frozen=True):
    """A value as it was written, to be read when it is known what is wanted."""

    value: object
    origin: str
    """The file or the variable that it came from."""
    is_text: bool = False
    """From the environment, where everything is a text."""

    def __repr__(self) -> str:
        """Without the value: it may be a password."""
        return f"GivenValue(…, {self.origin!r})"


class PluginTable(Struct, frozen=True):
    """What the administrator wrote under ``[plugins.<name>]``; only the plugin knows what may stand there."""

    name: str
    values: tuple[tuple[str, GivenValue], ...]


class PluginsSettings(Section, frozen=True):
    """Which plugins run, and how much patience the server has with them."""

    enabled: tuple[PluginName, ...] = ()
    start_deadline_s: Seconds = 10.0
    call_deadline_s: Seconds = 30.0
    max_failures: Annotated[int, Meta(ge=1, le=1000)] = 5
    tables: tuple[PluginTable, ...] = ()
    """No key: the ``[plugins.<name>]`` tables, sorted by name."""


class Settings(Section, frozen=True):
    """All sections."""

    data: DataSettings = DataSettings()
    http: HttpSettings = HttpSettings()
    tls: TlsSettings = TlsSettings()
    database: DatabaseSettings = DatabaseSettings()
    storage: StorageSettings = StorageSettings()
    bus: BusSettings = BusSettings()
    auth: AuthSettings = AuthSettings()
    meetings: MeetingsSettings = MeetingsSettings()
    signaling: SignalingSettings = SignalingSettings()
    media: MediaSettings = MediaSettings()
    jobs: JobsSettings = JobsSettings()
    recording: RecordingSettings = RecordingSettings()
    ai: AiSettings = AiSettings()
    captions: CaptionsSettings = CaptionsSettings()
    vision: VisionSettings = VisionSettings()
    models: ModelsSettings = ModelsSettings()
    media_files: MediaFilesSettings = MediaFilesSettings()
    limits: LimitsSettings = LimitsSettings()
    notifications: NotificationsSettings = NotificationsSettings()
    plugins: PluginsSettings = PluginsSettings()
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
