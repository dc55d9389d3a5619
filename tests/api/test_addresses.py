"""Whom a request comes from, with and without proxies."""

from __future__ import annotations

import pytest

from appliance.api.addresses import Origin, parse_networks, request_origin


def origin(peer: str, forwarded_for: str = "", trusted: tuple[str, ...] = (), **headers: str) -> Origin:
    return request_origin(
        peer=peer,
        scheme="http",
        host=headers.get("host", "meet.example.org"),
        forwarded_for=forwarded_for,
        forwarded_proto=headers.get("proto", ""),
        forwarded_host=headers.get("forwarded_host", ""),
        trusted=parse_networks(trusted),
    )


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "trusted", "address"),
    [
        ("192.0.2.1", "198.51.100.9", (), "192.0.2.1"),
        ("10.0.0.1", "198.51.100.9", ("10.0.0.0/8",), "198.51.100.9"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.9", ("10.0.0.0/8",), "198.51.100.9"),  # the client wrote the first
        ("10.0.0.1", "198.51.100.9, 10.0.0.2", ("10.0.0.0/8",), "198.51.100.9"),
        ("10.0.0.1", "10.0.0.3", ("10.0.0.0/8",), "10.0.0.3"),
        ("10.0.0.1", "", ("10.0.0.0/8",), "10.0.0.1"),
        ("10.0.0.1", "unknown", ("10.0.0.0/8",), "10.0.0.1"),
        ("10.0.0.1", "198.51.100.9, rubbish", ("10.0.0.0/8",), "10.0.0.1"),
        ("::ffff:10.0.0.1", "2001:db8::7", ("10.0.0.0/8",), "2001:db8::7"),
        ("::1", "198.51.100.9", ("::1",), "198.51.100.9"),
        ("", "198.51.100.9", ("10.0.0.0/8",), ""),
    ],
)
def test_the_clients_address(peer: str, forwarded_for: str, trusted: tuple[str, ...], address: str) -> None:
    assert origin(peer, forwarded_for, trusted).address == address


def test_scheme_and_host_as_the_client_sees_them() -> None:
    strange = origin("192.0.2.1", proto="https", forwarded_host="evil.example")
    assert strange.base_url == "http://meet.example.org"
    behind = origin("10.0.0.1", "", ("10.0.0.1",), proto="https", forwarded_host="out.example.org")
    assert behind.base_url == "https://out.example.org"
    assert origin("10.0.0.1", "", ("10.0.0.1",), proto="gopher").scheme == "http"


@pytest.mark.parametrize("host", ["", "a/b", "a b", "x@y", "a:b", "<b>", "a\r\nb", "[::1", "a:123456", "é"])
def test_a_host_that_is_not_fit_for_a_link(host: str) -> None:
    assert origin("192.0.2.1", host=host).base_url == ""


@pytest.mark.parametrize("host", ["localhost:8800", "[::1]:8800", "192.0.2.1", "meet.example.org"])
def test_a_host_for_a_link(host: str) -> None:
    assert origin("192.0.2.1", host=host).base_url == f"http://{host}"
