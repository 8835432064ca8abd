"""Staff views of the overview and of the operation lists by state."""

from __future__ import annotations

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from ...context import Context
from ...staff import operation_lists, overview, search
from . import layout


def add_pages(blueprint: Blueprint, context: Context) -> None:
    """Add the routes of the overview and of the operation lists."""
    blueprint.add_url_rule("/", "overview", lambda: _overview(context), strict_slashes=False)
    blueprint.add_url_rule("/operations", "operations", lambda: _operations(context))


def _overview(context: Context) -> ResponseReturnValue:
    hours = search.hours(request.args.get("hours", ""))
    with context.database.open() as session:
        found = overview.facts(session, context, hours)
    return layout.page(context, "overview", "overview.html", found=found, hours=hours, most_hours=search.MOST_HOURS)


def _operations(context: Context) -> ResponseReturnValue:
    state = request.args.get("state", "")
    state = state if state in operation_lists.STATES else "failed"
    with context.database.open() as session:
        lines = operation_lists.in_state(session, context, state, layout.cursor())
    return layout.page(
        context, "overview", "operations.html", lines=lines, state=state, states=operation_lists.STATES
    )
