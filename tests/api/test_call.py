"""One request as handlers see it."""

from __future__ import annotations

import pytest

from appliance.api.addresses import Origin
from appliance.api.call import Call, Caller
from appliance.auth.rate_limit import Limit
from appliance.errors import UserError
from tests.support import stored_rows as rows
from tests.support.api_server import ApiServer


def call(plain: ApiServer, caller: Caller | None = None, host: str = "meet.example.org") -> Call:
    return Call(
        services=plain.services,
        request_id="req_x",
        origin=Origin(address="192.0.2.7", scheme="https", host=host),
        user_agent="test",
        headers={},
        cookies={},
        caller=caller,
        now_ms=5_000,
    )


def test_nobody_is_signed_in(plain: ApiServer) -> None:
    with pytest.raises(UserError) as caught:
        _ = call(plain).user
    assert (caught.value.status, caught.value.code) == (401, "sign_in_required")


def test_links_begin_with_how_the_client_came(plain: ApiServer) -> None:
    assert call(plain).base_url == "https://meet.example.org"
    assert call(plain, host="").base_url == ""


def test_audit_rows_know_who_did_it(plain: ApiServer) -> None:
    ann = rows.user("ann")
    by_ann = call(plain, Caller(user=ann, session=rows.session("s", ann.id), by_cookie=False))
    entry = by_ann.audit_entry("x.y", "refused", target="t", detail="d")
    assert (entry.actor_id, entry.actor_name) == ("usr_ann", "ann")
    assert (entry.address, entry.request_id) == ("192.0.2.7", "req_x")
    assert (entry.action, entry.outcome, entry.target, entry.detail, entry.at_ms) == ("x.y", "refused", "t", "d", 5_000)
    typed = call(plain).audit_entry("auth.login", actor="x" * 300)
    assert (typed.actor_id, len(typed.actor_name)) == (None, 100)
    assert call(plain).audit_entry("auth.login").actor_name == ""


def test_a_limit_is_the_networks_or_somebodys(plain: ApiServer) -> None:
    one = Limit(per_second=1, burst=1)
    call(plain).limit("test", one)
    with pytest.raises(UserError) as caught:
        call(plain).limit("test", one)
    assert caught.value.code == "rate_limited" and caught.value.retry_after_s == pytest.approx(1.0)
    call(plain).limit("test", one, who="usr_ann")
