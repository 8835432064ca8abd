"""The Backups page as a part of a page of the host."""

from __future__ import annotations

from dataclasses import dataclass

from flask import abort
from markupsafe import Markup

from ..context import Context
from ..whmcs.dispatch import call_authorized
from . import access, client, forms, page_frame, tab_address


@dataclass(frozen=True)
class Tab:
    """`head` for the page's `<head>` (links to our style sheet and script) and `content` for its body."""

    head: Markup
    content: Markup


def render(context: Context, service_id: str) -> Tab:
    """Return the Backups page of a service for the host's page that is being answered.

    Takes `kind`, `page` and `edit` from its query. Aborts with 404 or 403 for whom our own page would.
    """
    actor = context.signed_in()
    if actor is None:
        abort(404)
    access.admit(context, actor, service_id)
    area = call_authorized(context, "ClientArea", {**client.view(), "serviceid": service_id}, actor)
    values = client.page_values(context, area["vars"], service_id, at=tab_address.here())
    t = context.translator(actor.locale, actor.timezone or values["schedule"]["timezone"])
    page, rendered = page_frame.render_parts(area["templatefile"], {**values, "csrf_token": forms.csrf_token()}, t)
    # A template of the host's that extends no base template of ours is content as a whole.
    return Tab(Markup(page.head), Markup(page.content if page.base else rendered))  # noqa: S704 - autoescaped by Jinja
