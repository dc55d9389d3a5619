"""Janus as the peer to compare with: Debian's package, configured in a folder of its own, videoroom over WebSockets.

Owns the settings, the start and the end. Janus gathers no candidates on loopback, and sends by the interface of its
candidate (IP_UNICAST_IF). So it runs in a network namespace with an address on one end of a pair of virtual cables, and
the clients' addresses are local there too: the kernel then takes the same way over loopback as for our server.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.netns import inside_namespace

# RFC 5737, documentation, and RFC 2544, benchmarks: nobody has them.
ADDRESS = "192.0.2.1"
CLIENTS = "198.18.0.0"
PORT = 8188
START_WITHIN_S = 10.0
STOP_WITHIN_S = 5.0

# Only what the benchmark needs is loaded. ICE-lite as ours; one thread for all handles (event_loops) as ours, which is
# also the cheapest for Janus on one core: by default every handle has a thread.
MAIN = """
general: {{
    configs_folder = "{folder}"
    debug_level = 3
    debug_timestamps = true
    session_timeout = 60
    event_loops = {event_loops}
}}
media: {{
    ipv6 = false
    rtp_port_range = "20000-40000"
}}
nat: {{
    ice_lite = true
    ice_enforce_list = "{address}"
}}
plugins: {{
    disable = "{plugins}"
}}
transports: {{
    disable = "{transports}"
}}
events: {{
    broadcast = false
}}
"""
WEBSOCKETS = """
general: {{
    json = "compact"
    ws = true
    ws_port = {port}
    wss = false
}}
admin: {{
    admin_ws = false
    admin_wss = false
}}
"""
# The cap is a REMB to publishers; twice what they send, so that nobody is throttled.
ROOM = """
room-{number}: {{
    description = "load {number}"
    publishers = 100
    bitrate = 6000000
    fir_freq = 0
    audiocodec = "opus"
    videocodec = "vp8"
    notify_joining = false
    record = false
    secret = "adminpwd"
}}
"""
PLUGINS = ("audiobridge", "duktape", "echotest", "lua", "nosip", "recordplay", "sip", "streaming", "textroom",
           "videocall", "voicemail")  # fmt: skip
TRANSPORTS = ("http", "mqtt", "nanomsg", "pfunix", "rabbitmq")


@dataclass(frozen=True)
class Janus:
    """A running one."""

    pid: int
    url: str
    rooms: tuple[str, ...]
    version: str


def unusable_because() -> str | None:
    """Why there can be no comparison with it here; None if there can."""
    if shutil.which("janus") is None:
        return "janus is not installed: apt-get install janus"
    if os.geteuid() != 0:
        return "its network namespace needs root: run as root"
    return None


def version() -> str:
    """As Debian numbers it."""
    query = ["dpkg-query", "-W", "-f", "${Version}", "janus"]
    return subprocess.run(query, capture_output=True, text=True, check=True).stdout


def give_address() -> None:
    """The namespace gets an interface that is not loopback, with ``ADDRESS``."""
    if not inside_namespace():
        raise RuntimeError("the address belongs into a namespace")
    for command in (
        "link add media0 type veth peer name media1",
        f"addr add {ADDRESS}/32 dev media0",
        "link set media0 up",
        "link set media1 up",
        f"route add local {CLIENTS}/15 dev media0",
    ):
        subprocess.run(["ip", *command.split()], check=True, timeout=10)


def _libraries(names: tuple[str, ...]) -> str:
    return ",".join(f"libjanus_{name}.so" for name in names)


@contextmanager
def running_janus(folder: Path, rooms: int, *, event_loops: int = 1) -> Iterator[Janus]:
    """Janus with rooms "1" to ``rooms`` in the caller's namespace; ended at the end. AssertionError has its log."""
    folder.mkdir(parents=True, exist_ok=True)
    main = MAIN.format(
        folder=folder,
        address=ADDRESS,
        event_loops=event_loops,
        plugins=_libraries(PLUGINS),
        transports=_libraries(TRANSPORTS),
    )
    (folder / "janus.jcfg").write_text(main)
    (folder / "janus.transport.websockets.jcfg").write_text(WEBSOCKETS.format(port=PORT))
    numbers = tuple(str(number) for number in range(1, rooms + 1))
    videoroom = "".join(ROOM.format(number=number) for number in numbers)
    (folder / "janus.plugin.videoroom.jcfg").write_text(videoroom)
    log = folder / "janus.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["janus", "--configs-folder", str(folder)], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + START_WITHIN_S
        while True:
            assert process.poll() is None, f"janus ended with {process.returncode}:\n{log.read_text()[-4000:]}"
            try:
                socket.create_connection(("127.0.0.1", PORT), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, f"janus does not listen:\n{log.read_text()[-4000:]}"
                time.sleep(0.05)
        yield Janus(process.pid, f"ws://127.0.0.1:{PORT}", numbers, version())
    finally:
        process.terminate()
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
