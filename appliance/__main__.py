"""The command line: ``parley serve``, ``check-config``, ``user …``, ``version``.

Owns arguments, exit codes and the one line on stderr: 0 done, 1 refused or crashed, 2 somebody must mend a setting
(the service file does not restart on 2).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import structlog
import trio

from appliance import settings_file
from appliance.errors import ConfigError, ParleyError
from appliance.observe import log
from appliance.settings import LogSettings, Settings
from appliance.store.users import User

EXIT_OK = 0
EXIT_REFUSED = 1
EXIT_CONFIG = 2
EXIT_INTERRUPTED = 130  # what shells report for SIGINT

_EPILOG = """\
settings come from --config FILE, else from config/appliance.toml below the working directory if there is one,
else from the defaults; PARLEY_<SECTION>__<KEY> in the environment overrides each of them:
  PARLEY_HTTP__HOST=0.0.0.0 PARLEY_DATA__FOLDER=/var/lib/parley parley serve
exit codes: 0 done, 1 refused or crashed, 2 a setting must be mended"""


def program_version() -> str:
    """Version of the installed package."""
    try:
        return version("parley")
    except PackageNotFoundError:  # a checkout that was not installed
        return "0+source"


def make_parser() -> argparse.ArgumentParser:
    """All commands and options."""
    parser = argparse.ArgumentParser(
        prog="parley",
        description="A video-meeting server in one process.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    config = argparse.ArgumentParser(add_help=False)
    config.add_argument("--config", type=Path, metavar="FILE", help="settings file (TOML)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", parents=[config], help="serve until SIGTERM or Ctrl-C")
    commands.add_parser("check-config", parents=[config], help="read the settings and name what is wrong")
    commands.add_parser("version", help="print the version")
    user = commands.add_parser("user", help="accounts, beside a running server or without one")
    actions = user.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser(
        "add", parents=[config], help="make an account", description="The password is asked, or read from stdin."
    )
    add.add_argument("username")
    add.add_argument("--email", required=True)
    add.add_argument("--nickname", help="name that others see (the user name)")
    add.add_argument("--admin", action="store_true", help="make it an administrator")
    reset = actions.add_parser(
        "reset-password",
        parents=[config],
        help="set another password and end all sessions",
        description="The password is asked, or read from stdin.",
    )
    reset.add_argument("login", help="user name or e-mail address")
    actions.add_parser("list", parents=[config], help="print all accounts, newest first")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = make_parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = {
        "serve": _serve,
        "check-config": _check_config,
        "user": _user,
        "version": _version,
    }[arguments.command]
    os.umask(0o077)  # whatever this process writes is its owner's
    log.configure(LogSettings(level="warning"))  # until the settings are read
    try:
        return command(arguments)
    except BrokenPipeError:  # `parley user list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_REFUSED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BaseException as error:
        reason = _expected(error)
        if reason is None:
            structlog.get_logger(__name__).error("crashed", exc_info=error)
            return EXIT_REFUSED
        print(f"parley: {' '.join(str(reason).split())}", file=sys.stderr)
        return EXIT_CONFIG if isinstance(reason, ConfigError) else EXIT_REFUSED


def _expected(error: BaseException) -> ParleyError | None:
    """The first error of our own in a tree of errors, or None when there is a foreign one: that is a crash."""
    if isinstance(error, BaseExceptionGroup):
        reasons = [_expected(inner) for inner in error.exceptions]
        return None if None in reasons else reasons[0]
    return error if isinstance(error, ParleyError) else None


def _settings(arguments: argparse.Namespace) -> tuple[Settings, Path | None]:
    path: Path | None = arguments.config
    if path is None and settings_file.DEFAULT_FILE.is_file():
        path = settings_file.DEFAULT_FILE
    return settings_file.load(path, os.environ), path


def _serve(arguments: argparse.Namespace) -> int:
    from appliance.app import run  # the other commands need no server

    settings, path = _settings(arguments)
    log.configure(settings.log)
    return run(settings, config_file=path, version=program_version())


def _check_config(arguments: argparse.Namespace) -> int:
    _, path = _settings(arguments)
    print(f"settings are good ({path or 'defaults and environment'})")
    return EXIT_OK


def _version(_arguments: argparse.Namespace) -> int:
    print(f"parley {program_version()}")
    return EXIT_OK


def _user(arguments: argparse.Namespace) -> int:
    from appliance import console

    settings, _ = _settings(arguments)
    if arguments.action == "list":
        trio.run(console.list_users, settings, _show)
        return EXIT_OK
    password = console.read_password()
    if arguments.action == "add":

        async def add() -> str:
            return await console.add_user(
                settings,
                username=arguments.username,
                email=arguments.email,
                nickname=arguments.nickname,
                administrator=arguments.admin,
                password=password,
            )

        print(trio.run(add))
    else:

        async def reset() -> None:
            await console.reset_password(settings, login=arguments.login, password=password)

        trio.run(reset)
    return EXIT_OK


def _show(user: User) -> None:
    created = datetime.fromtimestamp(user.created_at_ms / 1000, UTC).strftime("%Y-%m-%d")
    print(f"{user.id}  {created}  {user.role:5}  {user.status:6}  {user.username}  {user.email}")


if __name__ == "__main__":
    sys.exit(main())
