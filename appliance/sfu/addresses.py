"""Which addresses the ICE candidates of an answer name.

Owns reading the machine's interfaces. Asks nobody outside (no STUN): behind a one-to-one NAT the administrator names
the public address in settings.media.announced_addresses.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import ifaddr

# A machine with more addresses than this (container hosts have hundreds) gets its first ones announced: each is a
# candidate that every client checks.
MAX_ANNOUNCED = 8


def interface_addresses() -> list[str]:
    """Addresses of this machine's interfaces, loopback too, without IPv6 link-local ones (they need a zone)."""
    found: list[str] = []
    for adapter in ifaddr.get_adapters():
        for entry in adapter.ips:
            text = entry.ip if isinstance(entry.ip, str) else entry.ip[0]
            if not ipaddress.ip_address(text).is_link_local:
                found.append(text)
    return found


def choose_announced(
    *, configured: Sequence[str], hosts: Sequence[str], interfaces: Sequence[str], loopback: bool
) -> tuple[str, ...]:
    """Addresses to announce, best first: configured ones as they are; else those that ``hosts`` listens on.

    ``hosts``: what the data plane is bound to; "0.0.0.0" and "::" stand for every interface of the family.
    ``loopback``: announce loopback addresses too; they are announced anyway when there are no others.
    """
    if configured:
        return tuple(configured)
    found: list[str] = []
    for host in hosts:
        address = ipaddress.ip_address(host)
        if not address.is_unspecified:
            found.append(str(address))
            continue
        for text in interfaces:
            candidate = ipaddress.ip_address(text)
            if candidate.version == address.version:
                found.append(str(candidate))
    unique = list(dict.fromkeys(found))
    outer = [a for a in unique if not ipaddress.ip_address(a).is_loopback]
    inner = [a for a in unique if ipaddress.ip_address(a).is_loopback]
    if loopback or not outer:
        return tuple((inner + outer)[:MAX_ANNOUNCED])
    return tuple(outer[:MAX_ANNOUNCED])


def default_hosts(interfaces: Sequence[str]) -> tuple[str, ...]:
    """What to bind when settings.media.hosts is empty: every family that the kernel has an address of."""
    six = any(ipaddress.ip_address(text).version == 6 for text in interfaces)
    return ("0.0.0.0", "::") if six else ("0.0.0.0",)
