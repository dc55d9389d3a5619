"""Links by which strangers see one recording: made and revoked by who manages it, followed by whoever has them.

Owns the tokens' life; a link gives the film, its picture and captions, and nothing else of the meeting. Whoever makes a
link may download, and decides whether its visitors may: the meeting's rule is for its people, and what is proposed.
"""

from __future__ import annotations

from msgspec import structs

from appliance.api.bodies import DownloadQuery, Empty, ShareBody
from appliance.api.call import Call, Stream
from appliance.api.limits import SHARE_MISS_LIMIT
from appliance.api.recording_access import check, find, find_for
from appliance.api.recording_files import captions_of, thumbnail_of, video_of
from appliance.api.recording_shapes import RecordingView, ShareLink, stranger_view
from appliance.api.shapes import Changed
from appliance.api.times import to_text
from appliance.errors import UserError
from appliance.ids import new_token
from appliance.store import audit, recording_shares
from appliance.store.audit import AuditEntry
from appliance.store.database import Conn
from appliance.store.recording_shares import Link
from appliance.store.users import User

# Links of one recording that work at the same time; they are not listed, so more could only be forgotten ones.
LINKS_MOST = 100


async def share(call: Call, recording_id: str, body: ShareBody) -> ShareLink:
    """Make a link by which everybody who has it sees the recording (creator or host)."""
    token = new_token()
    expires_at_ms = call.now_ms + body.expires_in_s * 1000
    until = to_text(expires_at_ms)
    entry = call.audit_entry("recording.share", target=recording_id, detail=f"until {until}")
    download: bool = await call.run(
        _share, recording_id, call.user, token, expires_at_ms, body.download, entry, call.now_ms
    )
    return ShareLink(url=f"{call.base_url}/shared/{token}", token=token, expires_at=until, download=download)


async def _share(
    conn: Conn,
    recording_id: str,
    user: User,
    token: str,
    expires_at_ms: int,
    wanted: bool | None,
    entry: AuditEntry,
    now_ms: int,
) -> bool:
    held = await find(conn, recording_id, user)
    check(held, "manage")
    download = held.recording_download == "everyone" if wanted is None else wanted
    if await recording_shares.count(conn, recording_id, now_ms) >= LINKS_MOST:
        raise UserError(409, "too_many_links", f"the recording has {LINKS_MOST} links already: revoke them first")
    await recording_shares.insert(
        conn,
        token,
        recording_id=recording_id,
        created_by=user.id,
        expires_at_ms=expires_at_ms,
        download=download,
        now_ms=now_ms,
    )
    may = "download" if download else "watch"
    await audit.insert(conn, structs.replace(entry, detail=f"{entry.detail}, to {may}"))
    return download


async def revoke(call: Call, recording_id: str, body: Empty) -> Changed:
    """End every link to the recording (creator or host)."""
    await find_for(call, recording_id, "manage")
    entry = call.audit_entry("recording.unshare", target=recording_id)
    return Changed(changed=await call.run(_revoke, recording_id, entry, call.now_ms))


async def _revoke(conn: Conn, recording_id: str, entry: AuditEntry, now_ms: int) -> int:
    working = await recording_shares.count(conn, recording_id, now_ms)
    await recording_shares.revoke(conn, recording_id)
    await audit.insert(conn, entry)
    return working


async def show(call: Call, token: str) -> RecordingView:
    """The recording that a link leads to, for strangers."""
    link = await _followed(call, token)
    return stranger_view(link.recording, download=link.download)


async def video(call: Call, token: str, query: DownloadQuery) -> Stream:
    """Its film: to be watched, or with ``download`` to be saved where the link is for that. Ranges are answered."""
    link = await _followed(call, token)
    if query.download and not link.download:
        raise UserError(403, "forbidden", "this link is to watch the recording, not to download it")
    return await video_of(call, link.recording, download=query.download)


async def thumbnail(call: Call, token: str) -> Stream:
    """A picture of its film, JPEG."""
    return await thumbnail_of(call, (await _followed(call, token)).recording)


async def captions_vtt(call: Call, token: str) -> Stream:
    """What was said in it, as WebVTT."""
    return await captions_of(call, (await _followed(call, token)).recording, download=False)


async def _followed(call: Call, token: str) -> Link:
    link = await call.read(recording_shares.find, token, call.now_ms)
    if link is None:
        call.limit("share miss", SHARE_MISS_LIMIT)
        raise UserError(404, "not_found", "this link has ended, or never was one", field="token")
    return link
