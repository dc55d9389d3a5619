"""Password hashes: right and wrong, off the loop, bounded."""

from __future__ import annotations

import pytest
import trio
import trio.lowlevel

from appliance.auth.passwords import MAX_WAITING, PasswordHasher
from appliance.errors import UserError
from appliance.settings import AuthSettings

QUICK = AuthSettings(argon2_memory_kib=8192, argon2_passes=1, argon2_lanes=1)


async def test_the_right_password_and_no_other() -> None:
    hasher = PasswordHasher(QUICK)
    encoded = await hasher.hash("correct horse")
    assert encoded.startswith("$argon2id$v=19$m=8192,t=1,p=1$")
    assert await hasher.verify(encoded, "correct horse")
    assert not await hasher.verify(encoded, "correct Horse")
    assert not await hasher.verify(encoded, "")
    assert await hasher.hash("correct horse") != encoded  # another salt


async def test_a_name_that_does_not_exist_costs_a_hash_too() -> None:
    hasher = PasswordHasher(QUICK)
    assert not await hasher.verify(None, "nobody has this password")


async def test_composed_and_decomposed_letters_are_one_password() -> None:
    hasher = PasswordHasher(QUICK)
    assert await hasher.verify(await hasher.hash("caf\u00e9"), "cafe\u0301")


async def test_a_hash_made_with_other_costs_is_due_for_a_new_one() -> None:
    encoded = await PasswordHasher(QUICK).hash("x")
    assert not PasswordHasher(QUICK).needs_rehash(encoded)
    dearer = AuthSettings(argon2_memory_kib=8192, argon2_passes=2, argon2_lanes=1)
    assert PasswordHasher(dearer).needs_rehash(encoded)
    assert await PasswordHasher(dearer).verify(encoded, "x")


async def test_the_defaults_are_those_of_rfc_9106() -> None:
    assert (await PasswordHasher(AuthSettings()).hash("x")).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


@pytest.mark.slow  # seventy hashes
async def test_a_storm_runs_two_at_a_time_and_turns_the_rest_away() -> None:
    hasher = PasswordHasher(QUICK)
    most, refused = 0, 0

    async def one() -> None:
        nonlocal refused
        try:
            await hasher.hash("x")
        except UserError as error:
            assert (error.status, error.code) == (503, "busy")
            refused += 1

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, hasher.statistics()["running"])
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        async with trio.open_nursery() as storm:
            for _ in range(MAX_WAITING + 10):
                storm.start_soon(one)
        nursery.cancel_scope.cancel()
    assert most == 2
    assert refused == 8  # all that found two running and MAX_WAITING waiting
    assert hasher.statistics() == {"running": 0, "waiting": 0}


async def test_the_loop_goes_on_while_a_hash_is_made() -> None:
    hasher = PasswordHasher(AuthSettings(argon2_lanes=1))
    turns = 0
    async with trio.open_nursery() as nursery:

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await trio.sleep(0.001)

        nursery.start_soon(count)
        await hasher.hash("x")
        nursery.cancel_scope.cancel()
    assert turns > 3
