"""Tokens: what a valid one says, and every way to forge one that we know of."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest

from appliance.auth.tokens import TokenSigner
from appliance.errors import UserError

SECRET = b"0123456789abcdef0123456789abcdef"
NOW = 1_700_000_000
signer = TokenSigner(SECRET)


def access(**changes: Any) -> str:
    values: dict[str, Any] = {"user_id": "usr_a", "session_id": "ses_a", "token_id": "act_a", "now_s": NOW, "ttl_s": 60}
    return signer.access(**{**values, **changes})


def join(meeting_id: str = "mtg_a", **changes: Any) -> str:
    values: dict[str, Any] = {
        "subject": "usr_a",
        "session_id": "ses_a",
        "guest": False,
        "name": "Ann",
        "role": "host",
        "avatar_url": None,
        "token_id": "jnt_a",
        "now_s": NOW,
        "ttl_s": 60,
    }
    return signer.join(meeting_id=meeting_id, **{**values, **changes})


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    head, body, signature = token.split(".")
    pad = "=" * 3
    return json.loads(base64.urlsafe_b64decode(head + pad)), json.loads(base64.urlsafe_b64decode(body + pad)), signature


def packed(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def refused(token: str, now_s: int = NOW) -> str:
    with pytest.raises(UserError) as caught:
        signer.read_access(token, now_s=now_s)
    assert caught.value.status == 401
    return caught.value.code


def test_an_access_token_says_who_and_which_session() -> None:
    claims = signer.read_access(access(), now_s=NOW)
    assert (claims.sub, claims.sid, claims.jti, claims.iat, claims.exp) == ("usr_a", "ses_a", "act_a", NOW, NOW + 60)
    head, body, _ = parts(access())
    assert head == {"alg": "HS256", "typ": "JWT"}
    assert body["iss"] == "parley" and body["aud"] == "access" and body["typ"] == "access"


def test_a_refresh_token_is_read_back() -> None:
    token = signer.refresh(user_id="usr_a", session_id="ses_a", token_id="rft_a", now_s=NOW, ttl_s=60)
    assert signer.read_refresh(token, now_s=NOW + 59).jti == "rft_a"


def test_a_join_token_opens_its_own_meeting_only() -> None:
    claims = signer.read_join(join(), now_s=NOW, meeting_id="mtg_a")
    assert (claims.sub, claims.user_id, claims.guest) == ("usr_a", "usr_a", False)
    assert (claims.name, claims.role) == ("Ann", "host")
    guest = signer.read_join(join(subject="gst_a", guest=True, role="participant"), now_s=NOW, meeting_id="mtg_a")
    assert guest.user_id is None and guest.sub == "gst_a"
    with pytest.raises(UserError) as caught:
        signer.read_join(join("mtg_b"), now_s=NOW, meeting_id="mtg_a")
    assert (caught.value.status, caught.value.code) == (404, "not_found")


def test_a_token_ends_on_the_second() -> None:
    assert signer.read_access(access(), now_s=NOW + 59).sub == "usr_a"
    assert refused(access(), NOW + 60) == "token_expired"


def test_a_token_from_the_future_is_refused() -> None:
    assert refused(access(now_s=NOW + 61)) == "token_invalid"
    assert signer.read_access(access(now_s=NOW + 60), now_s=NOW).sub == "usr_a"  # clocks differ a little


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
def test_no_signature_is_refused(algorithm: str) -> None:
    _, body, _ = parts(access())
    assert refused(f"{packed({'alg': algorithm, 'typ': 'JWT'})}.{packed(body)}.") == "token_invalid"


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_with_the_right_key_is_refused(algorithm: str) -> None:
    _, body, _ = parts(access())
    assert refused(jwt.encode(body, signer._key("access") * 2, algorithm=algorithm)) == "token_invalid"


def test_a_header_that_claims_rsa_is_refused() -> None:
    _, body, signature = parts(access())
    assert refused(f"{packed({'alg': 'RS256', 'typ': 'JWT'})}.{packed(body)}.{signature}") == "token_invalid"


def test_the_key_is_never_looked_up_by_the_header() -> None:
    _, body, _ = parts(access())
    for kid in ("../../dev/null", "/dev/null", "0"):
        forged = jwt.encode(body, b"\0" * 32, algorithm="HS256", headers={"kid": kid, "jku": "http://127.0.0.1/x"})
        assert refused(forged) == "token_invalid"


def test_one_kind_is_not_another() -> None:
    refresh = signer.refresh(user_id="usr_a", session_id="ses_a", token_id="rft_a", now_s=NOW, ttl_s=60)
    assert refused(refresh) == "token_invalid"
    assert refused(join()) == "token_invalid"
    with pytest.raises(UserError, match="not a valid refresh token"):
        signer.read_refresh(access(), now_s=NOW)
    with pytest.raises(UserError, match="not a valid join token"):
        signer.read_join(access(), now_s=NOW, meeting_id="mtg_a")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody"},
        {"aud": "join"},
        {"aud": ["join", "admin"]},
        {"typ": "join"},
        {"typ": None},
        {"sub": 7},
        {"sid": None},
        {"exp": "tomorrow"},
        {"exp": None},
        {"iat": -1.5},
        {"jti": ["a"]},
    ],
)
def test_claims_of_another_shape_are_refused_even_when_signed(changes: dict[str, Any]) -> None:
    _, body, _ = parts(access())
    changed = {key: value for key, value in {**body, **changes}.items() if value is not None}
    assert refused(jwt.encode(changed, signer._key("access"), algorithm="HS256")) == "token_invalid"


def test_one_changed_bit_is_refused() -> None:
    token = access()
    for place in range(0, len(token), 7):
        if token[place] != ".":
            changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
            if changed.rstrip("=") != token:
                assert refused(changed) in ("token_invalid",)


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "\0", "é.é.é", "x" * 5000, "eyJ.eyJ.", "null.null.null"])
def test_rubbish_is_refused(text: str) -> None:
    assert refused(text) == "token_invalid"


def test_a_short_secret_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        TokenSigner(b"short")


def test_another_server_has_other_tokens() -> None:
    other = TokenSigner(b"another secret of thirty-two byte")
    with pytest.raises(UserError, match="not a valid access token"):
        other.read_access(access(), now_s=NOW)
