"""What a name, an address or a title may look like; pure.

Owns the rules for texts that people type and others read; refuses to know where they are stored. Every function
returns the text as it is kept, or raises UserError 400 ``invalid_field`` naming the field. Escaping is not done here
but where a text is shown.
"""

from __future__ import annotations

import re
import unicodedata

from appliance.errors import UserError

# Unicode TR9 embeddings, overrides and isolates: in a name they make the text around it read backwards.
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")

# SPEC: user names have at most 50 characters, addresses 100, titles 200.
USERNAME_MAX = 50
EMAIL_MAX = 100
NAME_MAX = 80
TITLE_MAX = 200
DESCRIPTION_MAX = 4000

# Letters, digits and marks of any script; no @, so that a login is either a name or an address.
_USERNAME = re.compile(r"[\w.\-]{2,50}")
# RFC 5321 §4.1.2 without quoted local parts and address literals, which no provider gives out; §4.5.3.1.1: local
# part at most 64 octets.
_EMAIL = re.compile(r"[^\s@\"(),:;<>\[\\\]]{1,64}@[^\s@\"(),:;<>\[\\\]]+")


def username(text: str, field: str = "username") -> str:
    """2 to 50 letters, digits, ``_``, ``.`` and ``-``."""
    kept = unicodedata.normalize("NFKC", text.strip())
    if not _USERNAME.fullmatch(kept):
        raise _refuse(field, "must have 2 to 50 letters, digits, dots, hyphens or underscores")
    return kept


def email(text: str, field: str = "email") -> str:
    """An e-mail address of at most 100 characters."""
    kept = unicodedata.normalize("NFC", text.strip())
    if len(kept) > EMAIL_MAX or not _EMAIL.fullmatch(kept) or ".." in kept or not kept.isprintable():
        raise _refuse(field, "is not an e-mail address of at most 100 characters")
    return kept


def name(text: str, field: str) -> str:
    """A name shown to others: one line of 1 to 80 characters."""
    return _line(text, field, NAME_MAX)


def title(text: str, field: str = "title") -> str:
    """A meeting's title: one line of 1 to 200 characters."""
    return _line(text, field, TITLE_MAX)


def description(text: str, field: str = "description") -> str:
    """Up to 4000 characters; line ends become LF."""
    kept = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if len(kept) > DESCRIPTION_MAX:
        raise _refuse(field, f"must have at most {DESCRIPTION_MAX} characters")
    if any(_is_control(char) for char in kept if char not in "\n\t"):
        raise _refuse(field, "holds control characters")
    return kept


def password(text: str, *, min_length: int, max_bytes: int, field: str = "password") -> str:
    """The password as it is; long enough and not beyond reason."""
    if len(text) < min_length:
        raise _refuse(field, f"must have at least {min_length} characters")
    if len(text.encode()) > max_bytes:
        raise _refuse(field, f"must have at most {max_bytes} bytes")
    return text


def _line(text: str, field: str, longest: int) -> str:
    kept = " ".join(part for part in unicodedata.normalize("NFC", text).strip().split(" ") if part)
    if not kept or len(kept) > longest:
        raise _refuse(field, f"must have 1 to {longest} characters")
    if any(_is_control(char) for char in kept):
        raise _refuse(field, "holds control characters or line breaks")
    return kept


def _is_control(char: str) -> bool:
    # Cc: control characters, ANSI escapes among them; Zl, Zp: line and paragraph separators.
    return unicodedata.category(char) in ("Cc", "Zl", "Zp") or char in _BIDI_CONTROLS


def _refuse(field: str, message: str) -> UserError:
    return UserError(400, "invalid_field", f"{field} {message}", field=field)
