"""Signing in with a password that a plugin knows, and the account that comes of it.

Owns whom an authenticator is asked about, and how an account follows what it says: made at the first sign-in, bound to
(plugin, subject), changed where the plugin's word has changed since. Refuses to give away which names have an account
here: a wrong password to one of Parley's own asks the authenticators too, for a name that nobody has, and so takes as
long and answers the same as a name that is not there. Their failures end no sign-in to Parley's own accounts, whose
passwords were looked at before.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from msgspec import structs

from appliance.api import texts
from appliance.api.bodies import LoginBody
from appliance.api.call import Call, Reply
from appliance.api.sign_in import new_session, signed_in, store_login
from appliance.errors import UserError
from appliance.events.catalogue import UserLoggedIn, UserRegistered, UserStatusChanged
from appliance.events.envelope import Envelope
from appliance.hooks.contract import Credentials, Identity, TryLater, Undeliverable
from appliance.ids import new_id, new_token
from appliance.store import audit, external_accounts, outbox, sessions, users
from appliance.store.audit import AuditEntry
from appliance.store.database import Conn
from appliance.store.external_accounts import ExternalAccount
from appliance.store.sessions import Session
from appliance.store.users import User

_log = structlog.get_logger(__name__)

# The contract's bound of what is typed.
_TYPED_BYTES_MAX = 1024


def wrong_password() -> UserError:
    """The one answer to a name or a password that is wrong."""
    return UserError(401, "invalid_credentials", "user name or password is wrong")


def kept_elsewhere(plugin: str) -> UserError:
    """For what only accounts with a password of Parley's own can do."""
    return UserError(409, "external_account", f"this account signs in by {plugin}: its password is changed there")


async def sign_in(call: Call, body: LoginBody, typed: str, user: User | None) -> Reply:
    """Sign in by an authenticator. ``user``: whose name was typed, with another password or none of Parley's own."""
    own = user is not None and user.password_hash is not None
    found = await _ask_all(call, typed, body.password, actor=user or typed, nobody=own)
    if found is None:
        await call.run(audit.insert, call.audit_entry("auth.login", "invalid_credentials", actor=user or typed))
        raise wrong_password()
    plugin, identity = found
    draft = await _draft(call, plugin, identity, typed)
    session = new_session(call, draft.id, body.session)
    stored = await call.run(_store, _Coming(call, plugin, identity, draft, session), call.now_ms)
    if isinstance(stored, UserError):
        raise stored
    if stored.new_role:
        call.services.live.revoke_user(stored.user.id)
    return signed_in(call, stored.user, stored.session)


async def confirm(call: Call, bound: ExternalAccount, password: str) -> bool:
    """Whether it is the password of the caller's account, which a plugin knows. UserError 503 when nobody can say."""
    if bound.plugin not in call.services.plugins.authenticators():
        raise _away()
    if not _can_be_asked(bound.username, password):
        return False
    asked = Credentials(login=bound.username, password=password, address=call.origin.address)
    try:
        identity = await call.services.plugins.authenticate(bound.plugin, asked)
    except Undeliverable:
        return False
    except TryLater as error:
        _log.warning("authenticator_away", plugin=bound.plugin, reason=error.reason)
        raise _away() from None
    return identity is not None and identity.subject == bound.subject


# --- asking -----------------------------------------------------------------------------------------------------------


async def _ask_all(
    call: Call, login: str, password: str, *, actor: User | str, nobody: bool
) -> tuple[str, Identity] | None:
    """Who that is, by the first that knows; None: nobody. UserError 503 when one that might know cannot be asked.

    ``nobody``: ask the same for a name and a password that are drawn. ``actor``: whose attempt it is in the audit log.
    """
    plugins = call.services.plugins
    if not _can_be_asked(login, password):
        return None
    if nobody:
        login, password = f"nobody-{new_token()[:12]}", new_token()
    asked = Credentials(login=login, password=password, address=call.origin.address)
    away = False
    for name in plugins.authenticators():
        try:
            identity = await plugins.authenticate(name, asked)
        except TryLater as error:
            _log.warning("authenticator_away", plugin=name, reason=error.reason)
            away = True
        except Undeliverable as error:
            if not nobody:
                entry = call.audit_entry("auth.login", "refused", actor=actor, detail=f"by {name}: {error.reason}")
                await call.run(audit.insert, entry)
                raise wrong_password() from None
        else:
            if identity is not None and not nobody:
                return name, identity
    if away:
        await call.run(audit.insert, call.audit_entry("auth.login", "unavailable", actor=actor))
        raise _away()
    return None


def _can_be_asked(login: str, password: str) -> bool:
    """Whether the contract allows to ask: an empty password means "anybody" to some directories."""
    fits = all(0 < len(text.encode()) <= _TYPED_BYTES_MAX for text in (login, password))
    return fits and login.isprintable()


def _away() -> UserError:
    return UserError(
        503,
        "sign_in_unavailable",
        "user name or password is wrong, or the service that knows this account is away",
        retry_after_s=10.0,
    )


# --- the account ------------------------------------------------------------------------------------------------------


async def _draft(call: Call, plugin: str, identity: Identity, typed: str) -> User:
    """The account as it would be made now, its texts as Parley keeps them. UserError 502 when they cannot be used."""
    try:
        username = texts.username(identity.username)
        email = texts.email(identity.email)
        nickname = texts.name(identity.display_name, "display_name")
    except UserError as error:
        _log.warning("identity_unusable", plugin=plugin, reason=str(error))
        entry = call.audit_entry("auth.login", "unusable", actor=typed, detail=f"by {plugin}: {error}")
        await call.run(audit.insert, entry)
        message = f"{plugin} calls you something that cannot be used here: {error}"
        raise UserError(502, "identity_unusable", message) from None
    return User(
        id=new_id("usr"),
        username=username,
        email=email,
        password_hash=None,
        nickname=nickname,
        avatar_id=None,
        role=identity.role or "user",
        status="active",
        created_at_ms=call.now_ms,
        updated_at_ms=call.now_ms,
        last_login_at_ms=None,
    )


@dataclass(frozen=True)
class _Stored:
    user: User
    session: Session
    new_role: bool


class _Coming:
    """Somebody who was found, with all that the transaction may write: it may run twice and must draw nothing."""

    def __init__(self, call: Call, plugin: str, identity: Identity, draft: User, session: Session) -> None:
        self.identity, self.draft, self.session = identity, draft, session
        self.told = ExternalAccount(
            user_id=draft.id,
            plugin=plugin,
            subject=identity.subject,
            username=draft.username,
            email=draft.email,
            display_name=draft.nickname,
        )
        self.registering = call.audit_entry("auth.register", target=draft.id, actor=draft, detail=f"by {plugin}")
        self.registered = call.event(UserRegistered(user_id=draft.id, username=draft.username))
        self._login = call.audit_entry("auth.login", actor=draft, target=session.id, detail=f"by {plugin}")
        self._logged_in = call.event(
            UserLoggedIn(
                user_id=draft.id, session_id=session.id, address=session.address, user_agent=session.user_agent
            )
        )
        self._changed = call.event(UserStatusChanged(user_id=draft.id, status="active", role=draft.role))

    def login(self, user: User, outcome: str = "ok", *remarks: str) -> AuditEntry:
        """The audit row of this sign-in, now that the account is known."""
        detail = "; ".join((self._login.detail, *remarks))
        return structs.replace(
            self._login, actor_id=user.id, actor_name=user.username, outcome=outcome, detail=detail
        )

    def logged_in(self, user: User) -> Envelope:
        """Its event."""
        return structs.replace(self._logged_in, event=structs.replace(self._logged_in.event, user_id=user.id))

    def changed(self, user: User) -> Envelope:
        """That the role has changed."""
        changed = structs.replace(self._changed.event, user_id=user.id, status=user.status, role=user.role)
        return structs.replace(self._changed, event=changed)


async def _store(conn: Conn, coming: _Coming, now_ms: int) -> _Stored | UserError:
    """Repository function: make or change the account and open the session; a refusal is kept in the audit log."""
    told, draft = coming.told, coming.draft
    bound = await external_accounts.of_subject(conn, told.plugin, told.subject)
    remarks: list[str] = []
    new_role = False
    if bound is None:
        field = await users.taken(conn, username=draft.username, email=draft.email)
        if field is not None:
            unmade = structs.replace(coming.login(draft, f"{field}_taken"), actor_id=None)
            await audit.insert(conn, unmade)
            message = f"another account here has your {field}: ask an administrator"
            return UserError(409, "account_conflict", message, field=field)
        user = draft
        await users.insert(conn, user)
        await external_accounts.put(conn, told)
        await audit.insert(conn, coming.registering)
        await outbox.add(conn, coming.registered)
    else:
        known = await users.by_id(conn, bound.user_id)
        assert known is not None  # the row goes with the account
        if known.status == "banned":
            await audit.insert(conn, coming.login(known, "banned"))
            return UserError(403, "banned", "this account is banned")
        remarks = await _follow(conn, known, bound, told, now_ms)
        new_role = await _follow_role(conn, known, coming, remarks, now_ms)
        user = await users.by_id(conn, known.id) or known
    session = structs.replace(coming.session, user_id=user.id)
    await store_login(conn, session, coming.login(user, "ok", *remarks), coming.logged_in(user), now_ms)
    return _Stored(user, session, new_role)


async def _follow(
    conn: Conn, user: User, bound: ExternalAccount, told: ExternalAccount, now_ms: int
) -> list[str]:
    """Take over what the plugin says otherwise than the last time; what another account has stays, with a remark."""
    username = told.username if told.username != bound.username else user.username
    email = told.email if told.email != bound.email else user.email
    nickname = told.display_name if told.display_name != bound.display_name else user.nickname
    remarks = []
    if await users.taken(conn, username=username, email=None, besides=user.id) is not None:
        username = user.username
        remarks.append("username_taken")
    if await users.taken(conn, username=None, email=email, besides=user.id) is not None:
        email = user.email
        remarks.append("email_taken")
    if (username, email, nickname) != (user.username, user.email, user.nickname):
        await users.update_profile(conn, user.id, username=username, email=email, nickname=nickname, now_ms=now_ms)
    # what could not be taken over is tried again at the next sign-in
    await external_accounts.put(
        conn,
        structs.replace(
            told,
            user_id=user.id,
            username=bound.username if "username_taken" in remarks else told.username,
            email=bound.email if "email_taken" in remarks else told.email,
        ),
    )
    return remarks


async def _follow_role(conn: Conn, user: User, coming: _Coming, remarks: list[str], now_ms: int) -> bool:
    """Whether the account got another role. Its sessions end, so that no old right lives on; the last administrator
    stays one."""
    wanted = coming.identity.role
    if wanted is None or wanted == user.role:
        return False
    if user.role == "admin" and await users.count_active_admins(conn) <= 1:
        remarks.append("last_admin")
        return False
    await users.set_role(conn, user.id, wanted, now_ms)
    await sessions.revoke_all(conn, user.id, "role changed", now_ms)
    remarks.append(f"role {wanted}")
    await outbox.add(conn, coming.changed(structs.replace(user, role=wanted)))
    return True
