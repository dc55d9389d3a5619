"""What names, addresses and titles may hold."""

from __future__ import annotations

import pytest

from appliance.api import texts
from appliance.errors import UserError


def refused(call: object, *args: object, **kwargs: object) -> str | None:
    with pytest.raises(UserError) as caught:
        call(*args, **kwargs)  # type: ignore[operator]
    assert (caught.value.status, caught.value.code) == (400, "invalid_field")
    return caught.value.field


@pytest.mark.parametrize("name", ["ab", "Ann.B-c_1", "王伟", "Ωmega", "x" * 50, " padded "])
def test_user_names(name: str) -> None:
    assert texts.username(name) == name.strip()


@pytest.mark.parametrize("name", ["a", "", "x" * 51, "a b", "a@b", "a/b", "a\n", "a\0b", "<b>", "a\u202eb", "a'b"])
def test_no_user_names(name: str) -> None:
    assert refused(texts.username, name) == "username"


def test_letters_that_look_the_same_are_the_same() -> None:
    assert texts.username("\uff41\uff42") == "ab"  # full width


@pytest.mark.parametrize(
    "address", ["a@b.org", "ann+x@sub.example.org", "用户@例子.公司", "root@localhost", "o'neil@x.org"]
)
def test_addresses(address: str) -> None:
    assert texts.email(f" {address} ") == address


@pytest.mark.parametrize(
    "address",
    ["", "a", "@b", "a@", "a b@c", "a@b@c", "a@b..c", 'a"@b', "a<b>@c", "a,b@c", "a@[1.2.3.4]", "a\x00@b", "a\u202e@b"],
)
def test_no_addresses(address: str) -> None:
    assert refused(texts.email, address) == "email"


def test_a_name_is_one_line_that_people_can_read() -> None:
    assert texts.name("  Ann   B. ", "name") == "Ann B."
    assert texts.name("<script>alert(1)</script>", "name") == "<script>alert(1)</script>"  # escaped where shown
    assert texts.name("👩‍💻 안", "name") == "👩‍💻 안"
    for text in ("", "  ", "x" * 81, "a\r\nb", "a\tb", "\x1b[31mred", "a\u2028b", "\u202eevil", "a\x7f"):
        assert refused(texts.name, text, "name") == "name"


def test_a_title_and_a_description() -> None:
    assert texts.title("x" * 200) == "x" * 200
    assert refused(texts.title, "x" * 201) == "title"
    assert texts.description(" a\r\nb\tc\rd ") == "a\nb\tc\nd"
    assert texts.description("") == ""
    assert refused(texts.description, "x" * 4001) == "description"
    assert refused(texts.description, "a\x07") == "description"


def test_a_password_is_kept_as_it_is() -> None:
    assert texts.password(" pass word ", min_length=8, max_bytes=20) == " pass word "
    assert refused(texts.password, "short", min_length=8, max_bytes=20) == "password"
    assert refused(texts.password, "é" * 11, min_length=8, max_bytes=20) == "password"
