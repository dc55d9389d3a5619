"""WHIP and WHEP over HTTP, up to the border of media: the answers of RFC 9725, and what strangers try."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from appliance.api.streams import ice_links
from appliance.live.turn import credential
from appliance.settings import IceServerSettings, MediaSettings
from appliance.signaling.messages import IceServer
from tests.support.api_server import ApiServer, Reply, serving, settings_for
from tests.support.whip import FRAGMENT, SDP, fragment, offer

TURN = IceServerSettings(urls=("stun:stun.example.org", "turn:turn.example.org"), username="u", credential='p"w')
SHARED = IceServerSettings(urls=("turn:shared.example.org",), secret="north")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A server whose meetings are real; media flow nowhere."""
    media = MediaSettings(hosts=("127.0.0.1",), port=0, ice_servers=(TURN, SHARED))
    with serving(settings_for(tmp_path_factory.mktemp("api"), media=media), real_meetings=True) as running:
        yield running


@pytest.fixture(scope="module")
def meeting(server: ApiServer) -> dict[str, Any]:
    return server.user("ann-streams").post("/meetings", {"title": "Studio"}).data


def join_token(server: ApiServer, meeting: dict[str, Any], name: str = "Studio") -> str:
    return str(server.request("POST", f"/meetings/{meeting['code']}/join", {"name": name}).data["token"])


def post(server: ApiServer, path: str, token: str | None, body: str, **headers: str) -> Reply:
    sent = {"Content-Type": SDP, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return server.request("POST", path, token=token, raw=body.encode(), headers=sent)


def test_a_stream_comes_changes_and_goes(server: ApiServer, meeting: dict[str, Any]) -> None:
    token = join_token(server, meeting)
    opened = post(server, f"!/whip/{meeting['code']}", token, offer("sendonly"))
    assert (opened.status, opened.headers["Content-Type"]) == (201, SDP)
    assert opened.headers["Accept-Patch"] == FRAGMENT
    answer, session, etag = opened.body.decode(), "!" + opened.headers["Location"], opened.headers["ETag"]
    assert session.startswith(f"!/whip/{meeting['id']}/ses_")
    assert f"a=ice-ufrag:{etag.strip(chr(34))}\r\n" in answer and "a=ice-lite" in answer
    assert answer.count("a=recvonly") == 2 and "a=candidate:" in answer
    links, by_secret = opened.headers["Link"].rsplit(", ", 1)
    assert links == (
        '<stun:stun.example.org>; rel="ice-server", '
        '<turn:turn.example.org>; rel="ice-server"; username="u"; credential="p\\"w"; credential-type="password"'
    )
    [present] = server.services.live.participants(meeting["id"])
    shared = re.fullmatch(
        r'<turn:shared\.example\.org>; rel="ice-server"; username="(\d+:(prt_\w+))"; credential="(\S+)"; .+',
        by_secret,
    )
    assert shared is not None and shared[2] == present.participant_id
    assert shared[3] == credential("north", shared[1]) and "north" not in str(opened.headers)
    assert [p.name for p in server.services.live.participants(meeting["id"])] == ["Studio"]

    def patch(body: str, **headers: str) -> Reply:
        sent = {"Content-Type": FRAGMENT, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return server.request("PATCH", session, token=token, raw=body.encode(), headers=sent)

    trickled = patch(fragment("abcd"), If_Match=etag)
    assert (trickled.status, trickled.body, trickled.headers["ETag"]) == (204, b"", None)
    assert (patch(fragment("abcd")).status, patch(fragment("abcd")).error) == (428, "precondition_required: If-Match")
    for wrong in ('"other"', f"W/{etag}", "no-quotes"):
        assert patch(fragment("abcd"), If_Match=wrong).error == "precondition_failed: If-Match"
    restarted = patch(fragment("efgh"), If_Match='"*"')
    assert (restarted.status, restarted.headers["Content-Type"]) == (200, FRAGMENT)
    assert restarted.headers["ETag"] != etag and b"a=candidate:" in restarted.body
    assert patch(fragment("efgh"), If_Match=etag).status == 412
    assert patch(fragment("ijkl"), If_Match="*").status == 200
    assert patch("v=garbage", If_Match="*").status == 400
    assert patch(fragment("ijkl"), If_Match="*", Content_Type=SDP).status == 415
    assert server.request("PUT", session, token=token).status == 405
    assert server.request("GET", session, token=token).status == 405

    assert server.request("DELETE", session).status == 401
    stranger = join_token(server, meeting, "Mallory")
    assert server.request("DELETE", session, token=stranger).status == 401
    assert server.request("DELETE", session.replace("/ses_", "/ses_x"), token=token).status == 404
    # If-Match means nothing here (RFC 9725 §4.3.1)
    gone = server.request("DELETE", session, token=token, headers={"If-Match": '"other"'})
    assert (gone.status, gone.body) == (200, b"")
    assert server.request("DELETE", session, token=token).code == "not_found"
    assert patch(fragment("ijkl"), If_Match="*").status == 404
    assert server.services.live.participants(meeting["id"]) == []


def test_a_member_streams_with_an_access_token(server: ApiServer) -> None:
    bob = server.user("bob-streams", nickname="Bob")
    meeting = bob.post("/meetings", {"title": "Bob's", "passcode": "sesame"}).data
    opened = post(server, f"/whep/{meeting['id']}?source=screen", bob.token, offer("recvonly"))
    assert opened.status == 201 and opened.body.decode().count("a=sendonly") == 2
    present = server.services.live.participants(meeting["id"])
    assert [(p.name, p.role, p.user_id) for p in present] == [("Bob", "host", bob.id)]
    session = opened.headers["Location"]
    assert server.request("DELETE", "!" + session, token=bob.token).status == 200
    eve = server.user("eve-streams")
    assert post(server, f"/whep/{meeting['id']}", eve.token, offer("recvonly")).error == "passcode_required: passcode"
    assert bob.post("/auth/logout").status == 200
    assert post(server, f"/whep/{meeting['id']}", bob.token, offer("recvonly")).code == "token_revoked"


def test_who_may_not(server: ApiServer, meeting: dict[str, Any]) -> None:
    token, path = join_token(server, meeting), f"!/whip/{meeting['id']}"
    missing = post(server, path, None, offer("sendonly"))
    assert (missing.status, missing.headers["WWW-Authenticate"]) == (401, "Bearer")
    for scheme in ("Basic dTpw", "Bearer", "Bearer nonsense", "Bearer " + "x" * 5000):
        refused = post(server, path, None, offer("sendonly"), Authorization=scheme)
        assert (refused.status, refused.code) == (401, "token_invalid"), scheme
    assert post(server, "!/whip/abc-defg-hjk", token, offer("sendonly")).status == 404
    other = server.user("carl-streams").post("/meetings", {"title": "Carl's"}).data
    assert post(server, f"!/whip/{other['id']}", token, offer("sendonly")).status == 404
    cookies = {"Cookie": f"parley_access={server.user('dora-streams').token}"}
    assert post(server, path, None, offer("sendonly"), **cookies).status == 401
    server.clock.ahead_ms = 365 * 86_400_000
    try:
        # what the database is asked with is the meetings' own clock; the API's runs ahead
        access = post(server, path, server.services.tokens.access(
            user_id="u", session_id="s", token_id="t", now_s=0, ttl_s=1), offer("sendonly"))  # fmt: skip
        assert access.code == "token_expired"
    finally:
        server.clock.ahead_ms = 0
    expired = server.services.tokens.join(
        meeting_id=meeting["id"], subject="gst_x", session_id=None, guest=True, name="x", role="participant",
        avatar_url=None, token_id="jnt_x", now_s=server.services.now_s() - 100, ttl_s=50,
    )  # fmt: skip
    assert post(server, path, expired, offer("sendonly")).code == "token_expired"


@pytest.mark.parametrize(
    ("body", "headers", "status", "error"),
    [
        ("", {}, 400, "bad_sdp: sdp.v"),
        ("v=0\r\n" + "a=x\r\n" * 10_000, {}, 422, "bad_sdp: sdp.m"),
        (offer("recvonly"), {}, 422, "bad_sdp: sdp.m"),
        (offer("sendonly", ("audio", "audio")), {}, 422, "bad_sdp: sdp.m"),
        (offer("sendonly").replace("a=group:BUNDLE 0 1\r\n", ""), {}, 422, "bad_sdp: sdp.group"),
        (offer("sendonly").replace("a=rtcp-mux\r\n", ""), {}, 422, "bad_sdp: sdp.rtcp-mux"),
        (offer("sendonly").replace("VP8/90000", "H265/90000"), {}, 422, "bad_sdp: sdp.m"),
        (offer("sendonly").replace("a=ice-pwd:", "a=x:"), {}, 422, "bad_sdp: sdp.ice-pwd"),
        (offer("sendonly"), {"Content-Type": "text/plain"}, 415, "unsupported_media_type: Content-Type"),
        (offer("sendonly"), {"Content-Type": "application/json"}, 415, "unsupported_media_type: Content-Type"),
        (offer("sendonly"), {"Accept": "text/html"}, 406, "not_acceptable: Accept"),
        ("v=0\r\n" + "a=x\r\n" * 100_000, {}, 413, "payload_too_large"),
    ],
)
def test_what_cannot_be_used(
    server: ApiServer, meeting: dict[str, Any], body: str, headers: dict[str, str], status: int, error: str
) -> None:
    token = join_token(server, meeting)
    answer = server.request(
        "POST", f"!/whip/{meeting['id']}", token=token, raw=body.encode(), headers={"Content-Type": SDP, **headers}
    )
    assert (answer.status, answer.error) == (status, error)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert server.services.live.participants(meeting["id"]) == []


def test_bytes_that_are_no_text(server: ApiServer, meeting: dict[str, Any]) -> None:
    answer = server.request("POST", f"!/whip/{meeting['id']}", raw=b"\xff\xfe", headers={"Content-Type": SDP})
    assert (answer.status, answer.code) == (400, "invalid_text")
    unknown = server.request(
        "POST", f"!/whip/{meeting['id']}?source=webcam", raw=b"v=0", headers={"Content-Type": SDP}
    )
    assert (unknown.status, unknown.error) == (400, "invalid_field: source")


def test_pages_of_other_origins_may_call(server: ApiServer, meeting: dict[str, Any]) -> None:
    origin = {"Origin": "https://studio.example.org", "Sec-Fetch-Site": "cross-site"}
    for path in (f"!/whip/{meeting['id']}", f"/whep/{meeting['id']}"):
        asked = server.request("OPTIONS", path, headers={**origin, "Access-Control-Request-Method": "POST"})
        assert (asked.status, asked.headers["Accept-Post"]) == (200, SDP)
        assert "POST" in asked.headers["Access-Control-Allow-Methods"]
        assert "Authorization" in asked.headers["Access-Control-Allow-Headers"]
        shown = server.request("HEAD", path, headers=origin)
        assert (shown.status, shown.headers["Content-Type"], shown.body) == (200, SDP, b"")
        assert server.request("GET", path, headers=origin).body == b""
    asked = server.request("OPTIONS", f"!/whep/{meeting['id']}/ses_x", headers=origin)
    assert asked.headers["Access-Control-Allow-Methods"] == "PATCH, DELETE, OPTIONS"
    assert asked.headers["Accept-Patch"] == FRAGMENT
    opened = post(server, f"!/whep/{meeting['id']}", join_token(server, meeting, "Page"), offer("recvonly"), **origin)
    assert opened.status == 201 and opened.headers["Access-Control-Allow-Origin"] == "*"
    assert {"ETag", "Link", "Location"} <= set(opened.headers["Access-Control-Expose-Headers"].split(", "))
    # nowhere else
    other = server.request("POST", "/auth/login", {"login": "x", "password": "y"}, headers=origin)
    assert other.status == 403 and other.headers["Access-Control-Allow-Origin"] is None


def test_ice_servers_are_links() -> None:
    assert ice_links([]) == ""
    stun = IceServer(urls=["stun:a", "stun:b"], username="ignored", credential="too")
    assert ice_links([stun]) == '<stun:a>; rel="ice-server", <stun:b>; rel="ice-server"'
