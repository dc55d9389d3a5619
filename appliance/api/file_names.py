"""What people call their files; pure.

Owns how a stranger's name becomes one that can be shown and saved under. A name is only ever that: nothing is looked up
by it, so ``..`` and ``%2e`` in it mean nothing.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

# What file systems take: 255 bytes; half of that in characters leaves room for scripts of three bytes each.
NAME_MAX = 120
# attr-char of RFC 5987 §3.2.1: what needs no escape in ``filename*``.
_ATTR_CHARS = "!#$&+-.^_`|~"


def display_name(text: str) -> str:
    """The last part of a path, without what is invisible; ``file`` when nothing is left. Its ending is kept."""
    last = re.split(r"[/\\]", text)[-1]
    seen = "".join(char for char in unicodedata.normalize("NFC", last) if _is_seen(char)).strip(" .")
    if len(seen) > NAME_MAX:
        stem, dot, ending = seen.rpartition(".")
        keep = dot + ending if stem and len(ending) <= 10 else ""
        seen = seen[: NAME_MAX - len(keep)] + keep
    return seen or "file"


def _is_seen(char: str) -> bool:
    """Not: control and format characters (bidirectional ones among them), and halves of surrogate pairs."""
    return char.isprintable() and not "\ud800" <= char <= "\udfff"


def disposition(kind: str, filename: str) -> str:
    """A Content-Disposition (RFC 6266): the name in ASCII, and in full for browsers that know RFC 5987."""
    name = display_name(filename)
    plain = "".join(char if char.isascii() and char not in '"\\%;' else "_" for char in name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe=_ATTR_CHARS)}"
