"""Whose password a plugin knows: bound once, told anew, gone with the account."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from appliance.store import external_accounts, users
from appliance.store.database import UniqueViolationError
from appliance.store.external_accounts import ExternalAccount
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database

ANN = ExternalAccount(
    user_id="usr_ann", plugin="ldap", subject="uuid-1", username="ann", email="ann@example.org", display_name="Ann"
)


async def test_an_account_is_bound_and_told_anew(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(users.insert, rows.user("ann", password_hash=None))
        await database.run(users.insert, rows.user("ben"))
        found = await database.read(users.by_id, "usr_ann")
        assert found is not None and found.password_hash is None
        await database.run(external_accounts.put, ANN)
        assert await database.read(external_accounts.of_user, "usr_ann") == ANN
        assert await database.read(external_accounts.of_subject, "ldap", "uuid-1") == ANN
        assert await database.read(external_accounts.of_subject, "htpasswd", "uuid-1") is None
        assert await database.read(external_accounts.of_user, "usr_ben") is None
        changed = structs.replace(ANN, display_name="Anna", email="anna@example.org")
        await database.run(external_accounts.put, changed)
        assert await database.read(external_accounts.of_user, "usr_ann") == changed
        with pytest.raises(UniqueViolationError):
            await database.run(external_accounts.put, structs.replace(ANN, user_id="usr_ben"))


async def test_it_goes_with_the_account(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(users.insert, rows.user("ann", password_hash=None))
        await database.run(external_accounts.put, ANN)
        await database.run(users.delete, "usr_ann")
        assert await database.read(external_accounts.of_subject, "ldap", "uuid-1") is None
