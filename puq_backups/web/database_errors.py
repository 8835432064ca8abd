"""Answers requests whose database error comes from tables that were not upgraded: 503 and one sentence."""

from __future__ import annotations

import logging

from flask import Blueprint, Response, g
from sqlalchemy.exc import SQLAlchemyError

from ..context import Context
from ..errors import Message
from ..migrations import running

log = logging.getLogger("puq_backups.web")
UNAVAILABLE = Message("Backups are not available at the moment. Please try again in a few minutes.")


def handle(blueprint: Blueprint, context: Context) -> None:
    """Answer errors that outdated tables explain. Other database errors are raised again, for the host."""

    @blueprint.errorhandler(SQLAlchemyError)
    def outdated(error: SQLAlchemyError) -> Response:
        if not running.explains(error, context.database.engine):
            raise error
        log.error("%s", running.OUTDATED)
        actor = g.get("puq_backups_actor") or context.signed_in()
        said = running.OUTDATED if actor and actor.is_staff else UNAVAILABLE
        t = context.translator(actor.locale if actor else "en")
        return Response(t.say(said), status=503, mimetype="text/plain", headers={"Retry-After": "60"})
