"""Identifiers, meeting codes and tokens: the one place that draws randomness for names.

Owns their alphabets and lengths; refuses to know what they name. Everything comes from the kernel's generator
(`secrets`), so an id is never a guessable counter.
"""

import secrets

# RFC 4648 §6 base32, lower case: no character needs escaping in a URL, a file name or SQL.
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
# 20 characters of 5 bits are 100 bits: two ids collide with probability 2^-51 once 2^25 of them exist.
_ID_LENGTH = 20
# Letters that survive being read aloud and typed: without i, l and o, which pass for 1 and 0.
_CODE_ALPHABET = "abcdefghjkmnpqrstuvwxyz"
# 3-4-3 of 23 letters: 45 bits, as Google Meet's; guessing is bounded by the join rate limit, not by this alone.
_CODE_GROUPS = (3, 4, 3)
_CODE_SEPARATOR = "-"
_TOKEN_BYTES = 32  # 256 bits, as RFC 6749 §10.10 wants a probability of guessing far below 2^-160


def new_id(prefix: str) -> str:
    """Return a fresh id such as ``usr_3kfo…``: the prefix, an underscore and 20 characters of lower-case base32."""
    return prefix + "_" + "".join(secrets.choice(_BASE32) for _ in range(_ID_LENGTH))


def new_meeting_code() -> str:
    """Return a fresh meeting code such as ``abc-defg-hjk``; the caller checks that it is free."""
    return _CODE_SEPARATOR.join(
        "".join(secrets.choice(_CODE_ALPHABET) for _ in range(length)) for length in _CODE_GROUPS
    )


def new_token() -> str:
    """Return 32 random bytes as 43 URL-safe characters: a bearer secret."""
    return secrets.token_urlsafe(_TOKEN_BYTES)
