"""The outbox as staff sees it: what waits, what went out, what failed; sending again, and giving up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import Refused
from ..host import Actor
from ..i18n.translator import N_
from ..models import Mail, Service, is_valid_id, now
from ..models.audit_log import audit
from . import merge_values

PAGE = 50
STATES = {
    "waiting": N_("Waiting"), "sending": N_("Being sent"), "sent": N_("Sent"), "failed": N_("Failed"),
    "aborted": N_("Aborted by a hook"), "dropped": N_("Given up"),
}  # fmt: skip
AGAIN = ("failed", "aborted", "dropped")
GIVE_UP = ("waiting", "failed")
COUNTED = ("waiting", "sending", "failed")


@dataclass(frozen=True)
class Page:
    """Mails, newest first; `older` leads to the next page, "" on the last."""

    mails: Sequence[Mail]
    older: str


def page(session: Session, state: str, before: str) -> Page:
    """A page of the mails in a state ("" for all), after the one named by `before`, which may be none."""
    rows = select(Mail).order_by(Mail.created_at.desc(), Mail.id.desc()).limit(PAGE + 1)
    if state in STATES:
        rows = rows.where(Mail.state == state)
    place = _place(before)
    if place:
        # The first condition alone is the one that an index helps with.
        rows = rows.where(Mail.created_at <= place[0], or_(Mail.created_at < place[0], Mail.id < place[1]))
    found = session.scalars(rows).all()
    last = found[PAGE - 1] if len(found) > PAGE else None
    return Page(found[:PAGE], f"{last.created_at.isoformat()} {last.id}" if last else "")


def _place(before: str) -> tuple[datetime, str] | None:
    moment, _, mail_id = before.partition(" ")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return (at, mail_id) if at.tzinfo and is_valid_id(mail_id) else None


def counts(session: Session) -> dict[str, int]:
    """How many mails are in each state that staff may have to do something about."""
    rows = select(Mail.state, func.count()).where(Mail.state.in_(COUNTED)).group_by(Mail.state)
    return {state: count for state, count in session.execute(rows)}  # noqa: C416 - rows are no tuples to mypy


def find(session: Session, mail_id: str) -> Mail | None:
    """A mail by its id."""
    return session.get(Mail, mail_id) if is_valid_id(mail_id) else None


def again(context: Context, mail: Mail, actor: Actor) -> None:
    """Have a mail tried again from the start, to the address that is known by now. Refused where it is on its way."""
    with context.database.begin() as session:
        to = _recipient(session, context, mail)
        if not to:
            raise Refused("There is still no e-mail address that could be used.")
        values = {"state": "waiting", "attempts": 0, "wake_at": now(), "error": "", "recipient": to}
        _move(session, mail, AGAIN, values, "was sent again", actor)


def give_up(context: Context, mail: Mail, actor: Actor) -> None:
    """Have a mail tried no more. Refused where it has gone out meanwhile."""
    with context.database.begin() as session:
        _move(session, mail, GIVE_UP, {"state": "dropped"}, "was given up", actor)


def _recipient(session: Session, context: Context, mail: Mail) -> str:
    email = next((email for email in context.hooks.emails if email.name == mail.name), None)
    if email is None or mail.event.startswith("test "):
        return mail.recipient
    service = session.get(Service, mail.service_id) if mail.service_id else None
    return merge_values.address_of(context, email, service) or mail.recipient


def _move(
    session: Session, mail: Mail, states: tuple[str, ...], values: dict[str, object], done: str, actor: Actor
) -> None:
    moved = session.execute(
        update(Mail)
        .where(Mail.id == mail.id, Mail.state.in_(states))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    # No row: it was sent, or somebody else decided first.
    if moved.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has it
        raise Refused("This mail has moved on meanwhile.")
    said = f"the mail {mail.name} to {mail.recipient or 'nobody'} {done}"
    audit(session, mail.service_id, None, "email", said, actor=actor.label)
