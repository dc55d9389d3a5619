"""What tasks have in common."""

import pytest

from appliance.ai.tasks import MAX_SESSIONS, Sessions, one_by_one, split_payload_untrusted
from appliance.inference.task import Request, Result, TaskError


def test_the_fault_of_one_request_is_its_own() -> None:
    def answer(request: Request) -> Result:
        if request.payload == b"bad":
            raise TaskError("bad_audio", "it is bad")
        return Result(request.payload.decode())

    first, second, third = one_by_one([Request({}, data) for data in (b"a", b"bad", b"c")], answer)
    assert isinstance(first, Result) and isinstance(third, Result)
    assert (first.values, third.values) == ("a", "c")
    assert isinstance(second, TaskError) and second.code == "bad_audio"


def test_a_fault_of_the_task_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        one_by_one([Request({}, b"")], lambda _: Result(1 / 0))


def test_sessions_are_kept_closed_and_bounded() -> None:
    sessions: Sessions[list[int]] = Sessions()
    sessions.of("a", list).append(1)
    assert sessions.of("a", list) == [1]
    sessions.close("a")
    sessions.close("never there")
    assert sessions.of("a", list) == []
    for n in range(MAX_SESSIONS - 1):
        sessions.of(str(n), list)
    with pytest.raises(TaskError) as caught:
        sessions.of("one more", list)
    assert caught.value.code == "too_many_sessions"
    assert len(sessions) == MAX_SESSIONS


@pytest.mark.parametrize("sizes", [None, "12", [0], [-1, 4], [1.5], [True, 2], [2], [70_000], {}, [1, 1, 1]])
def test_the_sizes_of_parts_must_be_those_of_the_payload(sizes: object) -> None:
    with pytest.raises(TaskError, match="parts: ") as caught:
        split_payload_untrusted(b"abc", sizes, "parts", 2)
    assert caught.value.code == "bad_option"
    assert split_payload_untrusted(b"abc", [1, 2], "parts", 2) == [b"a", b"bc"]
    assert split_payload_untrusted(b"", [], "parts", 2) == []
