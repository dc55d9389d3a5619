"""Settings that contradict each other are refused, and the sentence names the key."""

from __future__ import annotations

import msgspec
import pytest

from appliance.errors import ConfigError
from appliance.settings import (
    AuthSettings,
    DatabaseSettings,
    HttpSettings,
    IceServerSettings,
    MediaSettings,
    Settings,
    SignalingSettings,
    TlsSettings,
    check,
    is_loopback,
    serves_tls,
)


def test_the_defaults_are_good() -> None:
    check(Settings())


def test_every_section_and_key_is_frozen() -> None:
    settings = Settings()
    for field in msgspec.structs.fields(Settings):
        section = getattr(settings, field.name)
        for key in msgspec.structs.fields(section):
            with pytest.raises(AttributeError):
                setattr(section, key.name, None)
            assert not isinstance(getattr(section, key.name), (list, dict, set)), key.name


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
        (Settings(http=HttpSettings(public_url="meet.example.org")), "http.public_url = 'meet.example.org'"),
        (Settings(http=HttpSettings(public_url="https://x.org/meet")), "http.public_url"),
        (Settings(http=HttpSettings(trusted_proxies=("proxy",))), "http.trusted_proxies = 'proxy'"),
        (Settings(tls=TlsSettings(certificate_file="c.pem")), "tls.key_file"),
        (Settings(tls=TlsSettings(key_file="k.pem")), "tls.certificate_file"),
        (Settings(tls=TlsSettings(certificate_file="c", key_file="k", folder="f")), "tls.folder = 'f'"),
        (Settings(tls=TlsSettings(mode="files")), "tls.mode = 'files'"),
        (Settings(tls=TlsSettings(mode="off", folder="f")), "tls.mode = 'off'"),
        (Settings(database=DatabaseSettings(url="mysql://root:hidden@x")), "database.url"),
        (Settings(database=DatabaseSettings(pool_min=5, pool_max=2)), "database.pool_min = 5"),
    ],
)
def test_contradictions_name_the_key(settings: Settings, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(settings)
    assert str(caught.value).startswith(key)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *((host, True) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost")),
        *((host, False) for host in ("0.0.0.0", "::", "192.0.2.1", "meet.example.org")),
    ],
)
def test_a_host_is_loopback_or_not_and_tls_follows(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
    http = HttpSettings(host=host)
    assert serves_tls(Settings(http=http)) is not loopback
    assert serves_tls(Settings(http=http, tls=TlsSettings(folder="f")))
    assert not serves_tls(Settings(http=http, tls=TlsSettings(mode="off")))
    assert serves_tls(Settings(http=http, tls=TlsSettings(mode="files", folder="f")))
