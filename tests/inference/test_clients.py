"""Servers of a worker, with time as a number."""

from __future__ import annotations

from appliance.inference.clients import GONE_S, Clients


def test_sessions_have_names_of_their_own() -> None:
    clients = Clients()
    one, other = clients.seen(b"1", 0.0), clients.seen(b"2", 0.0)
    assert clients.seen(b"1", 1.0) is one
    assert one.session("asr", "s") != other.session("asr", "s")
    assert one.session("asr", "s") == one.session("asr", "s")
    assert one.sessions() == [("asr", one.session("asr", "s"))]
    assert one.forget_session("asr", "s").endswith(":s")
    assert one.sessions() == []


def test_who_is_silent_is_gone_once() -> None:
    clients = Clients()
    quiet = clients.seen(b"1", 10.0)
    clients.seen(b"2", 10.0)
    assert clients.gone(10.0 + GONE_S) == []
    clients.seen(b"2", 20.0)
    assert clients.gone(11.5 + GONE_S) == [quiet]
    assert clients.gone(13.0 + GONE_S) == []
    again = clients.seen(b"1", 50.0)
    assert again is not quiet and again.number != quiet.number
