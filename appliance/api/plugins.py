"""Plugins for administrators: which are there, how they fare, and switching one on again."""

from __future__ import annotations

from appliance.api.admin_shapes import PluginView, plugin_view
from appliance.api.bodies import Empty
from appliance.api.call import Call
from appliance.api.pages import Page
from appliance.errors import UserError
from appliance.hooks.dispatch import StillRunningError
from appliance.store import audit


async def list_all(call: Call) -> Page[PluginView]:
    """Every plugin that is enabled or installed, by name; all on one page."""
    return Page(items=[plugin_view(status) for status in call.services.plugins.list_all()], next_cursor=None)


async def enable(call: Call, name: str, body: Empty) -> PluginView:
    """Start a plugin again that was switched off or could not start; the answer says how that went.

    What runs stays as it is. 404 for one that is not in plugins.enabled, 409 while its last life does not end.
    """
    try:
        status = await call.services.plugins.enable(name)
    except KeyError:
        raise UserError(404, "not_found", "plugins.enabled in the settings has no such plugin", field="name") from None
    except StillRunningError as error:
        raise UserError(409, "plugin_still_running", str(error), field="name") from None
    await call.run(audit.insert, call.audit_entry("admin.plugin.enable", target=name, detail=status.state))
    return plugin_view(status)
