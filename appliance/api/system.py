"""About the server itself: what clients must know, health, metrics and statistics."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from appliance.api.call import Blob, Call
from appliance.api.setup import is_needed
from appliance.api.shapes import Health, Info, Readiness
from appliance.errors import UserError
from appliance.store import meetings, sessions
from appliance.store.database import Conn

# What the web page is translated to.
LANGUAGES = ["en", "zh-CN"]


async def info(call: Call) -> Info:
    """What a client must know before anybody signs in."""
    settings = call.services.settings
    return Info(
        name="Parley",
        version=call.services.version,
        registration=settings.auth.registration,
        guests_allowed=settings.meetings.guests_allowed,
        setup_needed=await is_needed(call),
        password_min_length=settings.auth.password_min_length,
        languages=LANGUAGES,
    )


async def health(call: Call) -> Health:
    """The process answers."""
    return Health(status="ok", version=call.services.version)


async def ready(call: Call) -> Readiness:
    """The database answers too; 503 ``unavailable`` when it does not."""
    await call.read(_ping)
    return Readiness(status="ready", database=call.services.database.dialect)


async def _ping(conn: Conn) -> None:
    await conn.fetchval("SELECT 1")


async def metrics(call: Call) -> Blob:
    """Prometheus metrics, for administrators and for scrapers on this machine or a private network."""
    if not _is_inside(call.origin.address) and (call.caller is None or call.caller.user.role != "admin"):
        raise UserError(403, "forbidden", "metrics are for administrators and private networks")
    content, media_type = call.services.metrics.exposition()
    return Blob(content=content, media_type=media_type, headers={"Cache-Control": "no-store"})


def _is_inside(address: str) -> bool:
    try:
        return ip_address(address).is_private
    except ValueError:
        return False


async def stats(call: Call) -> dict[str, Any]:
    """Rooms, connections, database, sign-ins and limits, as numbers."""
    users, by_status = await call.read(_counts, call.now_ms)
    services = call.services
    return {
        "live": services.live.statistics(),
        "meetings": by_status,
        "users_signed_in": users,
        "database": dict(services.database.statistics()),
        "passwords": services.passwords.statistics(),
        "rate_limits": services.limiter.statistics(),
    }


async def _counts(conn: Conn, now_ms: int) -> tuple[int, dict[str, int]]:
    return await sessions.count_users(conn, now_ms), await meetings.count_by_status(conn)
