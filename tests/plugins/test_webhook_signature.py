"""Signatures are those of the specification."""

from __future__ import annotations

import base64

import pytest
from parley_webhook.signature import read_secret, sign

# The example of the specification's own libraries (standard-webhooks, python/tests/test_webhooks.py).
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_known_answer() -> None:
    key = read_secret("secret", SECRET)
    assert sign([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}') == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_two_secrets_sign_both() -> None:
    keys = [read_secret("s", SECRET), read_secret("s", "whsec_" + base64.b64encode(b"x" * 32).decode())]
    both = sign(keys, "a", 1, b"x").split(" ")
    assert both == [sign(keys[:1], "a", 1, b"x"), sign(keys[1:], "a", 1, b"x")] and both[0] != both[1]


def test_an_id_cannot_move_the_border() -> None:
    with pytest.raises(ValueError, match="dot"):
        sign([b"k" * 32], "evt.1", 1, b"x")


@pytest.mark.parametrize(
    "secret", ["", "hunter2", "whsec_", "whsec_hunter2!", "whsec_" + base64.b64encode(b"x" * 23).decode(), SECRET[6:]]
)
def test_secrets_are_long_enough_and_not_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match="secret: must be whsec_ and 24 to 64") as caught:
        read_secret("secret", secret)
    assert "hunter2" not in str(caught.value)
