"""The data folder is private, one process's, and keeps its secret."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.data_folder import look_at_data_folder, open_data_folder, write_private
from appliance.errors import ConfigError

HOLDER = """
import sys
from pathlib import Path
from appliance.data_folder import open_data_folder

with open_data_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_private_with_a_secret_that_stays(tmp_path: Path) -> None:
    path = tmp_path / "above" / "data"
    with open_data_folder(path) as folder:
        assert _mode(path) == 0o700
        assert _mode(path / "secret.key") == 0o600
        key, node = folder.key("tokens"), folder.node
        assert len(key) == 32
        assert folder.key("cookies") != key
        assert (path / "secret.key").read_bytes() != key
    with open_data_folder(path) as folder:
        assert (folder.key("tokens"), folder.node) == (key, node)
    with open_data_folder(tmp_path / "other") as folder:
        assert folder.key("tokens") != key and folder.node != node
    (path / "node.id").write_text("../elsewhere")
    with pytest.raises(ConfigError, match=r"node\.id: holds no node's name"), open_data_folder(path):
        raise AssertionError("opened")


@pytest.mark.slow
def test_a_second_process_is_told_who_holds_it(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdin is not None
    with holder.stdout, holder.stdin:
        while holder.stdout.readline() != "held\n":  # its log comes first
            assert holder.poll() is None
        with pytest.raises(ConfigError) as caught, open_data_folder(tmp_path):
            raise AssertionError("opened")
        assert str(caught.value) == (
            f"data.folder = '{tmp_path}': in use by process {holder.pid} on {os.uname().nodename}"
        )
        holder.kill()  # the kernel lets go of a dead process's lock
        holder.wait(10)
    with open_data_folder(tmp_path):
        pass


def test_the_same_process_cannot_open_it_twice(tmp_path: Path) -> None:
    with open_data_folder(tmp_path), pytest.raises(ConfigError) as caught, open_data_folder(tmp_path):
        raise AssertionError("opened")
    assert f"in use by process {os.getpid()}" in str(caught.value)
    with open_data_folder(tmp_path):
        pass


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda secret: secret.chmod(0o640), "others may read it (mode 640)"),
        (lambda secret: secret.write_bytes(b"short"), "holds 5 bytes instead of 32"),
        (lambda secret: (secret.unlink(), secret.symlink_to("/dev/zero")), "cannot be read"),
        (lambda secret: (secret.unlink(), secret.mkdir()), "cannot be read"),
        (lambda secret: (secret.unlink(), os.mkfifo(secret, 0o600)), "holds 0 bytes"),
    ],
)
def test_a_spoilt_secret_is_refused(tmp_path: Path, spoil, sentence: str) -> None:  # type: ignore[no-untyped-def]
    with open_data_folder(tmp_path):
        pass
    spoil(tmp_path / "secret.key")
    with pytest.raises(ConfigError) as caught, open_data_folder(tmp_path):
        raise AssertionError("opened")
    assert sentence in str(caught.value)
    assert "secret.key" in str(caught.value)


def test_a_path_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, sentence in ((tmp_path / "file", "is not a folder"), (tmp_path / "file" / "below", "cannot be made")):
        with pytest.raises(ConfigError) as caught, open_data_folder(path):
            raise AssertionError("opened")
        assert str(caught.value).startswith(f"data.folder = '{path}': {sentence}")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()  # as root, permissions stop nobody
    with pytest.raises(ConfigError, match="cannot be written: Is a directory"), open_data_folder(tmp_path):
        raise AssertionError("opened")


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    (tmp_path / "x.new").write_text("left by a crash")
    write_private(path, b"one")
    write_private(path, b"two")
    assert path.read_bytes() == b"two"
    assert _mode(path) == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["x"]
    with pytest.raises(ConfigError, match="cannot be written"):
        write_private(tmp_path / "none" / "x", b"")


def test_a_look_says_who_holds_it_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "data"
    with pytest.raises(ConfigError, match="is not a folder"):
        look_at_data_folder(path)
    path.mkdir()
    assert look_at_data_folder(path) is None
    assert list(path.iterdir()) == []
    with open_data_folder(path):
        assert look_at_data_folder(path) == f"process {os.getpid()} on {os.uname().nodename}"
    assert look_at_data_folder(path) is None
    with open_data_folder(path):  # the look let go of the lock
        pass
    (path / "node.id").write_text("somebody\n")
    with pytest.raises(ConfigError, match="holds no node's name"):
        look_at_data_folder(path)
