"""Where a request comes from and what this server is called from outside; pure.

Owns the trust in proxies: forwarded headers count only when the connection's other end is a proxy that the settings
name, and then only what that proxy added itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import msgspec

# RFC 3986 §3.2.2 without user info: what may stand in a Host header that we repeat in a link.
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.\-_]{1,253})(:\d{1,5})?")

Network = IPv4Network | IPv6Network


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """The client's side of one request."""

    address: str
    """The client's address, behind trusted proxies."""
    scheme: str
    """``http`` or ``https`` as the client sees it."""
    host: str
    """``host[:port]`` as the client wrote it; empty when it wrote none that is fit to repeat."""

    @property
    def base_url(self) -> str:
        """``https://host[:port]``, or empty."""
        return f"{self.scheme}://{self.host}" if self.host else ""


def parse_networks(texts: Sequence[str]) -> list[Network]:
    """The trusted proxies of the settings, as addresses or networks."""
    return [ip_network(text, strict=False) for text in texts]


def request_origin(
    *,
    peer: str,
    scheme: str,
    host: str,
    forwarded_for: str,
    forwarded_proto: str,
    forwarded_host: str,
    trusted: Sequence[Network],
) -> Origin:
    """Who asks, from the connection and the headers Host and X-Forwarded-For, -Proto and -Host."""
    address = peer
    if _is_trusted(peer, trusted):
        # Each proxy appends the address that it saw: walk from the right over trusted ones (RFC 7239 §5.2, §8.1).
        for hop in reversed([part.strip() for part in forwarded_for.split(",") if part.strip()]):
            if not _is_address(hop):
                break
            address = hop
            if not _is_trusted(hop, trusted):
                break
        if forwarded_proto in ("http", "https"):
            scheme = forwarded_proto
        if forwarded_host:
            host = forwarded_host
    return Origin(address=address, scheme=scheme, host=host if _HOST.fullmatch(host) else "")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_trusted(text: str, trusted: Sequence[Network]) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in trusted)
