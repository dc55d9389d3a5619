"""Settings that contradict each other are refused, and the sentence names the key."""

from __future__ import annotations

import pytest

from appliance.errors import ConfigError
from appliance.settings import (
    AiSettings,
    AuthSettings,
    DatabaseSettings,
    HttpSettings,
    IceServerSettings,
    MediaSettings,
    PluginsSettings,
    Settings,
    SignalingSettings,
    StorageSettings,
    SummarySettings,
    TlsSettings,
)
from appliance.settings_check import check

SECRETS_MISPLACED = (
    IceServerSettings(urls=("turn:x",), secret="hidden", username="u"),
    IceServerSettings(urls=("turn:x",), secret="hidden", credential="hidden"),
    IceServerSettings(urls=("stun:x",), secret="hidden"),
)

URL = "http://127.0.0.1:11434/v1"
SUMMARIES_MISTAKEN = (
    (SummarySettings(url="127.0.0.1:11434", model="m"), "ai.summary.url = '127.0.0.1:11434'"),
    (SummarySettings(url="http://", model="m"), "ai.summary.url = 'http://'"),
    (SummarySettings(url="http://h:99999/v1", model="m"), "ai.summary.url = "),
    (SummarySettings(url="http://h/v1?key=1", model="m"), "ai.summary.url = "),
    (SummarySettings(url="http://user:hidden@h/v1", model="m"), "ai.summary.url: must hold no user name"),
    (SummarySettings(url=URL), "ai.summary.model = ''"),
    (SummarySettings(url=URL, model="m", api_key="hidden\r\nX: y"), "ai.summary.api_key"),
)


def test_the_defaults_are_good() -> None:
    check(Settings())


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (Settings(auth=AuthSettings(access_ttl_s=7200, refresh_ttl_s=3600)), "auth.refresh_ttl_s = 3600"),
        (Settings(signaling=SignalingSettings(heartbeat_s=11.0)), "signaling.silence_s = 20.0"),
        (Settings(signaling=SignalingSettings(burst=3)), "signaling.burst = 3"),
        (Settings(media=MediaSettings(initial_seats=9, max_seats=4)), "media.initial_seats = 9"),
        (Settings(media=MediaSettings(port=65535, workers=2)), "media.port = 65535"),
        (Settings(media=MediaSettings(video_codecs=())), "media.video_codecs"),
        (Settings(media=MediaSettings(video_codecs=("vp8", "vp8"))), "media.video_codecs"),
        (Settings(media=MediaSettings(hosts=("localhost",))), "media.hosts = 'localhost'"),
        (Settings(media=MediaSettings(announced_addresses=("1.2.3",))), "media.announced_addresses = '1.2.3'"),
        (Settings(media=MediaSettings(ice_servers=(IceServerSettings(urls=("http://x",)),))), "media.ice_servers"),
        (Settings(media=MediaSettings(ice_servers=(IceServerSettings(urls=("turn:x",)),))), "media.ice_servers"),
        *((Settings(media=MediaSettings(ice_servers=(s,))), "media.ice_servers = ") for s in SECRETS_MISPLACED),
        (Settings(http=HttpSettings(public_url="meet.example.org")), "http.public_url = 'meet.example.org'"),
        (Settings(http=HttpSettings(public_url="https://x.org/meet")), "http.public_url"),
        (Settings(http=HttpSettings(trusted_proxies=("proxy",))), "http.trusted_proxies = 'proxy'"),
        (Settings(tls=TlsSettings(certificate_file="c.pem")), "tls.key_file"),
        (Settings(tls=TlsSettings(key_file="k.pem")), "tls.certificate_file"),
        (Settings(tls=TlsSettings(certificate_file="c", key_file="k", folder="f")), "tls.folder = 'f'"),
        (Settings(tls=TlsSettings(mode="files")), "tls.mode = 'files'"),
        (Settings(tls=TlsSettings(mode="off", folder="f")), "tls.mode = 'off'"),
        (Settings(database=DatabaseSettings(url="mysql://root:hidden@x")), "database.url"),
        (Settings(plugins=PluginsSettings(enabled=("a", "b", "a"))), "plugins.enabled = ['a', 'b', 'a']"),
        (Settings(ai=AiSettings(workers=("10.0.0.5:8810",))), "ai.workers = '10.0.0.5:8810'"),
        (Settings(ai=AiSettings(workers=("tcp://10.0.0.5:8810",))), "ai.workers = 'tcp://10.0.0.5:8810'"),
        (Settings(ai=AiSettings(workers=("tcp://10.0.0.5:8810 short",))), "ai.workers = "),
        (Settings(ai=AiSettings(workers=("tcp://[::1]:8810",) * 2)), "ai.workers = "),
        (Settings(ai=AiSettings(servers=("short",))), "ai.servers = 'short'"),
        (Settings(ai=AiSettings(triton_url="triton:8000")), "ai.triton_url = 'triton:8000'"),
        *((Settings(ai=AiSettings(summary=summary)), key) for summary, key in SUMMARIES_MISTAKEN),
        (Settings(database=DatabaseSettings(pool_min=5, pool_max=2)), "database.pool_min = 5"),
    ],
)
def test_contradictions_name_the_key(settings: Settings, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(settings)
    assert str(caught.value).startswith(key)
    assert "hidden" not in str(caught.value)


def test_a_turn_server_has_a_secret_or_one_user() -> None:
    by_secret = IceServerSettings(urls=("stun:x", "turn:x"), secret="hidden")
    by_user = IceServerSettings(urls=("turn:x",), username="u", credential="hidden")
    settings = Settings(media=MediaSettings(ice_servers=(by_secret, by_user)))
    check(settings)
    assert "turn:x" in repr(settings) and "hidden" not in repr(settings)


S3 = {"kind": "s3", "bucket": "files", "endpoint_url": "http://127.0.0.1:9000"}


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"bucket": ""}, "storage.bucket = ''"),
        *(({"bucket": wrong}, "storage.bucket = ") for wrong in ("Files", "a", "a/b", "-ab", "x" * 64, "a_b_c")),
        ({"endpoint_url": ""}, "storage.region = ''"),
        *(({"endpoint_url": wrong}, "storage.endpoint_url = ") for wrong in ("s3.org", "ftp://x", "http://", "http://x?y")),
        ({"endpoint_url": "https://user:hidden@s3.org"}, "storage.endpoint_url: "),
        ({"access_key": "hidden"}, "storage.secret_key: "),
        ({"secret_key": "hidden"}, "storage.access_key: "),
        *(({"prefix": wrong}, "storage.prefix = ") for wrong in ("parley", "/", "a//", "../", ".a/", "ä/")),
    ],
)
def test_an_s3_service_is_named_in_full(changed: dict[str, str], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(Settings(storage=StorageSettings(**{**S3, **changed})))  # type: ignore[arg-type]
    assert str(caught.value).startswith(key)
    assert "hidden" not in str(caught.value)


def test_a_plugin_that_stores_is_one_that_runs() -> None:
    check(Settings(storage=StorageSettings(kind="plugin:shelf"), plugins=PluginsSettings(enabled=("shelf",))))
    for kind in ("plugin:shelf", "plugin:", "plugin", "S3", "folder:x", "plugin:shelf:x"):
        with pytest.raises(ConfigError, match=r"storage\.kind = "):
            check(Settings(storage=StorageSettings(kind=kind)))


def test_what_gives_access_to_the_storage_is_not_shown() -> None:
    storage = StorageSettings(**S3, access_key="hidden", secret_key="hidden")  # type: ignore[arg-type]
    settings = Settings(storage=storage)
    check(settings)
    assert "127.0.0.1:9000" in repr(settings) and "hidden" not in repr(settings)
    check(Settings(storage=StorageSettings(kind="s3", bucket="files", region="eu-central-1", prefix="a/b/")))
    check(Settings(storage=StorageSettings(bucket="kept for later")))


def test_the_key_of_a_language_model_is_not_shown() -> None:
    settings = Settings(ai=AiSettings(summary=SummarySettings(url=URL, model="qwen", api_key="hidden")))
    check(settings)
    assert URL in repr(settings) and "hidden" not in repr(settings)
