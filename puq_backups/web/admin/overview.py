"""The first page of staff: what runs, what waits, what went wrong; and the lists of operations behind it."""

from __future__ import annotations

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from ...staff import front, queue, search
from ...toolbox import Toolbox
from . import frame


def add_pages(blueprint: Blueprint, toolbox: Toolbox) -> None:
    """Add the overview and the lists of operations by their state."""
    blueprint.add_url_rule("/", "overview", lambda: _overview(toolbox), strict_slashes=False)
    blueprint.add_url_rule("/operations", "operations", lambda: _operations(toolbox))


def _overview(toolbox: Toolbox) -> ResponseReturnValue:
    hours = search.hours(request.args.get("hours", ""))
    with toolbox.database.open() as session:
        found = front.facts(session, toolbox, hours)
    return frame.page(toolbox, "overview", "overview.html", found=found, hours=hours, most_hours=search.MOST_HOURS)


def _operations(toolbox: Toolbox) -> ResponseReturnValue:
    state = request.args.get("state", "")
    state = state if state in queue.STATES else "failed"
    with toolbox.database.open() as session:
        lines = queue.in_state(session, toolbox, state, frame.place())
    return frame.page(toolbox, "overview", "operations.html", lines=lines, state=state, states=queue.STATES)
