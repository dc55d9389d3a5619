"""The servers that share this database, for administrators. How one is found lost is `live.nodes`'s."""

from __future__ import annotations

from appliance.api.admin_shapes import NodeView, node_view
from appliance.api.call import Call
from appliance.api.pages import Page
from appliance.store import nodes


async def list_all(call: Call) -> Page[NodeView]:
    """The servers that share this database: since when, last seen, version, meetings; all on one page.

    One that crashed is here until the others have noticed (`database.node_lost_after_s`): `last_seen_at` falls behind.
    """
    rows = await call.read(nodes.every)
    views = [node_view(row, this=row.id == call.services.node, now_ms=call.now_ms) for row in rows]
    return Page(items=views, next_cursor=None)
