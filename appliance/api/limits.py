"""Which rate limit an endpoint has, from the settings; pure."""

from __future__ import annotations

from typing import Literal

from appliance.auth.rate_limit import Limit
from appliance.settings import LimitsSettings

LimitName = Literal["none", "api", "login", "register", "refresh", "join", "upload", "ai"]


def limit_of(name: LimitName, settings: LimitsSettings) -> Limit | None:
    """The bucket's size and refill: what the settings allow in a period may come at once. None: no limit."""
    match name:
        case "none":
            return None
        case "api":
            return _per(settings.api_per_minute, 60)
        case "login":
            return _per(settings.login_per_minute, 60)
        case "register":
            return _per(settings.register_per_hour, 3600)
        case "refresh":
            return _per(settings.refresh_per_minute, 60)
        case "join":
            return _per(settings.join_per_minute, 60)
        case "upload":
            return _per(settings.upload_per_minute, 60)
        case "ai":
            return _per(settings.ai_per_minute, 60)


def account_limit(settings: LimitsSettings) -> Limit:
    """Sign-ins to one account from everywhere: three times one address's, so that a stranger who guesses from one
    address does not lock the owner out."""
    return _per(settings.login_per_minute * 3, 60)


def invitations_limit(settings: LimitsSettings) -> Limit:
    """People whom one account invites: each may get a mail, and a server that mails strangers at will is a relay."""
    return _per(settings.invitations_per_hour, 3600)


def sockets_limit(settings: LimitsSettings) -> Limit:
    """New signaling sockets of one network: ten times the joins of one user, since a whole office reconnects from
    behind one address when the server restarts."""
    return _per(settings.join_per_minute * 10, 60)


# Passcode attempts on one meeting from one network: 10 at once, then one each 6 s.
PASSCODE_LIMIT = Limit(per_second=1 / 6, burst=10)

# A message to oneself: three at once, then one each 20 s.
TEST_NOTIFICATION_LIMIT = Limit(per_second=1 / 20, burst=3)


# Links to recordings that lead nowhere, from one network: mistyped or ended ones. Guessing one takes 2^255 tries.
SHARE_MISS_LIMIT = Limit(per_second=1 / 6, burst=20)


def _per(count: int, seconds: int) -> Limit:
    return Limit(per_second=count / seconds, burst=float(count))
