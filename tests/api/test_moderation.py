"""Kick, mute and roles from outside the room; what was decided holds for the next join."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.api_server import Account, ApiServer, Reply
from tests.support.cookies import Browser
from tests.support.meeting_rows import add_join


@dataclass
class Room:
    api: ApiServer
    meeting: str
    host: Account
    cohost: Account
    bob: Account
    guest: Browser

    def act(self, who: Account, uid: str, verb: str, body: object = None) -> Reply:
        return who.post(f"/meetings/{self.meeting}/participants/{uid}/{verb}", body)


@pytest.fixture
def room(api: ApiServer, request: pytest.FixtureRequest) -> Iterator[Room]:
    """A running meeting: host, cohost, bob with two tabs, and a guest."""
    number = len(api.ledger.rooms) + len(api.ledger.revoked)
    tag = f"{number}{abs(hash(request.node.name)) % 100000}"
    host, cohost, bob = (api.user(f"{name}{tag}") for name in ("host", "cohost", "bob"))
    meeting = host.post("/meetings").data["id"]
    guest = Browser(api)
    guest.post(f"/meetings/{meeting}/join", {"name": "Gast"})
    guest_id = guest.jar["parley_guest"]
    for ident, user_id, gst in (
        ("h", host.id, None),
        ("c", cohost.id, None),
        ("b1", bob.id, None),
        ("b2", bob.id, None),
        ("g", None, guest_id),
    ):
        add_join(api, f"{meeting}{ident}", meeting, user_id=user_id, guest_id=gst, role="participant")
        api.ledger.enter(meeting, f"{meeting}{ident}", user_id=user_id, guest_id=gst)
    made = Room(api, meeting, host, cohost, bob, guest)
    assert made.act(host, cohost.id, "role", {"role": "cohost"}).data == {"changed": 1}
    yield made


def test_a_kicked_account_may_not_come_back(room: Room) -> None:
    answer = room.act(room.cohost, room.bob.id, "kick")
    assert answer.data == {"changed": 2}
    again = room.bob.post(f"/meetings/{room.meeting}/join")
    assert (again.status, again.code) == (403, "kicked")
    assert room.bob.get(f"/meetings/{room.meeting}/messages").code == "forbidden"


def test_a_kicked_guest_may_not_come_back(room: Room) -> None:
    assert room.act(room.host, f"{room.meeting}g", "kick").data == {"changed": 1}
    assert room.guest.post(f"/meetings/{room.meeting}/join", {"name": "Other"}).code == "kicked"


def test_rank_protects(room: Room) -> None:
    for who, uid in (
        (room.bob, room.cohost.id),
        (room.bob, f"{room.meeting}g"),
        (room.cohost, room.host.id),
        (room.cohost, f"{room.meeting}h"),
    ):
        assert room.act(who, uid, "kick").code == "forbidden"
        assert room.act(who, uid, "mute").code == "forbidden"
    for who in (room.bob, room.cohost):
        assert room.act(who, room.bob.id, "role", {"role": "host"}).code == "forbidden"
    assert room.act(room.host, room.host.id, "kick").code == "forbidden"
    assert room.act(room.host, room.host.id, "role", {"role": "participant"}).code == "forbidden"


def test_mute_reaches_one_source_or_all(room: Room) -> None:
    uid = f"{room.meeting}b1"
    assert room.act(room.cohost, uid, "mute", {"source": "microphone"}).data == {"changed": 1}
    assert room.act(room.cohost, uid, "mute").data == {"changed": 1}
    assert room.act(room.cohost, room.bob.id, "mute").data == {"changed": 2}
    assert room.act(room.cohost, uid, "mute", {"source": "nose"}).error == "invalid_field: source"


def test_a_role_holds_for_the_next_join(room: Room) -> None:
    assert room.cohost.post(f"/meetings/{room.meeting}/join").data["role"] == "cohost"
    assert room.act(room.host, f"{room.meeting}g", "role", {"role": "cohost"}).data == {"changed": 1}
    assert room.guest.post(f"/meetings/{room.meeting}/join", {"name": "G"}).data["role"] == "cohost"
    assert room.act(room.host, room.cohost.id, "role", {"role": "host"}).data == {"changed": 1}
    assert room.cohost.get(f"/meetings/{room.meeting}").data["my_role"] == "host"
    assert room.cohost.post(f"/meetings/{room.meeting}/end").status == 200


def test_strangers_learn_nothing(room: Room) -> None:
    stranger = room.api.user(f"stranger{len(room.meeting)}{room.bob.id[4:]}")
    for uid in (room.bob.id, "usr_nobody", "par_nobody"):
        assert room.act(stranger, uid, "kick").code == "forbidden"
    assert room.act(room.host, "par_nobody", "kick").error == "not_found: uid"
    assert room.act(room.host, stranger.id, "kick").error == "not_found: uid"


def test_an_administrator_of_the_server_acts_as_host(room: Room) -> None:
    root = room.api.request("POST", "/auth/login", {"login": "root", "password": "correct horse battery staple"})
    token = root.data["access_token"] if root.status == 200 else room.api.admin().token
    path = f"/meetings/{room.meeting}/participants/{room.bob.id}/kick"
    assert room.api.request("POST", path, {}, token=token).data == {"changed": 2}
