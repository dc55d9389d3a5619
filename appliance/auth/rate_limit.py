"""Token buckets per caller and endpoint, in bounded memory; pure.

Owns counting; refuses to know the clock, HTTP and who the callers are. One server's limits: nodes that share limits
do it through Redis, elsewhere.
"""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address

import msgspec

# 100,000 buckets of about 200 bytes are 20 MB; one per user or network and endpoint seen in the last minutes.
MAX_BUCKETS = 100_000


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """``burst`` at once, then ``per_second`` on average."""

    per_second: float
    burst: float


class _Bucket(msgspec.Struct):
    tokens: float
    filled_at_s: float


class RateLimiter:
    """Buckets by key, the least recently used forgotten first."""

    def __init__(self, max_buckets: int = MAX_BUCKETS) -> None:
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()
        self._max_buckets = max_buckets
        self._refused = 0

    def take(self, endpoint: str, caller: str, limit: Limit, now_s: float) -> float:
        """Take one token: 0.0 when there was one, else the seconds until there will be."""
        key = (endpoint, caller)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(limit.burst, now_s)
            if len(self._buckets) > self._max_buckets:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
            grown = bucket.tokens + max(0.0, now_s - bucket.filled_at_s) * limit.per_second
            bucket.tokens = min(limit.burst, grown)
            bucket.filled_at_s = now_s
        if bucket.tokens >= 1.0:
            bucket.tokens -= 1.0
            return 0.0
        self._refused += 1
        return (1.0 - bucket.tokens) / limit.per_second

    def statistics(self) -> dict[str, int]:
        """Buckets held, and takes refused since the start."""
        return {"buckets": len(self._buckets), "refused": self._refused}


def network_of(address: str) -> str:
    """What counts as one caller among addresses: an IPv4 address, or the /64 that an IPv6 host may pick from
    (RFC 4291 §2.5.4). Text that is no address stands for itself."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(int(parsed) >> 64 << 64)) + "/64"
