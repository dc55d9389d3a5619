"""Who may do what: one table of role and action, asked by the socket and by HTTP alike.

Owns the table and the rule that nobody acts on somebody of higher rank. Refuses to know how the caller was
recognised: a role is given, and an administrator of the server who is no member is given as ``host`` by the API.
"""

from __future__ import annotations

from typing import Literal

from appliance.errors import UserError
from appliance.meeting.participant import Role

Action = Literal[
    "publish",
    "subscribe",
    "chat",
    "history",
    "react",
    "raise_hand",
    "mute_self",
    "mute_participant",
    "lower_hand",
    "kick",
    "lock",
    "set_role",
    "end",
    "list_participants",
    "invite",
    "edit",
    "delete",
    "record",
    "caption",
    "watch",
    "report",
]

RANK: dict[Role, int] = {"participant": 0, "cohost": 1, "host": 2}

EVERYBODY: frozenset[Role] = frozenset(RANK)
MODERATORS: frozenset[Role] = frozenset({"host", "cohost"})
HOSTS: frozenset[Role] = frozenset({"host"})

TABLE: dict[Action, frozenset[Role]] = {
    "publish": EVERYBODY,
    "subscribe": EVERYBODY,
    "chat": EVERYBODY,
    "history": EVERYBODY,
    "react": EVERYBODY,
    "raise_hand": EVERYBODY,
    "mute_self": EVERYBODY,
    "mute_participant": MODERATORS,
    "lower_hand": MODERATORS,
    "kick": MODERATORS,
    "lock": MODERATORS,
    "set_role": HOSTS,
    "end": HOSTS,
    "list_participants": EVERYBODY,
    "invite": EVERYBODY,
    "edit": HOSTS,
    "delete": HOSTS,
    "record": MODERATORS,
    "caption": MODERATORS,
    "watch": MODERATORS,
    "report": MODERATORS,
}

ON_SOMEBODY: frozenset[Action] = frozenset({"mute_participant", "lower_hand", "kick", "set_role"})
"""Actions that have a target; its rank must not be above the actor's."""


def allowed(role: Role | None, action: Action, target: Role | None = None) -> bool:
    """Whether ``role`` may do ``action``, to somebody of role ``target`` where it has one. None: not a member."""
    if role is None or role not in TABLE[action]:
        return False
    if action in ON_SOMEBODY and target is not None:
        return RANK[role] >= RANK[target]
    return True


def check(role: Role | None, action: Action, target: Role | None = None) -> None:
    """Raise UserError 403 ``forbidden`` unless `allowed`."""
    if allowed(role, action, target):
        return
    if role is not None and role in TABLE[action]:
        raise UserError(403, "forbidden", f"a {role} may not {_phrase(action)} a {target}")
    raise UserError(403, "forbidden", f"a {role or 'stranger'} may not {_phrase(action)}")


def _phrase(action: Action) -> str:
    words = {
        "mute_self": "mute a track",
        "mute_participant": "mute",
        "lower_hand": "lower the hand of",
        "set_role": "change the role of",
        "lock": "lock the meeting",
        "end": "end the meeting",
        "react": "send a reaction",
        "raise_hand": "raise a hand",
        "history": "read the chat",
        "list_participants": "see who is in the meeting",
        "invite": "invite to the meeting",
        "edit": "change the meeting",
        "delete": "delete the meeting",
        "record": "record the meeting",
        "caption": "switch captions on or off",
        "watch": "switch the analysis of pictures on or off, or see what it found",
        "report": "have the meeting's report made",
    }
    return words.get(action, action)
