"""Staff view of the service list with its search."""

from __future__ import annotations

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from ...context import Context
from ...staff import search, servers
from . import layout


def add_pages(blueprint: Blueprint, context: Context) -> None:
    """Add the route of the list."""
    blueprint.add_url_rule("/services", "services", lambda: _services(context))


def _services(context: Context) -> ResponseReturnValue:
    asked = {name: request.args.get(name, "") for name in ("q", "trouble", "server")}
    hours = search.hours(request.args.get("hours", ""))
    with context.database.open() as session:
        hits = search.services(
            session, layout.cursor(), text=asked["q"], trouble=asked["trouble"], lately=hours,
            server_id=asked["server"],
        )  # fmt: skip
        server = servers.find(session, asked["server"])
    return layout.page(
        context, "services", "services.html", hits=hits, asked=asked, hours=hours, most_hours=search.MOST_HOURS,
        troubles=search.TROUBLES, server=server,
    )  # fmt: skip
