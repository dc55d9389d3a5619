"""One request as handlers see it, and what they may answer.

Owns the types between `dispatch` and the handlers; refuses to know the web framework.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec

from appliance.api.addresses import Origin
from appliance.api.services import Services
from appliance.auth.rate_limit import Limit, network_of
from appliance.errors import UserError
from appliance.events.catalogue import AnyEvent
from appliance.events.envelope import Envelope, envelop
from appliance.ids import new_id
from appliance.store.audit import AuditEntry
from appliance.store.database import Conn
from appliance.store.sessions import Session
from appliance.store.users import User

P = ParamSpec("P")
T = TypeVar("T")


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who is signed in."""

    user: User
    session: Session
    by_cookie: bool


class Cookie(msgspec.Struct, frozen=True, kw_only=True):
    """A cookie to set; an empty value with no age removes it. Always HttpOnly, SameSite=Lax, Secure on HTTPS."""

    name: str
    value: str
    max_age_s: int
    path: str = "/api/v1"


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """Data for the envelope, with cookies."""

    data: Any
    cookies: tuple[Cookie, ...] = ()


class Blob(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is no JSON envelope."""

    content: bytes
    media_type: str
    """Empty: no Content-Type."""
    status: int = 200
    headers: dict[str, str] = {}


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that comes in pieces, as `ranges.ranged` makes them; nobody holds all of it."""

    pieces: Callable[[], AsyncIterator[bytes]] | None
    """The body, ``Content-Length`` bytes in all where the headers say so: an async generator, asked for the next piece
    when the last one was sent, and closed when the client goes. What it raises breaks the connection off. None: no
    body, as for HEAD."""
    headers: dict[str, str]
    status: int = 200


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request."""

    services: Services
    request_id: str
    origin: Origin
    user_agent: str
    headers: dict[str, str]
    """By name in lower case."""
    cookies: dict[str, str]
    caller: Caller | None
    now_ms: int
    method: str = "GET"
    """``HEAD`` for a GET whose answer goes without its body."""

    @property
    def user(self) -> User:
        """Who calls; UserError 401 when nobody is signed in (routes that ask for it never get here without)."""
        return self.signed_in.user

    @property
    def signed_in(self) -> Caller:
        """Who calls and by which session; UserError 401 when nobody is signed in."""
        if self.caller is None:
            raise UserError(401, "sign_in_required", "sign in first")
        return self.caller

    @property
    def base_url(self) -> str:
        """What links to this server begin with: the configured URL, else how this client reached it."""
        return (self.services.settings.http.public_url or self.origin.base_url).rstrip("/")

    async def run(self, fn: Callable[Concatenate[Conn, P], Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """`Database.run`: one transaction."""
        return await self.services.database.run(fn, *args, **kwargs)

    async def read(self, fn: Callable[Concatenate[Conn, P], Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """`Database.read`: one read-only transaction."""
        return await self.services.database.read(fn, *args, **kwargs)

    def limit(self, endpoint: str, limit: Limit, *, who: str | None = None) -> None:
        """Take a token from a bucket; UserError 429 ``rate_limited`` with the time to wait.

        ``who``: whose bucket it is; None for the client's network.
        """
        key = network_of(self.origin.address) if who is None else who
        wait_s = self.services.limiter.take(endpoint, key, limit, self.now_ms / 1000)
        if wait_s > 0:
            raise UserError(429, "rate_limited", "too many requests, try again later", retry_after_s=wait_s)

    def event(self, event: AnyEvent) -> Envelope:
        """What happens with this request, for `outbox.add` in the transaction that makes it so."""
        return envelop(event, event_id=new_id("evt"), at_ms=self.now_ms)

    def audit_entry(
        self,
        action: str,
        outcome: str = "ok",
        *,
        target: str | None = None,
        actor: User | str | None = None,
        detail: str = "",
    ) -> AuditEntry:
        """An audit row about this request.

        ``actor``: an account, or what somebody typed as a name; None: the caller.
        """
        if actor is None and self.caller is not None:
            actor = self.caller.user
        return AuditEntry(
            id=new_id("aud"),
            at_ms=self.now_ms,
            actor_id=actor.id if isinstance(actor, User) else None,
            # 100: the longest login, an address.
            actor_name=actor.username if isinstance(actor, User) else (actor or "")[:100],
            action=action,
            outcome=outcome,
            target=target,
            address=self.origin.address,
            request_id=self.request_id,
            detail=detail,
        )
