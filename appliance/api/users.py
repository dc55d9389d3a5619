"""Accounts by id: everybody sees a card, the owner and administrators see and change everything."""

from __future__ import annotations

from appliance.api.bodies import ProfileBody
from appliance.api.call import Call
from appliance.api.profile import change_profile, existing_user
from appliance.api.shapes import PublicUser, UserView, public_user, user_view
from appliance.errors import UserError


async def show(call: Call, user_id: str) -> UserView | PublicUser:
    """An account: all of it for its owner and administrators, else name and picture."""
    user = await call.read(existing_user, user_id)
    if call.user.id == user.id or call.user.role == "admin":
        return user_view(user)
    return public_user(user)


async def update(call: Call, user_id: str, body: ProfileBody) -> UserView:
    """Change an account's texts: one's own, or anybody's for an administrator."""
    if call.user.id != user_id and call.user.role != "admin":
        raise UserError(403, "forbidden", "only the owner and administrators may change an account")
    return await change_profile(call, await call.read(existing_user, user_id), body)
