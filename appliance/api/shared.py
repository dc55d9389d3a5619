"""Links by which strangers see one recording: made and revoked by who manages it, followed by whoever has them.

Owns the tokens' life; a link gives the film, its picture and captions, and nothing else of the meeting.
"""

from __future__ import annotations

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
from appliance.store.recordings import Recording
from appliance.store.users import User

# Links of one recording that work at the same time; they are not listed, so more could only be forgotten ones.
LINKS_MOST = 100


async def share(call: Call, recording_id: str, body: ShareBody) -> ShareLink:
    """Make a link by which everybody who has it sees the recording (creator or host)."""
    token = new_token()
    expires_at_ms = call.now_ms + body.expires_in_s * 1000
    entry = call.audit_entry("recording.share", target=recording_id, detail=f"until {to_text(expires_at_ms)}")
    await call.run(_share, recording_id, call.user, token, expires_at_ms, entry, call.now_ms)
    return ShareLink(url=f"{call.base_url}/shared/{token}", token=token, expires_at=to_text(expires_at_ms))


async def _share(
    conn: Conn, recording_id: str, user: User, token: str, expires_at_ms: int, entry: AuditEntry, now_ms: int
) -> None:
    check(await find(conn, recording_id, user), "manage")
    if await recording_shares.count(conn, recording_id, now_ms) >= LINKS_MOST:
        raise UserError(409, "too_many_links", f"the recording has {LINKS_MOST} links already: revoke them first")
    await recording_shares.insert(
        conn, token, recording_id=recording_id, created_by=user.id, expires_at_ms=expires_at_ms, now_ms=now_ms
    )
    await audit.insert(conn, entry)


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
    return stranger_view(await _followed(call, token))


async def video(call: Call, token: str, query: DownloadQuery) -> Stream:
    """Its film. Ranges are answered."""
    return await video_of(call, await _followed(call, token), download=query.download)


async def thumbnail(call: Call, token: str) -> Stream:
    """A picture of its film, JPEG."""
    return await thumbnail_of(call, await _followed(call, token))


async def captions_vtt(call: Call, token: str) -> Stream:
    """What was said in it, as WebVTT."""
    return await captions_of(call, await _followed(call, token), download=False)


async def _followed(call: Call, token: str) -> Recording:
    recording = await call.read(recording_shares.find, token, call.now_ms)
    if recording is None:
        call.limit("share miss", SHARE_MISS_LIMIT)
        raise UserError(404, "not_found", "this link has ended, or never was one", field="token")
    return recording
