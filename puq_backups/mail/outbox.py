"""The outbox on the staff pages: lists mails by state, sends one again, gives one up."""

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
from . import recipients

PAGE_SIZE = 50
STATES = {
    "waiting": N_("Waiting"), "sending": N_("Being sent"), "sent": N_("Sent"), "failed": N_("Failed"),
    "aborted": N_("Aborted by a hook"), "dropped": N_("Given up"),
}  # fmt: skip
RESENDABLE = ("failed", "aborted", "dropped")
DISCARDABLE = ("waiting", "failed")
COUNTED_STATES = ("waiting", "sending", "failed")


@dataclass(frozen=True)
class Page:
    """A page of mails, newest first. `older` is the cursor of the next page, "" on the last."""

    mails: Sequence[Mail]
    older: str


def page(session: Session, state: str, before: str) -> Page:
    """Return the mails in `state` ("" for all) after the cursor `before` ("" for the first page)."""
    rows = select(Mail).order_by(Mail.created_at.desc(), Mail.id.desc()).limit(PAGE_SIZE + 1)
    if state in STATES:
        rows = rows.where(Mail.state == state)
    position = _position(before)
    if position:
        # The first condition is redundant, but it lets the database use the index.
        rows = rows.where(Mail.created_at <= position[0], or_(Mail.created_at < position[0], Mail.id < position[1]))
    found = session.scalars(rows).all()
    last = found[PAGE_SIZE - 1] if len(found) > PAGE_SIZE else None
    return Page(found[:PAGE_SIZE], f"{last.created_at.isoformat()} {last.id}" if last else "")


def _position(before: str) -> tuple[datetime, str] | None:
    moment, _, mail_id = before.partition(" ")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return (at, mail_id) if at.tzinfo and is_valid_id(mail_id) else None


def counts(session: Session) -> dict[str, int]:
    """Return how many mails are waiting, being sent, or failed."""
    rows = select(Mail.state, func.count()).where(Mail.state.in_(COUNTED_STATES)).group_by(Mail.state)
    return {state: count for state, count in session.execute(rows)}  # noqa: C416 - rows are no tuples to mypy


def find(session: Session, mail_id: str) -> Mail | None:
    """Return the mail with this id, or None."""
    return session.get(Mail, mail_id) if is_valid_id(mail_id) else None


def resend(context: Context, mail: Mail, actor: Actor) -> None:
    """Send a mail again, with a fresh count of attempts, to the client's current address.

    Raises Refused if the mail is waiting or being sent, or if there is no valid address.
    """
    with context.database.begin() as session:
        to = _recipient(session, context, mail)
        if not to:
            raise Refused("There is still no e-mail address that could be used.")
        values = {"state": "waiting", "attempts": 0, "wake_at": now(), "error": "", "recipient": to}
        _change_state(session, mail, RESENDABLE, values, "was sent again", actor)


def give_up(context: Context, mail: Mail, actor: Actor) -> None:
    """Stop retrying a mail. Raises Refused if it has been sent meanwhile."""
    with context.database.begin() as session:
        _change_state(session, mail, DISCARDABLE, {"state": "dropped"}, "was given up", actor)


def _recipient(session: Session, context: Context, mail: Mail) -> str:
    email = next((email for email in context.hooks.emails if email.name == mail.name), None)
    if email is None or mail.event.startswith("test "):
        return mail.recipient
    service = session.get(Service, mail.service_id) if mail.service_id else None
    return recipients.recipient(context, email, service) or mail.recipient


def _change_state(
    session: Session, mail: Mail, states: tuple[str, ...], values: dict[str, object], done: str, actor: Actor
) -> None:
    moved = session.execute(
        update(Mail)
        .where(Mail.id == mail.id, Mail.state.in_(states))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    # No row updated: it was sent, or somebody else changed it first.
    if moved.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has it
        raise Refused("This mail has moved on meanwhile.")
    said = f"the mail {mail.name} to {mail.recipient or 'nobody'} {done}"
    audit(session, mail.service_id, None, "email", said, actor=actor.label)
