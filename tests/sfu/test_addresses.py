"""Which addresses candidates name."""

from __future__ import annotations

import ipaddress

import pytest

from appliance.sfu.addresses import MAX_ANNOUNCED, choose_announced, default_hosts, interface_addresses

LAN = ["127.0.0.1", "192.0.2.7", "::1", "2001:db8::7"]
ALL = ["0.0.0.0", "::"]


@pytest.mark.parametrize(
    ("configured", "hosts", "interfaces", "loopback", "announced"),
    [
        (["203.0.113.9"], ALL, LAN, True, ["203.0.113.9"]),
        ([], ALL, LAN, False, ["192.0.2.7", "2001:db8::7"]),
        ([], ALL, LAN, True, ["127.0.0.1", "::1", "192.0.2.7", "2001:db8::7"]),
        ([], ["0.0.0.0"], LAN, False, ["192.0.2.7"]),
        ([], ["127.0.0.1"], LAN, False, ["127.0.0.1"]),
        ([], ["192.0.2.7", "192.0.2.7"], LAN, True, ["192.0.2.7"]),
        ([], ALL, ["127.0.0.1", "::1"], False, ["127.0.0.1", "::1"]),
    ],
)
def test_choice(
    configured: list[str], hosts: list[str], interfaces: list[str], loopback: bool, announced: list[str]
) -> None:
    chosen = choose_announced(configured=configured, hosts=hosts, interfaces=interfaces, loopback=loopback)
    assert list(chosen) == announced


def test_a_machine_of_many_addresses_announces_the_first() -> None:
    many = [f"192.0.2.{n}" for n in range(50)]
    assert list(choose_announced(configured=[], hosts=ALL, interfaces=many, loopback=False)) == many[:MAX_ANNOUNCED]


def test_default_hosts_follow_the_kernel() -> None:
    assert default_hosts(LAN) == ("0.0.0.0", "::")
    assert default_hosts(["127.0.0.1"]) == ("0.0.0.0",)


def test_this_machine_has_usable_addresses() -> None:
    found = [ipaddress.ip_address(text) for text in interface_addresses()]
    assert any(a.is_loopback for a in found)
    assert not any(a.is_link_local for a in found)
