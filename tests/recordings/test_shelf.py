"""The folder of a recording: its size, its end, and names that lead nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.store import recordings
from tests.support.shelves import House, open_house


@pytest.mark.parametrize(
    "name", ["..", "rec_../x", "/etc", "rec_", "REC_a", "rec_a\0", "rec_a/b", "", "rec_" + "a" * 99]
)
async def test_only_recordings_have_a_folder(tmp_path: Path, name: str) -> None:
    async with open_house(tmp_path, tmp_path) as house:
        with pytest.raises(ValueError, match="not a recording's id"):
            house.shelf.folder(name)


async def test_journals_are_measured_and_removed_without_following_links(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"x" * 1000)
    async with open_house(tmp_path, tmp_path) as house:
        ident = await house.record("r", order=False)
        folder = house.shelf.folder(ident)
        (folder / "link").symlink_to(outside)
        size = await house.shelf.journals_bytes(ident)
        assert size is not None and 100 <= size < 1000
        found = await house.row(ident)
        assert found is not None and await house.shelf.remove_journals(found)
        assert not folder.exists() and (outside / "precious").exists()
        assert await house.shelf.journals_bytes(ident) is None
        again = await house.database.read(recordings.by_id, ident)
        assert again is not None and not again.has_journals
        assert await house.shelf.remove_journals(again)
        assert await house.shelf.remove_journals(found)  # gone already
        await _link_as_folder(house, outside)


async def test_what_was_made_goes_and_what_was_recorded_stays(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path) as house:
        ident = await house.record("r", order=False)
        folder = house.shelf.folder(ident)
        await house.shelf.remove_made(ident)  # nothing yet
        for name in ("out/tracks", "segments"):
            (folder / name).mkdir(parents=True)
        await house.shelf.remove_made(ident)
        assert sorted(path.name for path in folder.iterdir()) == ["a.journal", "manifest.json", "segments"]
        assert not await house.shelf.is_short(1)
        assert await house.shelf.is_short(2**60)


async def _link_as_folder(house: House, outside: Path) -> None:
    ident = await house.record("l", order=False)
    folder = house.shelf.folder(ident)
    folder.rename(folder.with_name("moved"))
    folder.symlink_to(outside)
    assert await house.shelf.journals_bytes(ident) is None
    found = await house.row(ident)
    assert found is not None
    with pytest.raises(OSError, match="symbolic link"):
        await house.shelf.remove_journals(found)
    assert (outside / "precious").exists()
