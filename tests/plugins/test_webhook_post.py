"""The connection goes to the address that was judged and nowhere else; what comes back is bounded."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import anyio
import pytest
import trio
from parley_webhook.addresses import ForbiddenAddressError
from parley_webhook.post import BadAnswerError, Resolve, Target, post, read_url, resolve

from tests.support.http_receiver import Receiver, certificate, receiving

LOOPBACK = (ip_network("127.0.0.1/32"),)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def _names(*answers: list[str]) -> tuple[Resolve, list[str]]:
    """A resolver that answers each question with the next list, and what it was asked."""
    asked: list[str] = []

    async def answer(host: str, _port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return answer, asked


def _at(receiver: Receiver, host: str = "hooks.example.org") -> Target:
    return read_url(f"http://{host}:{receiver.port}/in?token=1")


async def test_a_post_is_whole(receiver: Receiver) -> None:
    names, asked = _names(["127.0.0.1"])
    answer = await post(_at(receiver), {"X-One": "1"}, b"{}", tls=None, allowed=LOOPBACK, resolve=names)
    assert (answer.status, asked) == (204, ["hooks.example.org"])
    (request,) = receiver.requests
    assert (request.line, request.body) == ("POST /in?token=1 HTTP/1.1", b"{}")
    assert request.headers["host"] == f"hooks.example.org:{receiver.port}"
    assert request.headers["x-one"] == "1"


@pytest.mark.parametrize("host", ["127.1", "127.0.0.1", "0x7f000001", "2130706433", "localhost", "[::ffff:127.0.0.1]"])
async def test_loopback_in_any_dress_is_refused(receiver: Receiver, host: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        await post(_at(receiver, host), {}, b"", tls=None, resolve=resolve)
    assert receiver.requests == []


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.1", "[fd00:ec2::254]"])
async def test_metadata_and_private_addresses_are_refused(host: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        await post(read_url(f"http://{host}/latest/meta-data"), {}, b"", tls=None)


async def test_a_name_is_resolved_once_and_a_second_answer_never_used() -> None:
    """DNS rebinding: the judgement and the connection must not ask twice."""
    with receiving("127.0.0.2") as good, receiving("127.0.0.1", good.port) as private:
        names, asked = _names(["127.0.0.2"], ["127.0.0.1"])
        allowed = (ip_network("127.0.0.2/32"),)
        await post(_at(good), {}, b"1", tls=None, allowed=allowed, resolve=names)
        assert (len(asked), len(good.requests), private.requests) == (1, 1, [])
        with pytest.raises(ForbiddenAddressError):  # the next delivery asks anew, and is judged anew
            await post(_at(good), {}, b"2", tls=None, allowed=allowed, resolve=names)
        assert (len(good.requests), private.requests) == (1, [])


async def test_a_public_address_beside_a_private_one_is_refused(receiver: Receiver) -> None:
    names, _ = _names(["93.184.216.34", "127.0.0.1"])
    with pytest.raises(ForbiddenAddressError):
        await post(_at(receiver), {}, b"", tls=None, resolve=names)
    assert receiver.requests == []


async def test_redirects_are_not_followed(receiver: Receiver) -> None:
    with receiving() as private:
        location = f"http://127.0.0.1:{private.port}/"
        receiver.answer = f"HTTP/1.1 307 x\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
        names, _ = _names(["127.0.0.1"])
        answer = await post(_at(receiver), {}, b"", tls=None, allowed=LOOPBACK, resolve=names)
        assert (answer.status, private.requests) == (307, [])


async def test_proxies_of_the_environment_are_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    names, _ = _names(["127.0.0.1"])
    assert (await post(_at(receiver), {}, b"", tls=None, allowed=LOOPBACK, resolve=names)).status == 204


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 9,
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
    ],
)
async def test_rubbish_is_no_answer(receiver: Receiver, answer: bytes) -> None:
    receiver.answer = answer
    names, _ = _names(["127.0.0.1"])
    with pytest.raises(BadAnswerError):
        await post(_at(receiver), {}, b"", tls=None, allowed=LOOPBACK, resolve=names)


async def test_an_endless_body_is_not_read_to_its_end(receiver: Receiver) -> None:
    receiver.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 20_000_000
    names, _ = _names(["127.0.0.1"])
    with trio.fail_after(5):
        assert (await post(_at(receiver), {}, b"", tls=None, allowed=LOOPBACK, resolve=names)).status == 200


async def test_a_receiver_that_says_nothing_is_left_in_time(receiver: Receiver) -> None:
    receiver.answer = b""
    names, _ = _names(["127.0.0.1"])
    began = trio.current_time()
    with pytest.raises(TimeoutError), anyio.fail_after(0.2):
        await post(_at(receiver), {}, b"", tls=None, allowed=LOOPBACK, resolve=names)
    assert trio.current_time() - began < 2


async def test_a_receiver_that_hangs_up_or_is_away_is_an_oserror(receiver: Receiver) -> None:
    names, _ = _names(["127.0.0.1"])
    with pytest.raises(OSError, match="cannot connect"):
        await post(read_url("http://h:1024/"), {}, b"", tls=None, allowed=LOOPBACK, resolve=names)
    none, _ = _names([])
    with pytest.raises(OSError, match="h has no address"):
        await post(read_url("http://h/"), {}, b"", tls=None, resolve=none)


async def test_tls_is_for_the_name_and_the_connection_for_the_address(tmp_path: Path) -> None:
    pem = certificate(tmp_path, "hooks.example.org")
    with receiving(pem=pem) as receiver:
        trusting = ssl.create_default_context(cafile=pem)
        names, _ = _names(["127.0.0.1"])
        target = read_url(f"https://hooks.example.org:{receiver.port}/")
        assert (await post(target, {}, b"x", tls=trusting, allowed=LOOPBACK, resolve=names)).status == 204
        assert receiver.requests[0].server_name == "hooks.example.org"
        other = read_url(f"https://other.example.org:{receiver.port}/")
        for wrong, context in ((other, trusting), (target, ssl.create_default_context())):
            with pytest.raises(OSError, match="TLS: CERTIFICATE_VERIFY_FAILED"):
                await post(wrong, {}, b"x", tls=context, allowed=LOOPBACK, resolve=names)
        assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://x/", "must be https://"),
        ("https:///x", "must be https://"),
        ("https://hunter2:p@x/", "no user name"),
        ("https://x:25/", "port must be"),
        ("https://x:0/", "port must be"),
        ("https://x:99999/", "is none"),
        ("https://x/\r\nHost: y", "printable ASCII"),
        ("https://x/a b", "printable ASCII"),
        ("https://bücher.example/", "printable ASCII"),
        ("https://[::1/", "is none"),
    ],
)
def test_what_is_no_good_url_is_refused(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        read_url(url)
    assert str(caught.value).startswith("url: ") and "hunter2" not in str(caught.value)


def test_urls_are_taken_apart() -> None:
    assert read_url("https://[2001:db8::1]:8443?x=1#y") == Target(tls=True, host="2001:db8::1", port=8443, path="/?x=1")
    assert read_url("https://[2001:db8::1]:8443").authority == "[2001:db8::1]:8443"
    assert read_url("https://Example.org").authority == "example.org"
    assert read_url("http://example.org:443/").authority == "example.org:443"
