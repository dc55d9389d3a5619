"""Keeps files in a folder of one's own, as of a network share that is mounted there."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from appliance.hooks.contract import Context, Plugin, PluginConfig, Storage, TryLater

# What is copied between two looks at whether somebody has cancelled.
_PIECE_BYTES = 1024 * 1024


class ShelfConfig(PluginConfig, frozen=True):
    """The keys of [plugins.shelf]."""

    folder: str


@asynccontextmanager
async def open_shelf(config: ShelfConfig, _context: Context) -> AsyncIterator[Storage]:
    """From the server's start to its stop. The folder must be there: one that is not is a share that is not mounted."""
    root = anyio.Path(config.folder)

    async def put(key: str, path: Path, _media_type: str) -> None:
        await mounted()
        kept = root / key  # a contract of keys: no dots at the front, one slash
        await kept.parent.mkdir(exist_ok=True)
        unfinished = kept.with_name(f".{secrets.token_hex(8)}")
        try:
            async with await anyio.open_file(path, "rb") as source, await anyio.open_file(unfinished, "xb") as file:
                while piece := await source.read(_PIECE_BYTES):
                    await file.write(piece)
                await file.flush()
                await anyio.to_thread.run_sync(os.fsync, file.wrapped.fileno())
            await unfinished.replace(kept)
        finally:
            with anyio.CancelScope(shield=True):
                await unfinished.unlink(missing_ok=True)

    async def read(key: str, start: int, length: int) -> bytes | None:
        await mounted()
        try:
            async with await anyio.open_file(root / key, "rb") as file:
                await file.seek(start)
                return await file.read(length)
        except FileNotFoundError:
            return None

    async def size(key: str) -> int | None:
        await mounted()
        try:
            return (await (root / key).stat()).st_size
        except FileNotFoundError:
            return None

    async def delete(key: str) -> bool:
        await mounted()
        try:
            await (root / key).unlink()
        except FileNotFoundError:
            return False
        return True

    async def mounted() -> None:
        if not await root.is_dir():
            raise TryLater(f"{root} is not there")

    yield Storage(put=put, read=read, size=size, delete=delete)


plugin = Plugin(contract=1, summary="Keeps files in a folder of its own.", config=ShelfConfig, open=open_shelf)
