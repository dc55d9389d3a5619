"""A world of running meetings for tests: real database, real `Live`, clients that read and write JSON frames.

Media are still (tests/support/still_media.py) unless a test brings the real Sfu. Owns the set-up and a client whose
calls read as a transcript; refuses to know what is right.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import trio
import trio.testing
from msgspec.structs import replace

from appliance.auth.tokens import Role, TokenSigner
from appliance.ids import new_id, new_meeting_code
from appliance.live.captions import Transcribing
from appliance.live.directory import Live, open_live
from appliance.live.media import MediaPlane
from appliance.live.recorder import Recorder, open_recorder
from appliance.live.sockets import SocketClosed
from appliance.live.vision import Watching
from appliance.settings import DataSettings, MediaSettings, MeetingsSettings, Settings, SignalingSettings
from appliance.store import meetings, users
from appliance.store.database import Database, open_engine
from appliance.store.meetings import Meeting
from appliance.store.migrations import migrate
from appliance.store.users import User
from tests.support.socket_pair import MemorySocket, socket_pair
from tests.support.still_media import StillMedia

SECRET = b"a secret of thirty-two bytes, yes"
# Far above what any answer takes; a test that waits for what never comes ends soon.
ANSWER_WITHIN_S = 5.0

NODE = "node_here"

_names = count(1)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class ClosedByServerError(Exception):
    """The server closed the socket."""

    def __init__(self, code: int) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Client:
    """One page: says messages, hears frames."""

    def __init__(self, world: World, socket: MemorySocket) -> None:
        self.world = world
        self.socket = socket
        self.heard: list[dict[str, Any]] = []
        """Every frame so far."""
        self._skipped: list[dict[str, Any]] = []
        self.welcome: dict[str, Any] = {}

    @property
    def id(self) -> str:
        """Participant id."""
        return str(self.welcome["participant_id"])

    @property
    def last_seq(self) -> int:
        """Number of the newest numbered frame."""
        return max((frame["seq"] for frame in self.heard if "seq" in frame), default=0)

    async def says(self, kind: str, **fields: Any) -> None:
        """Send a message."""
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def hears(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The next frame of this type with these fields; frames of other types stay to be heard later."""

        def fits(frame: dict[str, Any]) -> bool:
            return frame["type"] == kind and all(frame.get(name) == value for name, value in fields.items())

        for frame in self._skipped:
            if fits(frame):
                self._skipped.remove(frame)
                return frame
        with trio.move_on_after(ANSWER_WITHIN_S):
            while True:
                frame = await self._next()
                if fits(frame):
                    return frame
                self._skipped.append(frame)
        raise AssertionError(f"no {kind} {fields} came; heard {[f['type'] for f in self.heard]}")

    async def hears_nothing_of(self, kind: str) -> None:
        """Everything the server has to say until it answers a ping holds no such frame."""
        await self.catch_up()
        assert kind not in [frame["type"] for frame in self._skipped]

    async def catch_up(self) -> None:
        """Hear what the server has said so far: its tasks run dry, then a ping is answered."""
        await self.world.quiet()
        stamp = next(_names)
        await self.says("ping", time_ms=stamp)
        await self.hears("pong", time_ms=stamp)

    async def hears_the_end(self) -> int:
        """Read to the end; the close code."""
        try:
            with trio.move_on_after(ANSWER_WITHIN_S):
                while True:
                    self._skipped.append(await self._next())
        except ClosedByServerError as closed:
            return closed.code
        raise AssertionError("the server did not close the socket")

    async def _next(self) -> dict[str, Any]:
        try:
            frame: dict[str, Any] = json.loads(await self.socket.receive())
        except SocketClosed as closed:
            raise ClosedByServerError(closed.code) from None
        self.heard.append(frame)
        return frame

    async def offers(self, *sources: str, seats: int = 0, audio_seats: int = 0) -> dict[str, Any]:
        """Negotiate: publish these sources and offer seats; the answer."""
        number = sum(frame["type"] == "answer" for frame in self.heard) + 1
        receive = [{"seat": n, "audio_mid": f"a{n}", "video_mid": f"v{n}"} for n in range(seats)]
        receive += [{"seat": n, "audio_mid": f"a{n}"} for n in range(seats, seats + audio_seats)]
        publish = [{"mid": f"p{n}", "source": source} for n, source in enumerate(sources)]
        await self.says("offer", sdp="v=0", negotiation=number, publish=publish, receive=receive)
        return await self.hears("answer", negotiation=number)


class World:
    """Accounts, meetings, tokens and clients around one `Live`."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        media: StillMedia,
        live: Live,
        recorder: Recorder,
        nursery: trio.Nursery,
    ) -> None:
        self.settings = settings
        self.database = database
        self.media = media
        self.live = live
        self.recorder = recorder
        self.signer = TokenSigner(SECRET)
        self._nursery = nursery

    async def account(self, name: str) -> str:
        """A new account; its id."""
        user = User(
            id=new_id("usr"),
            username=f"{name}{next(_names)}",
            email=f"{name}{next(_names)}@example.org",
            password_hash="-",
            nickname=name,
            avatar_id=None,
            role="user",
            status="active",
            created_at_ms=now_ms(),
            updated_at_ms=now_ms(),
            last_login_at_ms=None,
        )
        await self.database.run(users.insert, user)
        return user.id

    async def meeting(self, **changes: Any) -> Meeting:
        """A new scheduled meeting."""
        row = Meeting(
            id=new_id("mtg"),
            code=new_meeting_code(),
            title="Monday",
            description="",
            creator_id=None,
            status="scheduled",
            start_at_ms=None,
            end_at_ms=None,
            started_at_ms=None,
            ended_at_ms=None,
            created_at_ms=now_ms(),
            updated_at_ms=now_ms(),
            max_participants=100,
            guests_allowed=True,
            passcode_hash=None,
            locked=False,
        )
        row = replace(row, **changes)
        await self.database.run(meetings.insert, row)
        return row

    async def row(self, meeting: Meeting) -> Meeting:
        """The meeting as stored now."""
        found = await self.database.read(meetings.find, meeting.id)
        assert found is not None
        return found

    def token(self, meeting: Meeting, subject: str, name: str, role: Role = "participant", *, age_s: int = 0,
              session_id: str | None = None) -> str:  # fmt: skip
        """A join token as POST /meetings/{id}/join gives it; a subject that begins with gst_ is a guest."""
        return self.signer.join(
            meeting_id=meeting.id,
            subject=subject,
            session_id=session_id,
            guest=subject.startswith("gst_"),
            name=name,
            role=role,
            avatar_url=None,
            token_id=new_id("jnt"),
            now_s=now_ms() // 1000 - age_s,
            ttl_s=3600,
        )

    async def connect(self, *, buffer: int = 256) -> Client:
        """Open a socket; nothing is said yet."""
        server, client = socket_pair(buffer=buffer)
        self._nursery.start_soon(self.live.serve_socket, server, "192.0.2.1")
        return Client(self, client)

    async def join(self, meeting: Meeting, name: str, role: Role = "participant", *, subject: str | None = None,
                   token: str | None = None, buffer: int = 256, **capabilities: Any) -> Client:  # fmt: skip
        """Open a socket and join; a new account unless ``subject`` or ``token`` says who it is."""
        if token is None:
            subject = subject or await self.account(name)
            token = self.token(meeting, subject, name, role)
        client = await self.connect(buffer=buffer)
        await client.says("join", room=meeting.id, token=token, capabilities=capabilities)
        client.welcome = await client.hears("joined")
        return client

    async def resume(self, client: Client, *, last_seq: int | None = None) -> Client:
        """A new socket that asks to resume the client's session."""
        again = await self.connect()
        again.welcome = client.welcome
        await again.says(
            "resume",
            session_id=client.welcome["session_id"],
            resume_token=client.welcome["resume_token"],
            last_seq=client.last_seq if last_seq is None else last_seq,
        )
        return again

    async def until(self, condition: Callable[[], bool], *, within_s: float = ANSWER_WITHIN_S) -> None:
        """Wait until the condition holds."""
        with trio.fail_after(within_s):
            while not condition():  # noqa: ASYNC110  # looks at the server from outside: there is no event to wait for
                await trio.sleep(0.005)

    async def quiet(self) -> None:
        """Wait until no task of this process has anything to do but wait, and rows are written."""
        for _ in range(3):
            await trio.testing.wait_all_tasks_blocked(0.005)
            await self.database.run(_nothing)


async def _nothing(conn: Any) -> None:
    await conn.fetchval("SELECT 1")


def world_settings(folder: Path, *, meetings: dict[str, Any] | None = None, **signaling: Any) -> Settings:
    """Quick clocks: what takes 30 s in the product takes a tenth of a second here."""
    return Settings(
        data=DataSettings(folder=str(folder)),
        signaling=SignalingSettings(**{"resume_s": 0.3, "heartbeat_s": 2.0, "silence_s": 10.0, **signaling}),
        meetings=MeetingsSettings(**{"empty_grace_s": 30.0, **(meetings or {})}),
        media=MediaSettings(initial_seats=2, max_seats=9),
    )


@asynccontextmanager
async def open_world(
    folder: Path,
    *,
    settings: Settings | None = None,
    media: MediaPlane | None = None,
    transcribing: Transcribing | None = None,
    watching: Watching | None = None,
) -> AsyncIterator[World]:
    """A server's worth of meetings on a database in ``folder``; opened again on the same one, it has restarted."""
    settings = settings or world_settings(folder)
    plane: Any = media or StillMedia()
    # SQLite has a thread of its own; the asyncio thread is PostgreSQL's.
    async with open_engine(settings, None) as database, trio.open_nursery() as nursery:  # type: ignore[arg-type]
        await migrate(database)
        async with (
            open_recorder(
                settings.recording,
                folder / "recordings",
                database,
                node=NODE,
                now_ms=now_ms,
                clock_us=lambda: time.time_ns() // 1000,
            ) as recorder,
            open_live(
                settings, database, plane, TokenSigner(SECRET), recorder, transcribing, watching, node=NODE
            ) as live,
        ):
            recorder.meetings = live
            world = World(settings, database, plane, live, recorder, nursery)
            yield world
        await world.until(lambda: live.statistics()["sockets"] == 0)
        nursery.cancel_scope.cancel()
