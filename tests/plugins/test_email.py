"""The email plugin as the server runs it, against a real SMTP server with TLS and users."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import parley_email
import pytest
import trio

from appliance.errors import ConfigError
from appliance.hooks.configuration import configure
from appliance.hooks.contract import TryLater, Undeliverable
from appliance.settings_file import load
from tests.support.http_receiver import certificate
from tests.support.mail_server import PASSWORD, USER, MailBox, mail_server
from tests.support.plugins import found, message, running

PLUGIN = found("email", lambda: parley_email.plugin)
README = Path(parley_email.__file__).parents[1] / "README.md"


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("mail"), "localhost")


@pytest.fixture
def box(pem: Path) -> Iterator[MailBox]:
    with mail_server("starttls", pem) as running_box:
        yield running_box


def _tables(**keys: object) -> Any:
    return load(None, {f"PARLEY_PLUGINS__EMAIL__{k.upper()}": str(v) for k, v in keys.items()}).plugins


def _to(box: MailBox, pem: Path, **keys: object) -> dict[str, Any]:
    given = {"host": "localhost", "port": box.port, "from_address": "parley@meet.example.org", "ca_file": pem}
    return {"tables": _tables(**{**given, "username": USER, "password": PASSWORD, **keys}).tables}


async def test_a_mail_arrives_encrypted_and_by_a_user(box: MailBox, pem: Path) -> None:
    async with running(PLUGIN, **_to(box, pem)) as plugins:
        await plugins.notify("email", message())
    (mail,) = box.mails
    assert (mail.sender, mail.recipients) == ("parley@meet.example.org", ["ann@example.org"])
    assert (mail.encrypted, mail.user) == (True, USER)
    assert mail.message["Subject"] == "Hello"
    assert mail.message["Message-ID"] == "<ntf_1@meet.example.org>"
    assert "A text." in mail.message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "meet.example.org" in mail.message.get_body(("plain",)).get_content()  # type: ignore[union-attr]


async def test_tls_from_the_first_byte(pem: Path) -> None:
    with mail_server("tls", pem) as box:
        async with running(PLUGIN, **_to(box, pem, security="tls")) as plugins:
            await plugins.notify("email", message())
        assert box.mails[0].encrypted and box.mails[0].user == USER


async def test_without_tls_only_where_the_settings_say_so(pem: Path) -> None:
    with mail_server("none") as box:
        tables = _tables(host="localhost", port=box.port, from_address="p@example.org", security="none").tables
        async with running(PLUGIN, tables=tables) as plugins:
            await plugins.notify("email", message())
        assert not box.mails[0].encrypted
        async with running(PLUGIN, **_to(box, pem)) as plugins:  # a server that offers no STARTTLS
            with pytest.raises(TryLater, match="STARTTLS extension not supported"):
                await plugins.notify("email", message())
        assert len(box.mails) == 1


async def test_a_server_that_is_not_who_it_says_gets_nothing(box: MailBox, pem: Path, tmp_path: Path) -> None:
    other = certificate(tmp_path, "localhost")
    for keys in ({"ca_file": other}, {"host": "127.0.0.1"}):
        async with running(PLUGIN, **_to(box, pem, **keys)) as plugins:
            with pytest.raises(TryLater, match="TLS: CERTIFICATE_VERIFY_FAILED"):
                await plugins.notify("email", message())
    assert box.mails == []


async def test_a_wrong_password_is_told_without_it(box: MailBox, pem: Path) -> None:
    async with running(PLUGIN, **_to(box, pem, password="hunter2")) as plugins:
        with pytest.raises(TryLater, match="localhost: 535 ") as caught:
            await plugins.notify("email", message())
    assert "hunter2" not in caught.value.reason and box.mails == []


@pytest.mark.parametrize(
    ("refusal", "expected", "reason"),
    [
        ({"on_recipient": "550 no such user"}, Undeliverable, "localhost refuses the recipient: 550 no such user"),
        ({"on_recipient": "451 try again"}, TryLater, "localhost refuses the recipient: 451 try again"),
        ({"on_data": "554 looks like spam"}, Undeliverable, "localhost refuses the mail: 554 looks like spam"),
        ({"on_data": "452 full"}, TryLater, "localhost refuses the mail: 452 full"),
        ({"on_sender": "550 who are you"}, TryLater, "localhost: 550 who are you"),
    ],
)
async def test_refusals_are_for_good_or_for_now(
    box: MailBox, pem: Path, refusal: dict[str, str], expected: type[Exception], reason: str
) -> None:
    for name, answer in refusal.items():
        setattr(box, name, answer)
    async with running(PLUGIN, **_to(box, pem), max_failures=1) as plugins:
        with pytest.raises(expected, match=reason):
            await plugins.notify("email", message())
        assert plugins.status("email").state == "enabled"


async def test_a_mail_server_that_is_away_or_silent_is_no_fault_of_the_plugin(box: MailBox, pem: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        box.port = silent.getsockname()[1]
        async with running(PLUGIN, **_to(box, pem, deadline_s=0.2), max_failures=1) as plugins:
            with pytest.raises(TryLater, match=r"timed out|did not take the mail within 0"):
                await plugins.notify("email", message())
    async with running(PLUGIN, **_to(box, pem, deadline_s=10), max_failures=1) as plugins:
        with pytest.raises(TryLater, match=r"localhost: .*[Rr]efused"):
            await plugins.notify("email", message())
        assert plugins.status("email").state == "enabled"


async def test_addresses_beyond_ascii_go_where_they_are_taken(box: MailBox, pem: Path) -> None:
    recipient = msgspec.structs.replace(message().recipient, email="安娜@例子.example")
    notification = msgspec.structs.replace(message(), recipient=recipient)
    async with running(PLUGIN, **_to(box, pem)) as plugins:
        await plugins.notify("email", notification)
        assert box.mails[0].recipients == ["安娜@xn--fsqu00a.example"]
        box.utf8 = False
        with pytest.raises(Undeliverable, match="takes no addresses beyond ASCII"):
            await plugins.notify("email", notification)


async def test_who_has_no_address_is_undeliverable(box: MailBox, pem: Path) -> None:
    async with running(PLUGIN, **_to(box, pem)) as plugins:
        for address in (None, "", "ann", "ann@example.org\r\nBcc: eve@example.org", "a b@c", "<a@b>", "a@b, c@d"):
            recipient = msgspec.structs.replace(message().recipient, email=address)
            with pytest.raises(Undeliverable, match="address"):
                await plugins.notify("email", msgspec.structs.replace(message(), recipient=recipient))
    assert box.mails == []


async def test_many_at_once_use_a_few_connections(box: MailBox, pem: Path) -> None:
    async with running(PLUGIN, **_to(box, pem, connections=2)) as plugins, trio.open_nursery() as nursery:
        for number in range(12):
            nursery.start_soon(plugins.notify, "email", message(number))
    assert {mail.message["Message-ID"] for mail in box.mails} == {f"<ntf_{n}@meet.example.org>" for n in range(12)}


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"host": None}, "plugins.email.host: must be set"),
        ({"from_address": "hunter2"}, "plugins.email.from_address: must be an address"),
        ({"reply_to": "hunter2\r\nX: y"}, "plugins.email.reply_to: must be an address"),
        ({"password": "hunter2"}, "plugins.email.password: must be set together with username"),
        (
            {"password": "hunter2", "username": "u", "security": "none"},
            'plugins.email.security: must not be "none" with a password',
        ),
        ({"security": "hunter2"}, "plugins.email.security: invalid enum value"),
        ({"port": "hunter2"}, "plugins.email.port: expected int, got str"),
    ],
)
def test_wrong_settings_name_the_key(keys: dict[str, str | None], sentence: str) -> None:
    given = {"host": "mail.example.org", "from_address": "parley@example.org", **keys}
    settings = _tables(**{key: value for key, value in given.items() if value is not None})
    with pytest.raises(ConfigError) as caught:
        configure("email", parley_email.plugin, settings)
    assert str(caught.value).startswith(sentence)
    assert "hunter2" not in str(caught.value)


def test_the_readme_names_every_key() -> None:
    text = README.read_text()
    for key in parley_email.EmailConfig.__struct_fields__:
        assert f"`{key}`" in text or f"\n{key} = " in text, key
