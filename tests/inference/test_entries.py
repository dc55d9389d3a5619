"""What a catalog may say; the shipped one says it."""

from __future__ import annotations

import pytest

from appliance.errors import ConfigError
from appliance.inference.entries import read_catalog
from appliance.inference.installed import SHIPPED
from tests.support.inference_world import entry_text


def test_the_shipped_catalog_is_good() -> None:
    catalog = read_catalog(SHIPPED.read_text(), "catalog")
    assert catalog.of_task("asr")[0].name == "moonshine-tiny-en", "the quick one is preferred"
    assert {"vad", "asr", "denoise", "faces", "emotion", "spoof", "synthesis", "upscale"} <= set(catalog.tasks())
    default = [entry for entry in catalog if entry.default]
    assert sum(entry.size_bytes for entry in default) < 64_000_000, "the default set is small"
    for entry in catalog:
        assert entry.hint() == f"parley models pull {entry.name}"


def test_small_weights_are_shipped_whole() -> None:
    catalog = read_catalog(SHIPPED.read_text(), "catalog")
    names = {file.source for entry in catalog for file in entry.files if file.source.startswith("file:")}
    assert names
    for name in names:
        assert (SHIPPED.parent / name.removeprefix("file:")).stat().st_size < 3_000_000
    licences = (SHIPPED.parent / "README.md").read_text()
    assert [name for name in names if name.removeprefix("file:") not in licences] == []


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[[models]]", "[[models", "not valid TOML"),
        ('name = "echo"', 'name = "../echo"', "matching regex"),
        ('version = "1"', 'version = "1/.."', "matching regex"),
        ('name = "weights.bin"', 'name = "../weights.bin"', "matching regex"),
        ('licence = "MIT"\n', "", "licence"),
        ('task = "echo"', 'taks = "echo"', "taks"),
        ('source = "file:echo-weights.bin"', 'source = "http://example.org/x"', "source 'http://example.org/x'"),
        ('source = "file:echo-weights.bin"', 'source = "file:../x"', r"source 'file:\.\./x'"),
        ('source = "file:echo-weights.bin"', 'source = "pypi:name!x"', "source 'pypi:name!x'"),
        ('source = "file:echo-weights.bin"\n', "", "has neither source nor conversion"),
        ("sha256 = ", 'role2 = "x"\nsha256 = ', "role2"),
        ('name = "weights.bin"', 'name = "weights.onnx"', "must say its inputs and outputs"),
        ('task = "echo"', 'task = "echo"\nconversion = "a:b"', "a conversion needs sources"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, says: str) -> None:
    text = entry_text("echo", "Echo")
    assert old in text
    with pytest.raises(ConfigError, match=says) as caught:
        read_catalog(text.replace(old, new, 1), "my.toml")
    assert str(caught.value).startswith("my.toml: ")


def test_what_is_fetched_must_have_a_hash() -> None:
    lines = [line for line in entry_text("echo", "Echo").splitlines() if not line.startswith("sha256")]
    with pytest.raises(ConfigError, match="must have its sha256"):
        read_catalog("\n".join(lines), "my.toml")


def test_names_are_given_once() -> None:
    with pytest.raises(ConfigError, match="two models are called 'echo'"):
        read_catalog(entry_text("echo", "Echo") + "\n" + entry_text("echo", "Echo"), "my.toml")
