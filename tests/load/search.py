"""How fast a transcript search is among many phrases, against the scan that it replaces.

Fills a new SQLite file with phrases of made-up English and Chinese and looks for rare and frequent words, as the
server's API does it for an administrator and for somebody who planned a tenth of the meetings. Prints a line for each
word: how many milliseconds the first page takes (median), by the index and by ``LIKE`` over all phrases, and the
ratio. Exit code 1 when a rare word of two letters or more is not found at least ``--least`` times as fast.

    python tests/load/search.py
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import trio  # noqa: E402

from appliance.store import meetings, transcripts, users  # noqa: E402
from appliance.store.database import Conn  # noqa: E402
from appliance.store.transcripts import Segment  # noqa: E402
from tests.support import stored_rows as rows  # noqa: E402
from tests.support.databases import open_test_database  # noqa: E402

MEETINGS = 100
"""Every tenth is planned by the account that searches."""
PAGE = 31
ROUNDS = 15
_SEED = 7
_LETTERS = "aaabcdeeeefghiiklmnnoooprrssstttuvwy"
_FIRST, _LAST = 0x4E00, 0x4E00 + 1500
# Put into so many of a thousand phrases.
RARE = {"quotation": 0.2, "预算": 0.2, "新的预算": 0.1, "zq": 0.1}
FREQUENT = {"meeting": 300.0}


def _phrases(count: int) -> list[str]:
    chance = random.Random(_SEED)
    words = ["".join(chance.choices(_LETTERS, k=chance.randint(2, 9))) for _ in range(4000)]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    found = []
    for _ in range(count):
        if chance.random() < 0.3:
            said = ["".join(chr(chance.randint(_FIRST, _LAST)) for _ in range(chance.randint(8, 24)))]
        else:
            said = chance.choices(words, weights, k=chance.randint(4, 16))
        said += [word for word, share in (RARE | FREQUENT).items() if chance.random() * 1000 < share]
        found.append(" ".join(said))
    return found


async def _fill(conn: Conn, phrases: list[str]) -> None:
    for name in ("ann", "bob"):
        await users.insert(conn, rows.user(name))
    for number in range(MEETINGS):
        await meetings.insert(conn, rows.meeting(f"m{number}", "usr_ann" if number % 10 == 0 else "usr_bob"))
    for number, text in enumerate(phrases):
        at_ms = 1_700_000_000_000 + number * 4000
        segment = Segment(
            id=f"cap_{number}", meeting_id=f"mtg_m{number * MEETINGS // len(phrases)}", participant_id="prt_x",
            name="Ann", start_ms=at_ms, end_ms=at_ms + 3000, text=text, language="en",
        )  # fmt: skip
        await transcripts.insert(conn, segment=segment)


async def _scan(conn: Conn, text: str) -> list[str]:
    rows = await conn.fetch(
        "SELECT s.id FROM transcript_segments s JOIN meetings t ON t.id = s.meeting_id WHERE t.deleted_at_ms IS NULL"
        " AND s.search_key LIKE $1 ORDER BY +s.start_ms DESC, s.id DESC LIMIT $2",
        f"%{text}%",
        PAGE,
    )
    return [row["id"] for row in rows]


async def _median_ms(act: Callable[[], Awaitable[object]]) -> float:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        await act()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


async def measure(folder: Path, count: int) -> dict[str, float]:
    """The ratios of rare words, by word."""
    ratios = {}
    async with open_test_database(folder) as database:
        started = time.perf_counter()
        await database.run(_fill, _phrases(count))
        print(f"{count} phrases kept in {time.perf_counter() - started:.1f} s")
        for word in (*RARE, *FREQUENT):

            async def scanned(word: str = word) -> list[str]:
                return await database.read(_scan, word)

            async def found(viewer_id: str | None = None, word: str = word) -> list[str]:
                segments = await database.read(
                    transcripts.search, word, viewer_id=viewer_id, after=None, limit=PAGE
                )
                return [segment.id for segment in segments]

            if await scanned() != await found():
                raise SystemExit(f"{word}: the index finds something else than the scan")
            scan_ms, all_ms = await _median_ms(scanned), await _median_ms(found)
            own_ms = await _median_ms(lambda: found("usr_ann"))
            ratio = scan_ms / all_ms
            print(f"{word}: scan {scan_ms:.2f} ms, index {all_ms:.2f} ms, own meetings {own_ms:.2f} ms, {ratio:.0f}x")
            if word in RARE:
                ratios[word] = ratio
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phrases", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true", help="20000 phrases, for which the scan is quick too")
    parser.add_argument("--least", type=float, default=5.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="parley-search-") as folder:
        ratios = trio.run(measure, Path(folder), 20_000 if arguments.quick else arguments.phrases)
    if arguments.quick:
        return
    slow = [word for word, ratio in ratios.items() if ratio < arguments.least]
    if slow:
        raise SystemExit(f"less than {arguments.least:g} times as fast: {', '.join(slow)}")


if __name__ == "__main__":
    main()
