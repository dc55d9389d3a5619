"""The audit log: newest first, filtered, in pages."""

from __future__ import annotations

from pathlib import Path

from appliance.store import audit
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database


async def test_entries_are_listed_newest_first(engine: str | Path) -> None:
    entries = [
        rows.audit_entry("a1", at_ms=1, actor_id="usr_ann", detail="安"),
        rows.audit_entry("a2", at_ms=2, action="admin.user.ban", outcome="forbidden", target="usr_bob"),
        rows.audit_entry("a3", at_ms=2, actor_id="usr_ann", action="auth.logout"),
    ]
    async with open_test_database(engine) as database:
        for entry in entries:
            await database.run(audit.insert, entry)

        async def listed(limit: int = 9, after: tuple[int, str] | None = None, **where: str) -> list[str]:
            filters = {"action": None, "actor_id": None, **where}
            return [entry.id for entry in await database.read(audit.page, after=after, limit=limit, **filters)]  # type: ignore[arg-type]

        assert await listed() == ["a3", "a2", "a1"]
        assert await listed(limit=1, after=(2, "a3")) == ["a2"]
        assert await listed(action="admin.user.ban") == ["a2"]
        assert await listed(actor_id="usr_ann") == ["a3", "a1"]
        assert await listed(actor_id="usr_ann", action="auth.login") == ["a1"]
        assert await database.read(audit.page, action=None, actor_id=None, after=(2, "a2"), limit=5) == entries[:1]
