"""The lines of a password file that are taken, and why the others are not. Pure.

The format is that of Apache's htpasswd: ``name:hash`` a line. Only bcrypt is taken: the other kinds can be guessed
billions of times a second.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# bcrypt knows no more of a password, and Apache cuts it off there.
PASSWORD_BYTES = 72
# At 2^15 rounds a check takes two seconds; what is beyond that is a mistake, or an attempt to stop us.
_COST_MAX = 15
_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
# What Parley takes as a user name.
_NAME = re.compile(r"[\w.\-]{2,50}")


@dataclass(frozen=True, kw_only=True)
class Person:
    """One line."""

    name: str
    password_hash: bytes = field(repr=False)


def read_people(text: str) -> tuple[dict[str, Person], list[str]]:
    """Who is in the file, by the name in lower case, and a sentence on each line that is left out."""
    people: dict[str, Person] = {}
    left_out: list[str] = []
    twice: set[str] = set()
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        name, colon, kept = line.partition(":")
        found = _BCRYPT.fullmatch(kept.partition(":")[0])
        key = name.casefold()
        if not colon or not _NAME.fullmatch(name):
            left_out.append(f"line {number} does not begin with a user name and a colon")
        elif found is None:
            left_out.append(f"line {number}, {name}: its hash is not bcrypt (htpasswd -B)")
        elif not 4 <= int(found[1]) <= _COST_MAX:
            left_out.append(f"line {number}, {name}: a hash of cost {int(found[1])} is not between 4 and {_COST_MAX}")
        elif key in people or key in twice:
            left_out.append(f"line {number}, {name}: another line has this name")
            twice.add(key)
            people.pop(key, None)  # which of them is meant?
        else:
            people[key] = Person(name=name, password_hash=found[0].encode())
    return people, left_out
