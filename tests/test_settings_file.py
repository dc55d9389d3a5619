"""The file and the environment set every key, and what is wrong is named."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.errors import ConfigError
from appliance.settings import GivenValue, IceServerSettings, Section, Settings
from appliance.settings_file import load, variable_name

SHIPPED = Path(__file__).parent.parent / "config" / "appliance.toml"


def _keys() -> list[tuple[str, str, Any]]:
    """Section, key and default of every setting."""
    sections = [(field.name, field.type) for field in msgspec.structs.fields(Settings)]
    inner = [
        (f"{name}.{key.name}", key.type)
        for name, section in sections
        for key in msgspec.structs.fields(section)
        if _is_section(key.type)
    ]
    return [
        (name, key.name, key.default)
        for name, section in [*sections, *inner]
        for key in msgspec.structs.fields(section)
        if key.name != "tables" and not _is_section(key.type)  # those of plugins: no key
    ]


def _is_section(wanted: Any) -> bool:
    return isinstance(wanted, type) and issubclass(wanted, Section)


def _of(found: Any, section: str) -> Any:
    """A section, as ``http`` or ``ai.summary``, of settings or of a file's tables."""
    for name in section.split("."):
        found = found[name] if isinstance(found, dict) else getattr(found, name)
    return found


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(_toml(inner) for inner in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def test_the_shipped_file_holds_every_key_with_its_default_and_no_other() -> None:
    tables = tomllib.loads(SHIPPED.read_text())
    written = {
        (f"{section}.{key}", inner) if isinstance(table[key], dict) else (section, key)
        for section, table in tables.items()
        for key in table
        for inner in (table[key] if isinstance(table[key], dict) else [key])
    }
    assert written == {(section, key) for section, key, _ in _keys()}
    for section, key, default in _keys():
        assert _toml(_of(tables, section)[key]) == _toml(default), f"{section}.{key}"
    assert load(SHIPPED, {}) == Settings()


def test_the_shipped_file_explains_every_key() -> None:
    lines = SHIPPED.read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"[a-z0-9_]+ = ", line):
            above = number - 1
            while re.match(r"[a-z0-9_]+ = ", lines[above]):  # a comment may stand over keys that belong together
                above -= 1
            assert lines[above].startswith("# "), line
    assert max(map(len, lines)) <= 125


@pytest.mark.parametrize(("section", "key", "default"), _keys())
def test_every_key_is_set_by_file_and_by_environment(section: str, key: str, default: Any, tmp_path: Path) -> None:
    other: Any
    match f"{section}.{key}":
        case "tls.mode" | "log.format" | "log.level" | "auth.registration" | "database.synchronous":
            other = {"mode": "off", "format": "json", "level": "debug", "registration": "closed"}.get(key, "normal")
        case "recording.format" | "recording.layout" | "recording.height" | "recording.fps":
            other = {"format": "webm", "layout": "grid", "height": 480, "fps": 30}[key]
        case "database.url":
            other = "postgresql://u:p@h/d"
        case "bus.redis_url":
            other = "redis://u:p@h/1"
        case "http.public_url":
            other = "https://meet.example.org"
        case "http.trusted_proxies":
            other = ("10.0.0.0/8", "192.0.2.1")
        case "media.hosts" | "media.announced_addresses":
            other = ("192.0.2.7", "::1")
        case "media.video_codecs":
            other = ("av1",)
        case "media.ice_servers":
            other = (IceServerSettings(urls=("stun:x",)),)
        case "plugins.enabled":
            other = ("email",)
        case "tls.names":
            other = ("meet.example.org",)
        case "tls.certificate_file" | "tls.key_file":
            other = "x.pem"
        case "storage.kind":
            other = "s3"
        case "ai.device":
            other = "cuda"
        case "ai.workers":
            other = ("tcp://127.0.0.1:8810",)
        case "ai.servers":
            other = ("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7",)
        case "ai.triton_url":
            other = "http://triton:8000"
        case "ai.summary.url":
            other = "http://127.0.0.1:11434/v1"
        case "models.catalogs":
            other = ("further.toml",)
        case _ if isinstance(default, bool):
            other = not default
        case "database.pool_max" | "signaling.silence_s" | "auth.refresh_ttl_s" | "signaling.burst":
            other = default + 1
        case "media.max_seats":
            other = default - 1  # the default is the most there are
        case "media.initial_seats" | "media.audio_seats" | "media.audio_last_n" | "media.workers":
            other = default + 1
        case _ if isinstance(default, (int, float)):
            other = default + 1 if key.startswith(("pool_min", "messages", "heartbeat")) else default * 2 or 1
        case _:
            other = "elsewhere"
    text = '[{urls = ["stun:x"]}]' if key == "ice_servers" else _toml(other)
    beside: dict[str, str] = {
        "certificate_file": {"key_file": "x.pem"},
        "key_file": {"certificate_file": "x.pem"},
        "kind": {"bucket": "files", "region": "eu-central-1"},
        "url": {"model": "qwen"},
    }.get("" if section == "database" else key, {})
    path = tmp_path / "parley.toml"
    path.write_text(f"[{section}]\n{key} = {text}\n" + "".join(f'{name} = "{beside[name]}"\n' for name in beside))
    from_file = load(path, {})
    assert getattr(_of(from_file, section), key) == other
    assert type(getattr(_of(from_file, section), key)) is type(other)

    plain = other if isinstance(other, str) else text
    environ = {variable_name(section, key): plain}
    environ |= {variable_name(section, name): beside[name] for name in beside}
    assert load(None, environ) == from_file
    path.write_text("")
    assert load(path, environ) == from_file


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "parley.toml"
    path.write_text('[http]\nport = 1\nhost = "::1"\n')
    settings = load(path, {"PARLEY_HTTP__PORT": "2"})
    assert (settings.http.host, settings.http.port) == ("::1", 2)


def test_a_list_may_be_written_with_commas() -> None:
    assert load(None, {"PARLEY_MEDIA__HOSTS": "192.0.2.7, ::1"}).media.hosts == ("192.0.2.7", "::1")
    assert load(None, {"PARLEY_MEDIA__HOSTS": ""}).media.hosts == ()


def test_tables_of_plugins_are_carried_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "parley.toml"
    path.write_text("[plugins.example-listener]\nwords = [1, {a = 2}]\n[plugins.email]\nport = 25\n")
    variable = "PARLEY_PLUGINS__EXAMPLE_LISTENER__GREETING_TEXT"
    email, example = load(path, {variable: "1"}).plugins.tables
    assert (email.name, dict(email.values)["port"]) == ("email", GivenValue(25, str(path)))
    assert example.name == "example-listener"
    assert dict(example.values) == {
        "words": GivenValue([1, {"a": 2}], str(path)),
        "greeting_text": GivenValue("1", variable, is_text=True),
    }


def test_a_text_is_taken_as_it_is() -> None:
    assert load(None, {"PARLEY_DATA__FOLDER": "8800"}).data.folder == "8800"


def test_other_variables_are_left_alone() -> None:
    injected = {"PARLEY_PORT": "tcp://10.0.0.1:80", "PARLEY_SERVICE_HOST": "10.0.0.1", "PATH": "/bin"}
    assert load(None, injected) == Settings()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[htpp]\n", "htpp: unknown section, did you mean http?"),
        ("[http]\nprot = 1", "http.prot: unknown key, did you mean port?"),
        ("[http]\nzzz = 1", "http.zzz: unknown key; known: host, port"),
        ("http = 3", "http = 3: must be a table"),
        ("[http]\nport = '80'", "http.port = '80': expected int, got str"),
        ("[http]\nport = 65536", "http.port = 65536: expected int <= 65535"),
        ("[http]\nport = -1", "http.port = -1: expected int >= 0"),
        ("[http]\nport = true", "http.port = True: expected int, got bool"),
        ("[http]\nhost = ''", "http.host = '': expected str of length >= 1"),
        ("[media]\nvideo_codecs = ['vp8', 'vp7']", "media.video_codecs = ['vp8', 'vp7']: invalid enum value 'vp7'"),
        ("[media]\nice_servers = [{url = 'stun:x'}]", "media.ice_servers: object contains unknown field url"),
        ("[auth]\npassword_min_length = 4", "auth.password_min_length = 4: expected int >= 8"),
        ("[media]\nice_servers = [{urls = ['turn:x'], secret = ''}]", "media.ice_servers: expected str of length >= 1"),
        ("[database]\nurl = ['postgresql://u:hidden@h/d']", "database.url: expected str, got array"),
        ("[storage]\nsecret_key = ['hidden']", "storage.secret_key: expected str, got array"),
        ("[storage]\naccess_key = ['hidden']", "storage.access_key: expected str, got array"),
        ("[ai]\nsummary = 3", "ai.summary: must be a table, write [ai.summary]"),
        ("[ai.summary]\nurll = 'x'", "ai.summary.urll: unknown key, did you mean url?"),
        ("[ai.summary]\napi_key = ['hidden']", "ai.summary.api_key: expected str, got array"),
        ("[plugins]\nemail = 1", "plugins.email: unknown key"),
        ("[plugins.enabled]\nx = 1", "plugins.enabled = {'x': 1}: expected array, got object"),
        ("[plugins.My_Plugin]\nx = 1", "plugins.My_Plugin: must be a plugin's name in small letters"),
        ("[plugins]\nenabled = ['My_Plugin']", "plugins.enabled = ['My_Plugin']: expected str matching regex"),
        ("[http", "not valid TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "parley.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("PARLEY_HTTP__PROT", "1", "http.prot: unknown key, did you mean port? (PARLEY_HTTP__PROT)"),
        ("PARLEY_HTPP__PORT", "1", "htpp: unknown section, did you mean http? (PARLEY_HTPP__PORT)"),
        ("PARLEY_HTTP__PORT", "eighty", "http.port = 'eighty': expected int, got str (PARLEY_HTTP__PORT)"),
        ("PARLEY_MEDIA__TCP", "maybe", "media.tcp = 'maybe': expected bool, got str (PARLEY_MEDIA__TCP)"),
        ("PARLEY_AI__SUMMARY__URLL", "1", "ai.summary.urll: unknown key, did you mean url? (PARLEY_AI__SUMMARY__URLL)"),
        ("PARLEY_AI__SUMMARY", "hidden", "ai.summary: expected object, got str (PARLEY_AI__SUMMARY)"),
        ("PARLEY_AUTH__REGISTRATION", "", "auth.registration = '': invalid enum value"),
    ],
)
def test_what_is_wrong_in_the_environment_is_named(variable: str, value: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {variable: value})
    assert str(caught.value).startswith(sentence)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "none.toml", {})
