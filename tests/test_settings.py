"""Settings are frozen, and say what follows from them."""

from __future__ import annotations

import msgspec
import pytest

from appliance.settings import HttpSettings, Settings, TlsSettings, is_loopback, serves_tls


def test_every_section_and_key_is_frozen() -> None:
    settings = Settings()
    for field in msgspec.structs.fields(Settings):
        section = getattr(settings, field.name)
        for key in msgspec.structs.fields(section):
            with pytest.raises(AttributeError):
                setattr(section, key.name, None)
            assert not isinstance(getattr(section, key.name), (list, dict, set)), key.name


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
