"""Conditions stand in the order of their arguments, on a real database."""

from __future__ import annotations

import sqlite3

from appliance.store.filters import Filters

ROWS = [("a", 1, "50% off"), ("b", 2, "500 off"), ("c", 2, "x_y"), ("d", 3, "xzy"), ("e", 3, "\\")]


def _found(filters: Filters, order: str = "at DESC, id DESC") -> str:
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE t (id TEXT, at INTEGER, told TEXT)")
        db.executemany("INSERT INTO t VALUES (?, ?, ?)", ROWS)
        named = {str(number): value for number, value in enumerate(filters.args, 1)}
        sql = f"SELECT id FROM t{filters.where} ORDER BY {order}".replace("$", ":")
        return "".join(row[0] for row in db.execute(sql, named))


def test_nothing_asked_is_everything() -> None:
    filters = Filters()
    filters.equal(id=None)
    filters.beyond("at", None)
    assert filters.where == ""
    assert _found(filters) == "edcba"


def test_conditions_add_up() -> None:
    filters = Filters("at > 1")
    filters.add("id IN ({}, 'x') OR id = {}", "b")
    assert filters.place(7) == "$2"
    filters.equal(at=2)
    assert filters.args == ["b", 7, 2]
    assert _found(filters) == "b"


def test_a_condition_may_have_its_values_already() -> None:
    filters = Filters()
    filters.always(f"id IN ({filters.place('d')}, {filters.place('b')})")
    filters.add("at < {}", 3)
    assert _found(filters) == "b"


def test_or_inside_a_condition_stays_inside() -> None:
    filters = Filters("at > 2")
    filters.add("id = {} OR id = 'a'", "d")
    assert _found(filters) == "d"


def test_signs_of_patterns_are_text() -> None:
    for text, ids in (("50%", "a"), ("_", "c"), ("\\", "e"), ("off", "ba")):
        filters = Filters()
        filters.contains("told", text)
        assert _found(filters) == ids, text


def test_pages_go_on_after_the_last_row() -> None:
    filters = Filters()
    filters.beyond("at", (3, "d"))
    assert _found(filters) == "cba"
    filters = Filters()
    filters.beyond("at", (2, "b"), order=">")
    assert _found(filters, "at, id") == "cde"
