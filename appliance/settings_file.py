"""Reads settings: a TOML file, then the environment on top of it.

Owns the names of environment variables and the texts that point at a wrong key; refuses to know what a setting
means. ``PARLEY_HTTP__PORT=8080`` sets ``port`` of ``[http]``, ``PARLEY_AI__SUMMARY__URL`` sets ``url`` of
``[ai.summary]``, ``PARLEY_PLUGINS__MY_PLUGIN__HOST`` sets ``host`` of ``[plugins.my-plugin]``. Tables of plugins are
carried as they were written; who knows a plugin's schema reads them with `read_plugin_table`. Variables without the
double underscore are left alone: Kubernetes and Docker put ``PARLEY_PORT`` and the like into the environment of a
service named parley.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from appliance.errors import ConfigError
from appliance.settings import PLUGIN_NAME, GivenValue, PluginTable, Section, Settings
from appliance.settings_check import check

S = TypeVar("S", bound=msgspec.Struct)

_PREFIX = "PARLEY_"
_SEPARATOR = "__"
# Where the file is looked for when none is named, relative to the working directory.
DEFAULT_FILE = Path("config/appliance.toml")
# Values of these keys may hold a secret and are not repeated in an error.
_SECRET_KEYS = frozenset(
    {
        "database.url", "media.ice_servers", "storage.access_key", "storage.secret_key", "ai.summary",
        "ai.summary.api_key",
    }
)  # fmt: skip


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Return checked settings; ConfigError names the section, the key and the value that cannot be used.

    `path` None: only defaults and the environment.
    """
    tables = {} if path is None else _read_file(path)
    sections = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    values: dict[str, dict[str, Any]] = {name: {} for name in sections}
    inner_values: dict[tuple[str, str], dict[str, Any]] = {}
    plugins: dict[str, dict[str, GivenValue]] = {}
    for section, table in tables.items():
        if section not in sections:
            raise ConfigError(f"{section}: unknown section{_hint(section, sections)} ({path})")
        if not isinstance(table, dict):
            raise ConfigError(f"{section} = {table!r}: must be a table, write [{section}] ({path})")
        types = _types(sections[section])
        for key, value in table.items():
            if section == "plugins" and key not in types and isinstance(value, dict):
                _check_plugin_name(key, str(path))
                plugins[key] = {inner: GivenValue(given, str(path)) for inner, given in value.items()}
                continue
            if key not in types:
                raise ConfigError(f"{section}.{key}: unknown key{_hint(key, types)} ({path})")
            if _is_section(types[key]):
                if not isinstance(value, dict):
                    raise ConfigError(f"{section}.{key}: must be a table, write [{section}.{key}] ({path})")
                for inner, given in value.items():
                    read = _read_inner(f"{section}.{key}", inner, given, types[key], str(path))
                    inner_values.setdefault((section, key), {})[inner] = read
                continue
            values[section][key] = _convert(f"{section}.{key}", value, types[key], str(path))
    for variable, text in sorted(environ.items()):
        name = variable.removeprefix(_PREFIX)
        if not variable.startswith(_PREFIX) or _SEPARATOR not in name:
            continue
        section, _, key = name.lower().partition(_SEPARATOR)
        if section not in sections:
            raise ConfigError(f"{section}: unknown section{_hint(section, sections)} ({variable})")
        types = _types(sections[section])
        if section == "plugins" and _SEPARATOR in key:
            plugin, _, inner = key.partition(_SEPARATOR)
            plugin = plugin.replace("_", "-")
            _check_plugin_name(plugin, variable)
            plugins.setdefault(plugin, {})[inner] = GivenValue(text, variable, is_text=True)
            continue
        outer, _, inner = key.partition(_SEPARATOR)
        if inner and outer in types and _is_section(types[outer]):
            read = _read_inner(f"{section}.{outer}", inner, text, types[outer], variable, is_text=True)
            inner_values.setdefault((section, outer), {})[inner] = read
            continue
        if key not in types:
            raise ConfigError(f"{section}.{key}: unknown key{_hint(key, types)} ({variable})")
        value = _parse_text(text, types[key])
        values[section][key] = _convert(f"{section}.{key}", value, types[key], variable)
    values["plugins"]["tables"] = tuple(
        PluginTable(name, tuple(sorted(given.items()))) for name, given in sorted(plugins.items())
    )
    for (section, key), table in inner_values.items():
        values[section][key] = _types(sections[section])[key](**table)
    settings = Settings(**{name: sections[name](**table) for name, table in values.items()})
    check(settings)
    return settings


def read_plugin_table(table: PluginTable, schema: type[S]) -> S:
    """A plugin's own settings, as its schema wants them.

    ConfigError names the plugin, the key and what was expected, and never a value: each may be a password.
    """
    fields = {field.name: field for field in msgspec.structs.fields(schema)}
    values: dict[str, Any] = {}
    for key, given in table.values:
        name = f"plugins.{table.name}.{key}"
        if key not in fields:
            raise ConfigError(f"{name}: unknown key{_hint(key, fields)} ({given.origin})")
        wanted = fields[key].type
        value = _parse_text(str(given.value), wanted) if given.is_text else given.value
        values[key] = _convert(name, value, wanted, given.origin, hidden=True)
    for key, field in fields.items():
        if field.required and key not in values:
            raise ConfigError(f"plugins.{table.name}.{key}: must be set")
    try:
        return schema(**values)
    except ValueError as error:  # of the schema's own __post_init__
        raise ConfigError(f"plugins.{table.name}.{error}") from None


def variable_name(section: str, key: str) -> str:
    """Name of the environment variable that sets a key; ``section`` as ``http`` or ``ai.summary``."""
    return f"{_PREFIX}{section.upper().replace('.', _SEPARATOR)}{_SEPARATOR}{key.upper()}"


def _read_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def _types(section: Any) -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(section) if field.name != "tables"}


def _is_section(wanted: Any) -> bool:
    """Whether a key is a table of keys, as ``summary`` of ``[ai]``."""
    return isinstance(wanted, type) and issubclass(wanted, Section)


def _read_inner(
    section: str, key: str, value: Any, table: Any, origin: str, *, is_text: bool = False
) -> Any:
    types = _types(table)
    if key not in types:
        raise ConfigError(f"{section}.{key}: unknown key{_hint(key, types)} ({origin})")
    given = _parse_text(value, types[key]) if is_text else value
    return _convert(f"{section}.{key}", given, types[key], origin)


def _check_plugin_name(name: str, origin: str) -> None:
    if not re.fullmatch(PLUGIN_NAME, name):
        raise ConfigError(f"plugins.{name}: must be a plugin's name in small letters, digits and hyphens ({origin})")


def _convert(name: str, value: Any, wanted: Any, origin: str, *, hidden: bool = False) -> Any:
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        reason = str(error).replace("`", "").replace(" - at $", " at ")
        reason = reason[:1].lower() + reason[1:]
        hidden = hidden or name in _SECRET_KEYS
        if hidden:
            reason = re.sub(r"(invalid enum value).*", r"\1", reason, flags=re.DOTALL)
        shown = "" if hidden else f" = {value!r}"
        raise ConfigError(f"{name}{shown}: {reason} ({origin})") from None


def _parse_text(text: str, wanted: Any) -> Any:
    """Read an environment value: as it is for a text, else as TOML; a list of texts may be comma-separated."""
    if _is_text(wanted):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        if _is_list(wanted):
            return [part.strip() for part in text.split(",") if part.strip()]
        return text


def _is_text(wanted: Any) -> bool:
    try:
        msgspec.convert("", wanted)
    except msgspec.ValidationError as error:
        return "got `str`" not in str(error)
    return True


def _is_list(wanted: Any) -> bool:
    try:
        msgspec.convert([], wanted)
    except msgspec.ValidationError as error:
        return "got `array`" not in str(error)
    return True


def _hint(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]}?" if close else f"; known: {', '.join(known)}"
