"""What stays and what changes between a client's offers."""

from __future__ import annotations

from appliance.sfu.transport import Transport, next_transport

PRINT = (("sha-256", "AA"),)


def first() -> Transport:
    return next_transport(None, number=5, remote_ufrag="abcd", fingerprints=PRINT, seats=[0, 1])


def test_a_first_transport_has_credentials_of_its_own() -> None:
    one, other = first(), first()
    assert one.number == 5 and one.version == 1
    assert len(one.ufrag) == 16 and len(one.password) == 32
    assert {one.ufrag, one.password}.isdisjoint({other.ufrag, other.password})
    assert 0 <= one.origin < 2**62


def test_more_seats_keep_the_ssrcs_of_the_old_ones() -> None:
    before = first()
    after = next_transport(before, number=5, remote_ufrag="abcd", fingerprints=PRINT, seats=[0, 1, 2])
    assert {seat: after.streams[seat] for seat in (0, 1)} == before.streams
    ssrcs = [n for s in after.streams.values() for n in (s.audio, s.video, s.video_rtx)]
    assert len(set(ssrcs)) == 9 and all(0 < n < 2**32 for n in ssrcs)
    assert 2 not in before.streams
    assert (after.ufrag, after.password, after.origin) == (before.ufrag, before.password, before.origin)
    assert after.version == 2


def test_fewer_seats_forget_nothing() -> None:
    before = first()
    after = next_transport(before, number=5, remote_ufrag="abcd", fingerprints=PRINT, seats=[0])
    assert after.streams == before.streams


def test_an_ice_restart_changes_our_credentials_and_keeps_dtls() -> None:
    before = first()
    before.dtls_connected, before.path_lost = True, True
    after = next_transport(before, number=5, remote_ufrag="wxyz", fingerprints=PRINT, seats=[0])
    assert after.ufrag != before.ufrag and after.password != before.password
    assert after.dtls_connected and after.path_lost
