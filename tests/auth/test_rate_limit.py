"""Token buckets on a clock of their own."""

from __future__ import annotations

import pytest

from appliance.auth.rate_limit import Limit, RateLimiter, network_of

THREE = Limit(per_second=0.5, burst=3)


def test_a_burst_then_the_rate() -> None:
    limiter = RateLimiter()
    assert [limiter.take("login", "a", THREE, 100.0) for _ in range(4)] == [0, 0, 0, 2.0]
    assert limiter.take("login", "a", THREE, 101.0) == pytest.approx(1.0)
    assert limiter.take("login", "a", THREE, 102.0) == 0
    assert limiter.take("login", "a", THREE, 102.0) == pytest.approx(2.0)


def test_a_bucket_fills_to_its_burst_only() -> None:
    limiter = RateLimiter()
    assert limiter.take("login", "a", THREE, 0.0) == 0
    assert [limiter.take("login", "a", THREE, 1e6) > 0 for _ in range(4)] == [False, False, False, True]


def test_callers_and_endpoints_have_buckets_of_their_own() -> None:
    limiter = RateLimiter()
    one = Limit(per_second=1, burst=1)
    assert limiter.take("login", "a", one, 0) == 0
    assert limiter.take("login", "a", one, 0) > 0
    assert limiter.take("login", "b", one, 0) == 0
    assert limiter.take("join", "a", one, 0) == 0
    assert limiter.statistics() == {"buckets": 3, "refused": 1}


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    limiter = RateLimiter()
    one = Limit(per_second=1, burst=1)
    assert limiter.take("login", "a", one, 100.0) == 0
    assert limiter.take("login", "a", one, 50.0) > 0


def test_memory_is_bounded_and_the_busiest_stay() -> None:
    limiter = RateLimiter(max_buckets=100)
    one = Limit(per_second=0.001, burst=1)
    assert limiter.take("login", "attacker", one, 0.0) == 0
    for n in range(10_000):
        limiter.take("login", f"caller {n}", one, 1.0)
        assert limiter.take("login", "attacker", one, 1.0) > 0
    assert limiter.statistics()["buckets"] == 100


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
        ("", ""),
    ],
)
def test_an_ipv6_host_is_its_network(address: str, network: str) -> None:
    assert network_of(address) == network
