"""What handlers work with, put together once by `app`.

Owns nothing but the names; refuses to open or close anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from appliance.api.addresses import Network, parse_networks
from appliance.api.byte_budget import ByteBudget
from appliance.api.live_port import LiveMeetings, Recorder
from appliance.api.stream_places import StreamPlaces
from appliance.auth.csrf import Csrf
from appliance.auth.passwords import PasswordHasher
from appliance.auth.rate_limit import RateLimiter
from appliance.auth.tokens import TokenSigner
from appliance.bus.changes import Changes
from appliance.files.staging import Staging
from appliance.files.storage import ObjectStorage
from appliance.hooks.running import Plugins
from appliance.inference.client import Inference
from appliance.reactions.notices import Notices, make_notices
from appliance.settings import Settings
from appliance.store.database import Database


class Metrics(Protocol):
    """Counters of requests, and all counters as text."""

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request. ``route`` is the pattern, not the path: its values are few."""

    def exposition(self) -> tuple[bytes, str]:
        """Everything, in Prometheus' text format, and its media type."""


class SetupLink:
    """The one-time right to create the administrator: a token that this start of the server printed."""

    def __init__(self, token: str | None) -> None:
        """``token`` None: an administrator exists already."""
        self.token = token

    def spend(self) -> None:
        """The administrator exists; the link is void."""
        self.token = None


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """What handlers work with."""

    version: str
    node: str
    """This server among those on the same database."""
    settings: Settings
    database: Database
    live: LiveMeetings
    recorder: Recorder
    recording_changes: Changes
    """Ids of recordings that changed."""
    files: ObjectStorage
    staging: Staging
    """Files on their way in."""
    metrics: Metrics
    plugins: Plugins
    inference: Inference
    questions: ByteBudget
    """Sounds and pictures of questions to the models, from the first byte to the answer."""
    streams: StreamPlaces
    """Of ``/ws/ai``."""
    notices: Notices
    passwords: PasswordHasher
    tokens: TokenSigner
    csrf: Csrf
    limiter: RateLimiter
    setup: SetupLink
    now_ms: Callable[[], int]
    """Milliseconds since the Unix epoch."""
    trusted_proxies: list[Network]

    def now_s(self) -> int:
        """Seconds since the Unix epoch."""
        return self.now_ms() // 1000


def make_services(
    *,
    version: str,
    node: str,
    settings: Settings,
    secret: bytes,
    database: Database,
    live: LiveMeetings,
    recorder: Recorder,
    recording_changes: Changes,
    files: ObjectStorage,
    staging: Staging,
    metrics: Metrics,
    plugins: Plugins,
    inference: Inference,
    setup_token: str | None,
    now_ms: Callable[[], int],
) -> Services:
    """The services of one server. ``secret``: at least 32 random bytes, the same over restarts."""
    return Services(
        version=version,
        node=node,
        settings=settings,
        database=database,
        live=live,
        recorder=recorder,
        recording_changes=recording_changes,
        files=files,
        staging=staging,
        metrics=metrics,
        plugins=plugins,
        inference=inference,
        questions=ByteBudget(settings.ai.queue_bytes),
        streams=StreamPlaces(),
        notices=make_notices(settings, plugins.notifiers, now_ms),
        passwords=PasswordHasher(settings.auth),
        tokens=TokenSigner(secret),
        csrf=Csrf(secret),
        limiter=RateLimiter(),
        setup=SetupLink(setup_token),
        now_ms=now_ms,
        trusted_proxies=parse_networks(settings.http.trusted_proxies),
    )
