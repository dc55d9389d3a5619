"""Transcripts: kept once, in the order of speaking, shown to whom the meeting shows them, gone with it."""

from __future__ import annotations

from pathlib import Path

from appliance.store import meetings, participants, transcripts, users
from appliance.store.database import Conn
from appliance.store.migrations import load_migrations, migrate
from appliance.store.transcripts import Segment
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database


def phrase(ident: str, meeting: str, start_ms: int, text: str = "Good morning.", name: str = "Ann") -> Segment:
    return Segment(
        id=f"cap_{ident}", meeting_id=f"mtg_{meeting}", participant_id=f"prt_{name}", name=name, start_ms=start_ms,
        end_ms=start_ms + 100, text=text, language="en",
    )  # fmt: skip


async def _some(conn: Conn) -> None:
    for name in ("ann", "bob", "cas", "dee"):
        await users.insert(conn, rows.user(name))
    await meetings.insert(conn, rows.meeting("one", "usr_ann"))
    await meetings.insert(conn, rows.meeting("two", "usr_bob", recording_access="participants"))
    for segment in (
        phrase("b", "one", 2000, "50% of it, ÄPFEL_"),
        phrase("a", "one", 1000),
        phrase("c", "one", 2000, "and pears"),
        phrase("d", "two", 1000, "before"),
        phrase("e", "two", 5000, "during, with pears", "Bob"),
        phrase("f", "two", 9000, "after"),
    ):
        await transcripts.insert(conn, segment=segment)
    await transcripts.insert(conn, segment=phrase("a", "one", 7000, "again"))  # a row that was written already
    stay = rows.participant("p", "mtg_two", user_id="usr_cas", joined_at_ms=4000, left_at_ms=6000)
    await participants.insert(conn, stay)


async def test_a_meeting_is_read_page_by_page_in_the_order_of_speaking(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(_some)

        async def read(conn: Conn) -> None:
            first = await transcripts.page(conn, "mtg_one", present_id=None, after=None, limit=2)
            assert [s.id for s in first] == ["cap_a", "cap_b"]
            assert first[0] == phrase("a", "one", 1000)
            after = (first[-1].start_ms, first[-1].id)
            rest = await transcripts.page(conn, "mtg_one", present_id=None, after=after, limit=2)
            assert [s.id for s in rest] == ["cap_c"]
            there = await transcripts.page(conn, "mtg_two", present_id="usr_cas", after=None, limit=9)
            assert [s.text for s in there] == ["during, with pears"]
            assert [s.id for s in await transcripts.between(conn, "mtg_two", 1050, 9000)] == ["cap_d", "cap_e"]
            assert await transcripts.exists(conn, "mtg_one")
            assert not await transcripts.exists(conn, "mtg_none")

        await database.read(read)


async def test_a_search_finds_what_somebody_may_see(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(_some)

        async def found(text: str, viewer_id: str | None, **more: object) -> list[str]:
            how = {"after": None, "limit": 9, **more}
            segments = await database.read(transcripts.search, text, viewer_id=viewer_id, **how)  # type: ignore[arg-type]
            return [s.id for s in segments]

        assert await found("PEARS", None) == ["cap_e", "cap_c"]
        assert await found("pears", None, speaker="Bob") == ["cap_e"]
        assert await found("pears", None, meeting="mtg_one") == ["cap_c"]
        assert await found("pears", None, limit=1) == ["cap_e"]
        assert await found("pears", None, after=(5000, "cap_e")) == ["cap_c"]
        assert await found("äpfel_", None) == ["cap_b"]
        assert await found("0% o", None) == ["cap_b"]
        assert await found("0_ o", None) == []
        assert await found("pears", "usr_ann") == ["cap_c"]
        assert await found("pears", "usr_bob") == ["cap_e"]
        assert await found("e", "usr_cas") == ["cap_e"]  # of what was said while they were there
        assert await found("pears", "usr_dee") == []
        await database.run(participants.set_member_role, "mtg_one", "usr_dee", "cohost")
        assert await found("pears", "usr_dee") == ["cap_c"]
        for subject, meeting in (("usr_dee", "mtg_one"), ("usr_cas", "mtg_two")):
            await database.run(participants.set_kicked, meeting, subject, 9)
            assert await found("e", subject) == []
        (one,) = await database.read(transcripts.search, "during", viewer_id=None, after=None, limit=9)
        assert (one.code, one.title) == (rows.meeting("two", None).code, rows.meeting("two", None).title)


async def test_it_goes_with_its_meeting_and_nothing_comes_after(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(_some)
        assert await database.run(transcripts.remove_meeting, "mtg_one") == 3
        assert await database.run(meetings.delete, "mtg_one", 9)
        await database.run(_late)
        assert not await database.read(transcripts.exists, "mtg_one")
        assert await database.read(transcripts.exists, "mtg_two")
        assert await database.run(transcripts.remove_meeting, "mtg_one") == 0


async def _late(conn: Conn) -> None:
    await transcripts.insert(conn, segment=phrase("late", "one", 9000))


async def test_every_length_of_word_is_found_and_what_is_gone_is_not(engine: str | Path) -> None:
    texts = {
        "a": "我下午把新的预算发给大家",
        "b": "the budget: 预算",
        "c": 'a "quoted" word AND OR NOT (x*',
        "d": "我们 agreed",
        "e": "x",
    }
    async with open_test_database(engine) as database:
        await database.run(users.insert, rows.user("ann"))
        await database.run(meetings.insert, rows.meeting("one", "usr_ann"))
        for number, (ident, text) in enumerate(texts.items()):
            await database.run(transcripts.insert, segment=phrase(ident, "one", number, text))

        async def found(text: str) -> str:
            segments = await database.read(transcripts.search, text, viewer_id=None, after=None, limit=9)
            return "".join(s.id.removeprefix("cap_") for s in reversed(segments))

        for text, idents in (
            ("预算", "ab"), ("新的预算", "a"), ("算", "ab"), ("算发", "a"), ("预我", ""), ("我们", "d"),
            ("x", "ce"), ("bu", "b"), ("BUDGET: 预", "b"), ('"q', "c"), ('a "quoted" word', "c"), ("x*", "c"),
            ("not (", "c"), ("OR", "c"), ("zz", ""), ("zzz", ""), ("edz", ""),
            ("i" * 200, ""), (texts["a"] * 8, ""),
        ):  # fmt: skip
            assert await found(text) == idents, text
        assert await database.run(transcripts.remove_meeting, "mtg_one") == 5
        await database.run(transcripts.insert, segment=phrase("f", "one", 9, "not budgets"))
        for text, idents in (("预算", ""), ("budget", "f"), ("agreed", ""), ("no", "f")):
            assert await found(text) == idents, text


async def test_what_was_said_before_there_was_an_index_is_found(engine: str | Path) -> None:
    steps = load_migrations()
    number = next(step.number for step in steps if step.name == "transcript_search")
    async with open_test_database(engine, schema=False) as database:
        await migrate(database, steps[: number - 1])
        await database.run(users.insert, rows.user("ann"))
        await database.run(meetings.insert, rows.meeting("one", "usr_ann"))
        await database.run(_insert_as_then, phrase("a", "one", 1, "the old budget"))
        await migrate(database)
        for text in ("budget", "old", "et"):
            segments = await database.read(transcripts.search, text, viewer_id=None, after=None, limit=9)
            assert [s.id for s in segments] == ["cap_a"], text


async def _insert_as_then(conn: Conn, segment: Segment) -> None:
    values = (segment.start_ms, segment.end_ms, segment.text, segment.language, segment.text)
    await conn.execute(
        "INSERT INTO transcript_segments (id, meeting_id, participant_id, name, start_ms, end_ms, text, language,"
        " search_key) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        *(segment.id, segment.meeting_id, segment.participant_id, segment.name, *values),
    )
