"""First run: the one-time link that creates the administrator."""

from __future__ import annotations

import hmac

from appliance.api.auth import new_user, refuse_taken, registered
from appliance.api.bodies import SetupBody
from appliance.api.call import Call, Reply
from appliance.api.shapes import SetupNeeded
from appliance.api.sign_in import new_session, signed_in, store_session
from appliance.errors import UserError
from appliance.events.envelope import Envelope
from appliance.store import outbox, users
from appliance.store.audit import AuditEntry
from appliance.store.database import Conn
from appliance.store.sessions import Session
from appliance.store.users import User


async def state(call: Call) -> SetupNeeded:
    """Whether this server has no administrator yet."""
    return SetupNeeded(needed=await is_needed(call))


async def is_needed(call: Call) -> bool:
    """Whether a setup link is out and no administrator was made by other means meanwhile."""
    if call.services.setup.token is None:
        return False
    if await call.read(users.count_active_admins) > 0:
        call.services.setup.spend()
        return False
    return True


async def create_administrator(call: Call, body: SetupBody) -> Reply:
    """Create the first administrator with the one-time token of the server's first start, and sign in."""
    expected = call.services.setup.token
    if expected is None:
        raise UserError(409, "setup_done", "this server has its administrator")
    if not hmac.compare_digest(expected.encode(), body.token.encode()):
        raise UserError(403, "setup_token_wrong", "this is not the link of the server's latest start", field="token")
    user = await new_user(call, body, "admin")
    session = new_session(call, user.id, body.session)
    entry = call.audit_entry("setup.create_administrator", target=user.id, actor=user)
    await call.run(_store_administrator, user, session, entry, call.event(registered(user)), call.now_ms)
    call.services.setup.spend()
    return signed_in(call, user, session)


async def _store_administrator(
    conn: Conn, user: User, session: Session, entry: AuditEntry, event: Envelope, now_ms: int
) -> None:
    if await users.count_active_admins(conn) > 0:
        raise UserError(409, "setup_done", "this server has its administrator")
    await refuse_taken(conn, user.username, user.email)
    await users.insert(conn, user)
    await store_session(conn, session, entry, now_ms)
    await outbox.add(conn, event)
