"""Every URL on one screen: method, path, handler, who may call it, rate limit, body, query, answer, old names.

Owns the table; refuses to do anything. `dispatch` obeys it, `openapi` prints it. Paths begin with ``/api/v1`` unless
they begin with ``!``. An alias is an older name of SPEC.md for the same thing, marked deprecated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec

from appliance.api import (
    admin,
    auth,
    avatars,
    meetings,
    messages,
    moderation,
    openapi,
    participants,
    profile,
    setup,
    system,
    users,
)
from appliance.api import bodies as b
from appliance.api import shapes as s
from appliance.api.limits import LimitName
from appliance.api.pages import Page
from appliance.signaling.messages import ChatMessage

Access = Literal["public", "optional", "user", "admin"]
"""``optional``: works signed out too, with less. ``admin``: an account with the role admin."""

BASE = "/api/v1"
SIGNALING_PATHS = (BASE + "/ws/signaling", "/ws/signaling")


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    """With ``{name}`` for a parameter, which the handler takes by that name."""
    handler: Callable[..., Awaitable[Any]]
    access: Access
    limit: LimitName
    body: type[b.Body] | None
    query: type[b.Body]
    answer: Any
    """Type of ``data``; None for an answer that is no envelope."""
    aliases: tuple[str, ...]
    upload: bool
    """The handler takes the raw body as ``upload``, up to http.max_upload_bytes."""

    @property
    def tag(self) -> str:
        """The noun: the handler's module."""
        return self.handler.__module__.rpartition(".")[2]


def _route(
    line: str,
    handler: Callable[..., Awaitable[Any]],
    access: Access,
    limit: LimitName,
    answer: Any,
    *,
    body: type[b.Body] | None = None,
    query: type[b.Body] = b.NoQuery,
    aliases: tuple[str, ...] = (),
    upload: bool = False,
) -> Route:
    method, path = line.split()
    full = path[1:] if path.startswith("!") else BASE + path
    return Route(
        method=method,  # type: ignore[arg-type]  # the table's own text; a test reads every row
        path=full,
        handler=handler,
        access=access,
        limit=limit,
        body=body,
        query=query,
        answer=answer,
        aliases=tuple(BASE + alias for alias in aliases),
        upload=upload,
    )


# fmt: off
ROUTES: tuple[Route, ...] = (
    _route("GET /info", system.info, "public", "api", s.Info),
    _route("GET /setup", setup.state, "public", "api", s.SetupNeeded),
    _route("POST /setup", setup.create_administrator, "public", "login", s.Tokens | s.CookieSession, body=b.SetupBody),

    _route("POST /auth/register", auth.register, "public", "register", s.Tokens | s.CookieSession, body=b.RegisterBody, aliases=("/register",)),  # noqa: E501
    _route("POST /auth/login", auth.login, "public", "login", s.Tokens | s.CookieSession, body=b.LoginBody, aliases=("/login",)),  # noqa: E501
    _route("POST /auth/refresh", auth.refresh, "public", "refresh", s.Tokens | s.CookieSession, body=b.RefreshBody, aliases=("/refresh-token",)),  # noqa: E501
    _route("POST /auth/logout", auth.logout, "user", "api", s.Nothing, body=b.Empty),
    _route("GET /csrf-token", auth.csrf_token, "user", "api", s.CsrfToken),

    _route("GET /profile", profile.show, "user", "api", s.UserView),
    _route("PUT /profile", profile.update, "user", "api", s.UserView, body=b.ProfileBody),
    _route("POST /change-password", profile.change_password, "user", "login", s.Nothing, body=b.ChangePasswordBody),
    _route("DELETE /account", profile.delete_account, "user", "login", s.Nothing, body=b.DeleteAccountBody),
    _route("POST /upload-avatar", avatars.upload, "user", "upload", s.AvatarUrl, upload=True),
    _route("GET /avatars/{name}.webp", avatars.show, "public", "api", None),
    _route("GET /users/{user_id}", users.show, "user", "api", s.UserView | s.PublicUser),
    _route("PUT /users/{user_id}", users.update, "user", "api", s.UserView, body=b.ProfileBody),

    _route("GET /admin/users", admin.list_users, "admin", "api", Page[s.UserView], query=b.UsersQuery),
    _route("POST /admin/users/{user_id}/ban", admin.ban, "admin", "api", s.UserView, body=b.BanBody),
    _route("POST /admin/users/{user_id}/unban", admin.unban, "admin", "api", s.UserView, body=b.Empty),
    _route("PUT /admin/users/{user_id}/role", admin.set_role, "admin", "api", s.UserView, body=b.RoleBody),
    _route("DELETE /admin/users/{user_id}", admin.delete, "admin", "api", s.Nothing, body=b.Empty),
    _route("GET /admin/audit", admin.list_audit, "admin", "api", Page[s.AuditView], query=b.AuditQuery),

    _route("POST /meetings", meetings.create, "user", "api", s.MeetingView, body=b.CreateMeetingBody),
    _route("GET /meetings", meetings.list_page, "user", "api", Page[s.MeetingView], query=b.MeetingsQuery),
    _route("GET /meetings/{meeting_id}", meetings.show, "optional", "join", s.MeetingView | s.MeetingPreview),
    _route("PUT /meetings/{meeting_id}", meetings.update, "user", "api", s.MeetingView, body=b.UpdateMeetingBody),
    _route("DELETE /meetings/{meeting_id}", meetings.delete, "user", "api", s.Nothing, body=b.Empty),
    _route("POST /meetings/{meeting_id}/join", meetings.join, "optional", "join", s.JoinView, body=b.JoinBody),
    _route("POST /meetings/{meeting_id}/leave", meetings.leave, "optional", "api", s.Changed, body=b.Empty),
    _route("POST /meetings/{meeting_id}/end", meetings.end, "user", "api", s.MeetingView, body=b.Empty),
    _route("POST /meetings/{meeting_id}/invite", meetings.invite, "user", "api", s.Invited, body=b.InviteBody),
    _route("GET /meetings/{meeting_id}/calendar.ics", meetings.calendar, "optional", "join", None),

    _route("GET /meetings/{meeting_id}/participants", participants.list_page, "user", "api", Page[s.ParticipantView], query=b.ParticipantsQuery),  # noqa: E501
    _route("POST /meetings/{meeting_id}/participants/{uid}/kick", moderation.kick, "user", "api", s.Changed, body=b.Empty),  # noqa: E501
    _route("POST /meetings/{meeting_id}/participants/{uid}/mute", moderation.mute, "user", "api", s.Changed, body=b.MuteBody),  # noqa: E501
    _route("POST /meetings/{meeting_id}/participants/{uid}/role", moderation.set_role, "user", "api", s.Changed, body=b.ParticipantRoleBody),  # noqa: E501
    _route("GET /meetings/{meeting_id}/messages", messages.list_page, "user", "api", Page[ChatMessage], query=b.MessagesQuery),  # noqa: E501

    _route("GET /stats", system.stats, "admin", "api", dict[str, Any]),
    _route("GET /rooms/stats", system.stats, "admin", "api", dict[str, Any]),
    _route("GET /health", system.health, "public", "none", s.Health),
    _route("GET !/health", system.health, "public", "none", s.Health),
    _route("GET !/ready", system.ready, "public", "none", s.Readiness),
    _route("GET !/metrics", system.metrics, "optional", "none", None),
    _route("GET !/openapi.json", openapi.document, "public", "api", None),
    _route("GET !/docs", openapi.page, "public", "api", None),
)
# fmt: on
