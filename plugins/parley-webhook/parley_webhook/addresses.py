"""Which addresses may be connected to: public ones, and those of networks that the administrator allowed. Pure.

Owns the judgement of one address; refuses to resolve names. The rule is positive: what is not known as an ordinary
public unicast address is refused, so a range that is forgotten here is closed and not open.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network

# RFC 4291 §2.4: global unicast as assigned so far. Mapped (::ffff:0:0/96), link-local, unique-local, site-local and
# multicast addresses lie outside.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# Of IANA's registry of special-purpose addresses, where `ipaddress` says otherwise in some versions of Python.
_SPECIAL = tuple(IPv4Network(text) for text in ("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24"))
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052


class ForbiddenAddressError(Exception):
    """The name leads to an address that must not be connected to."""


def check(host: str, addresses: Iterable[str], allowed: Iterable[Network]) -> None:
    """ForbiddenAddressError unless every address may be connected to.

    One that may not condemns the others: a name that leads to the world and to our own network is no honest one.
    """
    networks = tuple(allowed)
    for text in addresses:
        address = ip_address(text.partition("%")[0])  # without a zone, as fe80::1%eth0
        meant = _embedded(address)
        if any(_within(candidate, network) for candidate in (address, meant) for network in networks):
            continue
        if not _is_public(meant):
            raise ForbiddenAddressError(f"{host} leads to {text}, which plugins.webhook.allow_networks does not allow")


def _within(address: IPv4Address | IPv6Address, network: Network) -> bool:
    return address.version == network.version and address in network


def _embedded(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.sixtofour is not None:
        return address.sixtofour
    return address if address.teredo is None else address.teredo[1]


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL)
    return address in _GLOBAL_UNICAST
