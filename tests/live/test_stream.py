"""What is kept of a stream: its token's digest, and the rule of preconditions."""

from __future__ import annotations

import pytest

from appliance.errors import UserError
from appliance.live.stream import Precondition, Stream, StreamRequest, digest
from appliance.signaling.messages import Offer


def test_a_stream_answers_to_the_token_it_was_opened_with() -> None:
    offer = Offer(sdp="v=0", negotiation=1)
    stream = Stream(bearer_digest=digest("mine"), offer=offer, etag="e", watch=None, connect_by=None)
    stream.check("mine")
    with pytest.raises(UserError) as caught:
        stream.check("yours")
    assert (caught.value.status, caught.value.code) == (401, "token_invalid")
    assert b"mine" not in stream.bearer_digest


@pytest.mark.parametrize(
    ("precondition", "holds"),
    [
        (Precondition(("e",)), True),
        (Precondition(("d", "e")), True),
        (Precondition((), anything=True), True),
        (Precondition(("d",)), False),
        (Precondition(()), False),
    ],
)
def test_a_precondition_names_the_ice_session(precondition: Precondition, holds: bool) -> None:
    if holds:
        precondition.check("e")
        return
    with pytest.raises(UserError) as caught:
        precondition.check("e")
    assert (caught.value.status, caught.value.field) == (412, "If-Match")


def test_tokens_are_not_printed() -> None:
    request = StreamRequest("abc", "a-join-token", "a-bearer", "v=0", "camera", None)
    assert "token'" not in repr(request) and "a-bearer" not in repr(request)
