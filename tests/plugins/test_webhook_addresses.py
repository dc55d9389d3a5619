"""Nothing but public addresses, whatever they are dressed as, unless a network is allowed."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from parley_webhook.addresses import ForbiddenAddressError, check

PUBLIC = ("93.184.216.34", "1.1.1.1", "2606:2800:220:1::1", "64:ff9b::5db8:d822", "::ffff:93.184.216.34")
FORBIDDEN = (
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.8",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "4000::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_fine(address: str) -> None:
    check("h", [address], ())


@pytest.mark.parametrize("address", FORBIDDEN)
def test_no_other_is(address: str) -> None:
    with pytest.raises(ForbiddenAddressError) as caught:
        check("meet.example.org", [address], ())
    assert str(caught.value).startswith(f"meet.example.org leads to {address}, ")


@pytest.mark.parametrize("address", FORBIDDEN[:5])
def test_one_bad_address_condemns_the_name(address: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        check("h", [PUBLIC[0], address], ())


def test_networks_may_be_allowed() -> None:
    allowed = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
    check("h", ["10.9.9.9", "fd12::1", "::ffff:10.0.0.1", PUBLIC[0]], allowed)
    for address in ("127.0.0.1", "192.168.0.1", "fc00::1"):
        with pytest.raises(ForbiddenAddressError):
            check("h", [address], allowed)
