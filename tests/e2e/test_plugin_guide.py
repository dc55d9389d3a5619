"""The guide in plugins/README.md, as somebody follows it: a fresh environment, its files, its commands, its result."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import bcrypt
import icalendar
import pytest

from tests.support.http_client import ApiError, HttpClient
from tests.support.http_receiver import receiving
from tests.support.installed import ROOT, environ_of, install_plugin, run_in
from tests.support.mail_server import mail_server
from tests.support.server import Server, running_server

PLUGINS = ROOT / "plugins"
GUIDE = (PLUGINS / "README.md").read_text()
# A file's name stands in bold above its block.
FILES = dict(re.findall(r"^\*\*`([^`]+)`\*\*\n\n```\w+\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL))


def _blocks(language: str) -> list[str]:
    """Blocks of the guide's steps in their order, without the files'."""
    steps = GUIDE.partition("## A working plugin in ten minutes")[2].partition("\n## ")[0]
    found = re.findall(rf"^```{language}\n(.*?)^```$", steps, re.MULTILINE | re.DOTALL)
    return [block for block in found if block not in FILES.values()]


def test_the_example_is_what_the_guide_shows() -> None:
    assert len(FILES) == 2
    for name, text in FILES.items():
        assert (PLUGINS / name).read_text() == text, name


def _listed(server: Server) -> dict[str, Any]:
    return {plugin["name"]: plugin for plugin in server.administrator().get("/admin/plugins")["items"]}


def test_the_guide_ends_in_a_working_plugin(
    lab: None, environment: Path, tmp_path: Path
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    install, try_it = _blocks("sh")
    (settings,) = _blocks("toml")
    environ = environ_of(environment)

    def follow(commands: str) -> str:
        return run_in(commands, tmp_path, environ)

    shown = follow(install)
    assert "diary  1.0  available  event_listeners  (parley-diary)" in shown
    assert "file: str, must be set" in shown

    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "appliance.toml").write_text(settings)
    shown = follow(try_it)
    assert "plugins.diary: good" in shown
    assert re.search(r"^\d{4}-\d\d-\d\dT\S+ meeting ended: 'A try of plugins'$", shown, re.MULTILINE)
    assert "diary  1.0  enabled" in follow("parley plugins list")

    # The server finds it by the same two files and says how it fares.
    with running_server(tmp_path, program=(str(environment / "bin" / "parley"), "serve")) as server:
        diary = _listed(server)["diary"]
        assert (diary["state"], diary["reason"]) == ("enabled", None)
        assert server.metric("plugin_enabled") == 1

        # A wrong key is named by the check, and the server starts all the same.
        (tmp_path / "config" / "appliance.toml").write_text(settings.replace("file =", "fiel ="))
        check = [environment / "bin" / "parley", "plugins", "check"]
        wrong = subprocess.run(check, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60)
        assert wrong.returncode == 2
        assert wrong.stderr.startswith("parley: plugins.diary.fiel: unknown key, did you mean file?")
        server.restart()
        diary = _listed(server)["diary"]
        assert diary["state"] == "failed"
        assert diary["reason"].startswith("configuring: plugins.diary.fiel: unknown key")
        assert server.metric("plugin_enabled") == 0


def test_the_packages_work_as_they_are_installed(lab: None, environment: Path, tmp_path: Path) -> None:
    secret = "whsec_" + base64.b64encode(bytes(32)).decode()
    with mail_server("none") as box, receiving() as receiver:
        environ = environ_of(
            environment,
            PARLEY_PLUGINS__ENABLED="email,webhook",
            PARLEY_PLUGINS__EMAIL__HOST="127.0.0.1",
            PARLEY_PLUGINS__EMAIL__PORT=str(box.port),
            PARLEY_PLUGINS__EMAIL__SECURITY="none",
            PARLEY_PLUGINS__EMAIL__FROM_ADDRESS="parley@example.org",
            PARLEY_PLUGINS__WEBHOOK__URL=f"http://127.0.0.1:{receiver.port}/in",
            PARLEY_PLUGINS__WEBHOOK__SECRET=secret,
            PARLEY_PLUGINS__WEBHOOK__ALLOW_HTTP="true",
            PARLEY_PLUGINS__WEBHOOK__ALLOW_NETWORKS="127.0.0.0/8",
        )
        for name in ("parley-email", "parley-webhook"):
            install_plugin(name, tmp_path, environ)
        assert run_in("parley plugins check", tmp_path, environ) == "plugins.email: good\nplugins.webhook: good\n"
        run_in("parley plugins try email --email ann@example.org && parley plugins try webhook", tmp_path, environ)
    (mail,) = box.mails
    assert mail.recipients == ["ann@example.org"]
    (part,) = [part for part in mail.message.walk() if part.get_content_type() == "text/calendar"]
    (event,) = icalendar.Calendar.from_ical(part.get_payload(decode=True)).walk("VEVENT")
    assert event["SUMMARY"] == "A test of invitations"
    topics = [json.loads(request.body)["topic"] for request in receiver.requests]
    assert topics == ["notifications", "meeting_events"]


def test_people_of_a_password_file_sign_in_by_pip_and_settings_alone(
    lab: None, environment: Path, tmp_path: Path
) -> None:
    people = tmp_path / "people"
    hashed = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(5)).decode()
    people.write_text(f"ann:{hashed}\n")
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    environ = environ_of(
        environment,
        PARLEY_PLUGINS__ENABLED="htpasswd,shelf,seven-faces",
        PARLEY_PLUGINS__HTPASSWD__FILE=str(people),
        PARLEY_PLUGINS__HTPASSWD__EMAIL_DOMAIN="example.org",
        PARLEY_PLUGINS__HTPASSWD__ADMINS="ann",
        PARLEY_PLUGINS__SHELF__FOLDER=str(shelf),
    )
    for name in ("parley-htpasswd", "example-storage", "example-processor"):
        install_plugin(name, tmp_path, environ)
    goods = "plugins.htpasswd: good\nplugins.shelf: good\nplugins.seven-faces: good\n"
    assert run_in("parley plugins check", tmp_path, environ) == goods
    shown = run_in("parley plugins try htpasswd --login ann <<< 'correct horse'", tmp_path, environ)
    assert "ann (ann, ann@example.org), subject 'ann', role admin" in shown
    for name in ("htpasswd", "shelf", "seven-faces"):
        run_in(f"parley plugins try {name}", tmp_path, environ)

    program = (str(environment / "bin" / "parley"), "serve")
    with running_server(tmp_path / "server", environ, program=program) as server:
        with pytest.raises(ApiError, match="invalid_credentials"):
            server.client().post("/auth/login", {"login": "ann", "password": "wrong"})
        ann = server.client().post("/auth/login", {"login": "ann", "password": "correct horse"})
        assert (ann["user"]["email"], ann["user"]["role"]) == ("ann@example.org", "admin")
        listed = HttpClient(server.url, ann["access_token"]).get("/admin/plugins")["items"]
        enabled = {plugin["name"] for plugin in listed if plugin["state"] == "enabled"}
        assert enabled == {"htpasswd", "seven-faces", "shelf"}
