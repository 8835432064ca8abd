"""Staff views of the mail outbox: list, single mail, send again, give up."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, abort, g, request
from flask.typing import ResponseReturnValue

from ...context import Context
from ...errors import BackupsError
from ...host import Actor
from ...i18n.translator import N_
from ...mail import outbox
from ...models import Mail
from ...models.conflicts import repeated
from .. import forms
from . import layout

Decision = Callable[[Context, Mail, Actor], None]


def add_pages(blueprint: Blueprint, context: Context) -> None:
    """Add the routes of the list, of a mail and of the actions on it."""
    blueprint.add_url_rule("/outbox", "outbox", lambda: _outbox(context))
    blueprint.add_url_rule("/outbox/<mail_id>", "mail", lambda mail_id: _mail(context, mail_id))
    for path, decide, said in (
        ("again", outbox.resend, N_("The mail goes out with the next tick.")),
        ("give-up", outbox.give_up, N_("The mail is given up.")),
    ):
        blueprint.add_url_rule(
            f"/outbox/<mail_id>/{path}", f"mail_{decide.__name__}", _poster(context, decide, said), methods=["POST"]
        )


def _outbox(context: Context) -> ResponseReturnValue:
    state = request.args.get("state", "")
    with context.database.open() as session:
        page = outbox.page(session, state, request.args.get("before", ""))
        counts = outbox.counts(session)
    return layout.page(
        context, "emails", "outbox.html", page=page, counts=counts, states=outbox.STATES,
        state=state if state in outbox.STATES else "",
    )  # fmt: skip


def _mail(context: Context, mail_id: str, error: BackupsError | None = None) -> ResponseReturnValue:
    mail = _find(context, mail_id)
    return layout.page(
        context, "emails", "mail.html", error=error, mail=mail, states=outbox.STATES,
        may_again=mail.state in outbox.RESENDABLE, may_give_up=mail.state in outbox.DISCARDABLE,
    )  # fmt: skip


def _find(context: Context, mail_id: str) -> Mail:
    with context.database.open() as session:
        return outbox.find(session, mail_id) or abort(404)


def _poster(context: Context, decide: Decision, said: str) -> Callable[[str], ResponseReturnValue]:
    def post(mail_id: str) -> ResponseReturnValue:
        mail = _find(context, mail_id)
        error = forms.catch_error(repeated(lambda: decide(context, mail, g.puq_backups_actor)))
        return _mail(context, mail_id, error) if error else layout.redirect_to(said, "mail", mail_id=mail_id)

    return post
