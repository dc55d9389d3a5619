"""Pictures of accounts: upload and show."""

from __future__ import annotations

import re

import trio

from appliance.api.avatar_image import make_avatar_untrusted
from appliance.api.call import Blob, Call
from appliance.api.profile import existing_user
from appliance.api.shapes import AvatarUrl, avatar_url
from appliance.errors import UserError
from appliance.ids import new_id
from appliance.store import users
from appliance.store.database import Conn
from appliance.store.users import User

_NAME = re.compile(r"avt_[a-z2-7]{20}")

# One picture is decoded at a time: the bound on its pixels is then the bound on memory.
_decoding = trio.CapacityLimiter(1)


async def upload(call: Call, upload: bytes) -> AvatarUrl:
    """Set one's picture: the image itself as the body, or multipart with the field ``avatar``."""
    image = await trio.to_thread.run_sync(make_avatar_untrusted, upload, limiter=_decoding)
    avatar_id = new_id("avt")
    await call.services.files.write(_key(avatar_id), image)
    before, now = await call.run(_store, call.user.id, avatar_id, call.now_ms)
    if before.avatar_id is not None:
        await call.services.files.delete(_key(before.avatar_id))
    return AvatarUrl(avatar_url=avatar_url(now))


async def _store(conn: Conn, user_id: str, avatar_id: str, now_ms: int) -> tuple[User, User]:
    before = await existing_user(conn, user_id)
    await users.set_avatar(conn, user_id, avatar_id, now_ms)
    return before, await existing_user(conn, user_id)


async def show(call: Call, name: str) -> Blob:
    """A picture. Its name changes with each upload, so it may be kept for ever."""
    missing = UserError(404, "not_found", "there is no such picture")
    if not _NAME.fullmatch(name):
        raise missing
    try:
        content = await call.services.files.read(_key(name))
    except FileNotFoundError:
        raise missing from None
    return Blob(
        content=content,
        media_type="image/webp",
        # A year, as RFC 9111 §5.2.2.1 and RFC 8246 have it for what never changes.
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )


def _key(avatar_id: str) -> str:
    return f"avatars/{avatar_id}.webp"
