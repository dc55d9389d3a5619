"""Names are for people: what could mislead a browser or an eye is taken out."""

from __future__ import annotations

import pytest

from appliance.api.file_names import NAME_MAX, display_name, disposition


@pytest.mark.parametrize(
    ("name", "plain", "full"),
    [
        ("Weekly.mp4", "Weekly.mp4", "Weekly.mp4"),
        ("Übung „1“.mp4", "_bung _1_.mp4", "%C3%9Cbung%20%E2%80%9E1%E2%80%9C.mp4"),
        ("../../etc/passwd", "passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini", "boot.ini"),
        ("%2e%2e%2fx", "_2e_2e_2fx", "%252e%252e%252fx"),
        ('a"; filename="b\r\nX-Y: z', "a__ filename=_bX-Y: z", "a%22%3B%20filename%3D%22bX-Y%3A%20z"),
        ("a\0b\ud800\u202ec", "abc", "abc"),
        ("..", "file", "file"),
        ("", "file", "file"),
        (" . ", "file", "file"),
    ],
)
def test_what_a_browser_saves_under(name: str, plain: str, full: str) -> None:
    assert disposition("attachment", name) == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{full}"


def test_a_long_name_keeps_its_ending() -> None:
    name = display_name("x" * 500 + ".mp4")
    assert len(name) == NAME_MAX and name.endswith("x.mp4")
    assert display_name("x." + "y" * 500) == "x." + "y" * (NAME_MAX - 2)


def test_a_name_is_one_line_in_one_direction() -> None:
    assert display_name("a\r\nb") == "ab"
    assert display_name("evil\u202egnp.exe") == "evilgnp.exe"
    assert display_name("e\u0301.png") == "é.png"  # one character, however it was typed
