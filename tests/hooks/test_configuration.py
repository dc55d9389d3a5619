"""A plugin's table is read by its own schema; what is wrong names plugin and key and never a value."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from appliance.errors import ConfigError
from appliance.hooks.configuration import Key, configure, keys, unread_tables
from appliance.hooks.contract import PluginConfig
from appliance.settings_file import load
from tests.support.plugins import opening, plugin


class Mail(PluginConfig, frozen=True):
    """As a plugin would have it."""

    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls"] = "starttls"
    password: str | None = None
    extra: tuple[str, ...] = ()
    verify: bool = True

    def __post_init__(self) -> None:
        if self.security == "tls" and self.port == 587:
            raise ValueError('port: must not be 587 with security = "tls"')


MAIL = plugin(opening(), Mail)


def _read(tmp_path: Path, text: str, **environ: str) -> Mail:
    path = tmp_path / "parley.toml"
    path.write_text(text)
    settings = load(path, environ)
    read = configure("email", MAIL, settings.plugins)
    assert isinstance(read, Mail)
    return read


def test_file_and_environment(tmp_path: Path) -> None:
    text = '[plugins]\nenabled = ["email"]\n[plugins.email]\nhost = "a"\nport = 25\n'
    assert _read(tmp_path, text) == Mail(host="a", port=25)
    environ = {
        "PARLEY_PLUGINS__EMAIL__HOST": "b",
        "PARLEY_PLUGINS__EMAIL__PORT": "26",
        "PARLEY_PLUGINS__EMAIL__PASSWORD": "1234",  # stays a text
        "PARLEY_PLUGINS__EMAIL__EXTRA": "x, y",
        "PARLEY_PLUGINS__EMAIL__VERIFY": "false",
    }
    assert _read(tmp_path, text, **environ) == Mail(
        host="b", port=26, password="1234", extra=("x", "y"), verify=False
    )
    assert _read(tmp_path, "", **environ).host == "b"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('host = "a"\nport = "hunter2"', "plugins.email.port: expected int, got str"),
        ('host = "a"\nport = 0', "plugins.email.port: expected int >= 1"),
        ('host = "a"\nprot = "hunter2"', "plugins.email.prot: unknown key, did you mean port?"),
        ('host = "a"\nsecurity = "hunter2"', "plugins.email.security: invalid enum value"),
        ('password = "hunter2"', "plugins.email.host: must be set"),
        ('host = "a"\nsecurity = "tls"', 'plugins.email.port: must not be 587 with security = "tls"'),
        ('host = ["hunter2"]', "plugins.email.host: expected str, got array"),
    ],
)
def test_what_is_wrong_is_named_and_not_repeated(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        _read(tmp_path, f"[plugins.email]\n{text}\n")
    assert str(caught.value).startswith(sentence)
    assert "hunter2" not in str(caught.value)


def test_what_is_wrong_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        _read(tmp_path, "", PARLEY_PLUGINS__EMAIL__HOST="a", PARLEY_PLUGINS__EMAIL__PORT="hunter2")
    assert str(caught.value) == "plugins.email.port: expected int, got str (PARLEY_PLUGINS__EMAIL__PORT)"


def test_settings_may_be_printed(tmp_path: Path) -> None:
    settings = load(None, {"PARLEY_PLUGINS__EMAIL__PASSWORD": "hunter2"})
    assert "hunter2" not in repr(settings)
    assert "email" in repr(settings)
    assert repr(Mail(host="a", password="hunter2")) == "Mail(…)"


def test_tables_that_nobody_reads_are_told() -> None:
    settings = load(None, {"PARLEY_PLUGINS__ENABLED": "email", "PARLEY_PLUGINS__EMIAL__HOST": "a"})
    assert unread_tables(settings.plugins) == ["emial"]


def test_the_keys_are_shown() -> None:
    assert keys(MAIL) == [
        Key(name="host", kind="str", default=None),
        Key(name="port", kind="int (ge=1, le=65535)", default="587"),
        Key(name="security", kind="Literal['starttls', 'tls']", default='"starttls"'),
        Key(name="password", kind="str, or unset", default="none"),
        Key(name="extra", kind="tuple[str, ...]", default="[]"),
        Key(name="verify", kind="bool", default="true"),
    ]
