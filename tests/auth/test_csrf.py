"""Which requests another site made, and the token that only our pages have."""

from __future__ import annotations

import pytest

from appliance.auth.csrf import Csrf, is_cross_site, origin_of

OWN = {"https://meet.example.org"}


def test_a_token_belongs_to_one_session_of_one_server() -> None:
    csrf = Csrf(b"secret")
    token = csrf.token("ses_a")
    assert csrf.matches("ses_a", token)
    assert not csrf.matches("ses_b", token)
    assert not Csrf(b"other").matches("ses_a", token)
    for wrong in ("", token[:-1], token.upper(), "é", "\ud800"):
        assert not csrf.matches("ses_a", wrong)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Meet.Example.org:443/room?x=1#y", "https://meet.example.org"),
        ("http://127.0.0.1:8800", "http://127.0.0.1:8800"),
        ("http://[::1]:8800/", "http://[::1]:8800"),
        ("http://host:80", "http://host"),
        ("null", None),
        ("", None),
        ("ftp://host", None),
        ("https://", None),
        ("https://host:x", None),
        ("https://host:99999", None),
        ("http://[::1", None),
    ],
)
def test_the_origin_of_a_url(url: str, origin: str | None) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    ("origin", "fetch_site", "foreign"),
    [
        (None, None, False),  # no browser
        ("https://meet.example.org", "same-origin", False),
        ("https://meet.example.org", None, False),
        ("https://evil.example", None, True),
        ("https://evil.example", "same-origin", True),
        ("https://meet.example.org.evil.example", None, True),
        ("http://meet.example.org", None, True),
        ("https://meet.example.org:8443", None, True),
        ("null", None, True),
        (None, "cross-site", True),
        (None, "same-site", True),
        (None, "same-origin", False),
        (None, "none", False),
    ],
)
def test_what_a_browser_says_about_where_a_request_comes_from(
    origin: str | None, fetch_site: str | None, foreign: bool
) -> None:
    assert is_cross_site(origin, fetch_site, OWN) is foreign
