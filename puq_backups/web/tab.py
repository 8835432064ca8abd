"""The Backups page as a part of a page of the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import current_app
from jinja2 import BaseLoader, Environment, Template
from markupsafe import Markup

from ..context import Context
from ..whmcs.dispatch import call_authorized
from . import access, client, tab_address

BASE, PARTS, BETWEEN = "puq_backups/client/base.html", "puq_backups/client/_tab.html", "<!-- puq_backups: content -->"
"""The base template, the one in its place that has the two parts of the page only, and what stands between them."""


class _Loader(BaseLoader):
    """The application's loader, with PARTS for BASE."""

    def __init__(self, host: Environment) -> None:
        self._host = host

    def load(self, environment: Environment, name: str, globals: Any = None) -> Template:  # noqa: A002 - Jinja's name
        assert self._host.loader is not None  # noqa: S101 - Flask always has one
        return self._host.loader.load(environment, PARTS if name == BASE else name, globals)


def _environment() -> Environment:
    known: dict[str, Environment] = current_app.extensions
    if "puq_backups_tab" not in known:
        known["puq_backups_tab"] = current_app.jinja_env.overlay(loader=_Loader(current_app.jinja_env))
    return known["puq_backups_tab"]


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
    head, _, content = _environment().get_template(area["templatefile"]).render(names).partition(BETWEEN)
    return Tab(Markup(head), Markup(content))  # noqa: S704 - rendered by Jinja with autoescape
