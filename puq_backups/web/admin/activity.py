"""Views of the activity log: the page and the CSV download."""

from __future__ import annotations

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from ...context import Context
from ...staff import activity
from . import layout

FIELDS = ("service", "client", "actor", "action", "from", "to")


def add_pages(blueprint: Blueprint, context: Context) -> None:
    """Add the routes of the log and its CSV."""
    blueprint.add_url_rule("/activity", "activity", lambda: _activity(context))
    blueprint.add_url_rule("/activity.csv", "activity_csv", lambda: _csv(context))


def _wanted(context: Context) -> activity.Filter:
    return activity.read(request.args, layout.translator(context).zone)


def _activity(context: Context) -> ResponseReturnValue:
    with context.database.open() as session:
        entries = activity.page(session, _wanted(context), layout.cursor())
        names = activity.service_names(session, entries.rows)
    asked = {name: request.args.get(name, "") for name in FIELDS}
    return layout.page(
        context, "activity", "activity.html", entries=entries, asked=asked, names=names, verbs=activity.VERBS
    )


def _csv(context: Context) -> ResponseReturnValue:
    headers = {"Content-Disposition": 'attachment; filename="backups-activity.csv"', "Cache-Control": "no-store"}
    pieces = activity.as_csv(context.database, _wanted(context))
    return Response(pieces, mimetype="text/csv", headers=headers)
