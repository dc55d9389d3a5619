"""Credentials of TURN servers: the algorithm of the TURN REST API, and that secrets stay."""

from __future__ import annotations

import base64

from appliance.live.turn import CREDENTIAL_LIFE_S, credential, ice_servers
from appliance.settings import IceServerSettings

NOW_MS = 1_764_000_000_999


def test_the_credential_is_the_hmac_of_the_user_name() -> None:
    # RFC 2202 §3, test case 2; coturn 4.6.1 takes what this makes, and neither another secret's nor yesterday's
    digest = bytes.fromhex("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")
    assert credential("Jefe", "what do ya want for nothing?") == base64.b64encode(digest).decode()


def test_a_secret_gives_each_participant_credentials_for_a_day() -> None:
    server = IceServerSettings(urls=("turn:t.example", "turns:t.example"), secret="north")
    [ann], [bob] = ice_servers([server], "prt_a", NOW_MS), ice_servers([server], "prt_b", NOW_MS)
    assert ann.username == f"{1_764_000_000 + CREDENTIAL_LIFE_S}:prt_a"
    assert ann.credential == credential("north", ann.username)
    assert ann.urls == ["turn:t.example", "turns:t.example"]
    assert ann.credential != bob.credential
    assert "north" not in repr((ann, bob))


def test_other_servers_are_passed_on_as_they_are() -> None:
    stun = IceServerSettings(urls=("stun:s.example",))
    turn = IceServerSettings(urls=("turn:t.example",), username="u", credential="c")
    told = ice_servers([stun, turn], "prt_a", NOW_MS)
    assert [(s.username, s.credential) for s in told] == [(None, None), ("u", "c")]
