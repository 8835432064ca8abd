"""The activity log, on the page and as a file."""

from __future__ import annotations

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from ...staff import activity
from ...toolbox import Toolbox
from . import frame

FIELDS = ("service", "client", "actor", "action", "from", "to")


def add_pages(blueprint: Blueprint, toolbox: Toolbox) -> None:
    """Add the log and its CSV."""
    blueprint.add_url_rule("/activity", "activity", lambda: _activity(toolbox))
    blueprint.add_url_rule("/activity.csv", "activity_csv", lambda: _csv(toolbox))


def _wanted(toolbox: Toolbox) -> activity.Filter:
    return activity.read(request.args, frame.translator(toolbox).zone)


def _activity(toolbox: Toolbox) -> ResponseReturnValue:
    with toolbox.database.open() as session:
        entries = activity.page(session, _wanted(toolbox), frame.place())
    asked = {name: request.args.get(name, "") for name in FIELDS}
    return frame.page(toolbox, "activity", "activity.html", entries=entries, asked=asked)


def _csv(toolbox: Toolbox) -> ResponseReturnValue:
    headers = {"Content-Disposition": 'attachment; filename="backups-activity.csv"', "Cache-Control": "no-store"}
    pieces = activity.as_csv(toolbox.database, _wanted(toolbox))
    return Response(pieces, mimetype="text/csv", headers=headers)
