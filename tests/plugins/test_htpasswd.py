"""The password file plugin as the server runs it: names, passwords, a file that changes, and the clock."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import bcrypt
import parley_htpasswd
import pytest
from parley_htpasswd.people import read_people

from appliance.errors import ConfigError
from appliance.hooks.configuration import configure
from appliance.hooks.contract import Credentials, Identity, TryLater
from appliance.hooks.running import Plugins
from appliance.settings import PluginsSettings
from appliance.settings_file import load
from tests.support.plugins import found, running

PLUGIN = found("htpasswd", lambda: parley_htpasswd.plugin, ("parley.authentication",))
# The example of Apache's own documentation (misc/password_encryptions).
OF_APACHE = "myName:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC"


def line(name: str, password: str, cost: int = 4) -> str:
    """A line as htpasswd writes it, cheap."""
    return f"{name}:{bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(cost)).decode().replace('$2b$', '$2y$', 1)}"


def _tables(path: Path, **keys: str) -> dict[str, Any]:
    given = {"file": str(path), "email_domain": "example.org", **keys}
    environ = {f"PARLEY_PLUGINS__HTPASSWD__{key.upper()}": value for key, value in given.items()}
    return {"tables": load(None, environ).plugins.tables}


async def ask(plugins: Plugins, login: str, password: str) -> Identity | None:
    return await plugins.authenticate("htpasswd", Credentials(login=login, password=password, address="::1"))


async def test_who_is_in_the_file_signs_in_by_name_and_address(tmp_path: Path) -> None:
    file = tmp_path / "people"
    file.write_text(f"# people\n\n{line('Ann', 'correct horse')}\n{line('ben', 'x' * 80)}\r\n")
    async with running(PLUGIN, **_tables(file, admins="Ann")) as plugins:
        ann = Identity(
            subject="Ann", username="Ann", email="Ann@example.org", display_name="Ann", role="admin"
        )
        for login in ("Ann", "ann", "ANN@Example.org"):
            assert await ask(plugins, login, "correct horse") == ann
        ben = await ask(plugins, "ben", "x" * 80)
        assert ben is not None and ben.role == "user"
        assert await ask(plugins, "ben", "x" * 72) == ben  # as in Apache
        for login, password in (
            ("Ann", "correct horses"),
            ("Ann", "correct horse\0"),
            ("Ann", "\0"),
            ("ann@example.com", "correct horse"),
            ("nobody", "correct horse"),
            ("", "correct horse"),
            ("#", "correct horse"),
        ):
            assert await ask(plugins, login, password) is None, login
        assert plugins.status("htpasswd").statistics.failed == 0


async def test_roles_are_parleys_own_without_a_list(tmp_path: Path) -> None:
    file = tmp_path / "people"
    file.write_text(line("ann", "correct horse"))
    async with running(PLUGIN, **_tables(file)) as plugins:
        ann = await ask(plugins, "ann", "correct horse")
        assert ann is not None and ann.role is None


async def test_a_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "people"
    async with running(PLUGIN, **_tables(file)) as plugins:
        for _ in range(6):  # more than would switch off a plugin that fails
            with pytest.raises(TryLater, match=r"people: No such file or directory"):
                await ask(plugins, "ann", "one")
        file.write_text(line("ann", "one"))
        assert await ask(plugins, "ann", "one") is not None
        other = tmp_path / "other"
        other.write_text(line("ann", "two"))
        other.replace(file)
        assert await ask(plugins, "ann", "one") is None
        assert await ask(plugins, "ann", "two") is not None
        file.write_bytes(b"\xff\xfe")
        with pytest.raises(TryLater, match="people:"):
            await ask(plugins, "ann", "two")
        file.write_text("")
        assert await ask(plugins, "ann", "two") is None
        assert plugins.status("htpasswd").state == "enabled"


@pytest.mark.slow
async def test_a_name_that_is_not_there_takes_as_long(tmp_path: Path) -> None:
    file = tmp_path / "people"
    file.write_text("\n".join(line(name, "right", 8) for name in ("ann", "ben")))

    async with running(PLUGIN, **_tables(file)) as plugins:

        async def took_s(login: str) -> float:
            began = time.perf_counter()
            assert await ask(plugins, login, "wrong") is None
            return time.perf_counter() - began

        # by turns: the machine does other things too
        pairs = [(await took_s("ann"), await took_s(f"nobody{n}")) for n in range(9)]
    known, stranger = (statistics.median(times) for times in zip(*pairs, strict=True))
    assert 0.4 < stranger / known < 2.5  # without the check it is a twentieth


def test_lines_that_cannot_be_taken_are_named() -> None:
    good = line("ann", "x").partition(":")[2]
    text = "\n".join(
        [
            "no colon",
            f"a b:{good}",
            "md5:$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/",
            "crypt:rqXexS6ZhobKA",
            "sha:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
            "slow:" + good.replace("$04$", "$31$"),
            f"twice:{good}",
            f"TWICE:{good}",
            f"twice:{good}",
            f"fine:{good}:more that Apache ignores",
        ]
    )
    people, left_out = read_people(text)
    assert set(people) == {"fine"}
    assert [reason.partition(",")[0].partition(" does")[0] for reason in left_out] == [
        f"line {number}" for number in (1, 2, 3, 4, 5, 6, 8, 9)
    ]
    assert "cost 31 is not between 4 and 15" in left_out[5]
    assert not any(good in reason for reason in left_out)
    assert good not in repr(people)


async def test_a_line_of_apache_itself_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "people"
    file.write_text(OF_APACHE + "\n")
    async with running(PLUGIN, **_tables(file)) as plugins:
        found_one = await ask(plugins, "myname", "myPassword")
        assert found_one is not None and found_one.subject == "myName"


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"file": ""}, "plugins.htpasswd.file"),
        ({"email_domain": "ann@example.org"}, "plugins.htpasswd.email_domain: must be what stands behind the @"),
        ({"email_domain": ""}, "plugins.htpasswd.email_domain"),
    ],
)
def test_wrong_settings_are_named(keys: dict[str, str], reason: str, tmp_path: Path) -> None:
    settings = PluginsSettings(**_tables(tmp_path / "people", **keys))
    with pytest.raises(ConfigError, match=reason):
        configure("htpasswd", parley_htpasswd.plugin, settings)
