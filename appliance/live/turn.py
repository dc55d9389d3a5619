"""STUN and TURN servers as clients are told of them, with credentials that expire. Pure.

A TURN server that shares a secret with us (coturn's ``use-auth-secret``) takes who comes with a user name that begins
with the Unix time until which it is good, and with its HMAC by that secret as the credential: the TURN REST API,
draft-uberti-behave-turn-rest-00 §2.2. So nobody can go on relaying with what a page once held, and the relay's log
names the participant. The secret itself stays here.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable

from appliance.settings import IceServerSettings
from appliance.signaling.messages import IceServer

# How long credentials are good: a day, as the draft recommends. No setting, for a client has them from joining only:
# with a shorter life, who is in a long call could not go back to the relay after a change of network.
CREDENTIAL_LIFE_S = 86_400


def ice_servers(servers: Iterable[IceServerSettings], participant_id: str, wall_ms: int) -> list[IceServer]:
    """What this participant may use beside our own candidates, from now on."""
    return [_for_participant(server, participant_id, wall_ms) for server in servers]


def credential(secret: str, username: str) -> str:
    """base64(HMAC-SHA1(secret, username)); SHA-1 is what the servers take, and sound in an HMAC (RFC 6194 §3.3)."""
    return base64.b64encode(hmac.digest(secret.encode(), username.encode(), "sha1")).decode()


def _for_participant(server: IceServerSettings, participant_id: str, wall_ms: int) -> IceServer:
    if server.secret is None:
        return IceServer(urls=list(server.urls), username=server.username, credential=server.credential)
    username = f"{wall_ms // 1000 + CREDENTIAL_LIFE_S}:{participant_id}"
    return IceServer(urls=list(server.urls), username=username, credential=credential(server.secret, username))
