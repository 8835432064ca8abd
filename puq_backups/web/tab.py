"""The Backups page as a part of a page of the host."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app
from markupsafe import Markup

from ..context import Context
from ..whmcs.dispatch import call_authorized
from . import access, client, tab_address


@dataclass(frozen=True)
class Tab:
    """`head` for the page's `<head>` (links to our style sheet and script) and `content` for its body."""

    head: Markup
    content: Markup


def render(context: Context, service_id: str) -> Tab:
    """Return the Backups page of a service for the host's page that is being answered.

    Takes `kind`, `page` and `edit` from its query. Aborts with 404 or 403 for whom our own page would.
    """
    actor = access.sign_in(context, service_id)
    area = call_authorized(context, "ClientArea", {**client.view(), "serviceid": service_id}, actor)
    values = client.page_values(context, area["vars"], service_id, at=tab_address.here())
    names = {**values, **client.common_values(context, values["schedule"]["timezone"])}
    template = current_app.jinja_env.get_template(area["templatefile"])
    within = template.new_context(names)
    head, content = ("".join(template.blocks[name](within)) for name in ("head", "content"))
    return Tab(Markup(head), Markup(content))  # noqa: S704 - rendered by Jinja with autoescape
