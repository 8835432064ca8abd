"""Sends the mails of the outbox by SMTP or the host's mailer and retries failed ones with growing delays.

A mail is marked as "sending", and that is committed, before the mail server receives it, so it is never sent
twice. If the outcome is unknown (worker died, answer lost), the mail fails and is not retried: staff decide.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from .. import host as hosts
from ..context import Context
from ..i18n.translator import N_
from ..models import Mail, at_present, now
from ..models.conflicts import is_conflict
from . import compose, merge_fields, smtp
from .templates import RenderedEmail

log = logging.getLogger("puq_backups.mail")
BATCH = 100
RETRY_DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 720))
MAX_UNREACHABLE = timedelta(days=3)
"""How long a mail is retried while the mail server cannot be reached."""
SENDING_LEASE = timedelta(minutes=10)
"""A mail in state "sending" for longer belongs to a dead worker. Longer than all SMTP timeouts of one mail."""
MAX_LOGGED_LENGTH = 15_000
DUE = select(Mail.id).where(Mail.state == "waiting", Mail.wake_at <= at_present()).order_by(Mail.wake_at).limit(BATCH)
INTERRUPTED = Mail.state == "sending", Mail.wake_at <= at_present()
LOST = select(Mail.id).where(*INTERRUPTED).limit(BATCH)
MAYBE_SENT = "It may have arrived: {why}"
REJECTED = "The mail server refused it for good: {why}"
WORKER_STOPPED = N_("The worker stopped while it was being sent; it may have arrived.")
ABORTED = N_("A hook of the provider aborted it.")


@dataclass(frozen=True)
class Outcome:
    """Result of an attempt to send: the mail's new `state`, the `error`, and what was sent."""

    state: str
    error: str = ""
    rendered: RenderedEmail | None = None
    unreachable: bool = False


def can_send(context: Context) -> bool:
    """Return whether an SMTP server or the host's `send_email` is configured."""
    return bool(context.settings.smtp_url) or isinstance(context.host, hosts.HostWithEmail)


def send_due(context: Context) -> int:
    """Send the mails that are due and return how many were sent.

    Stops at the first mail if the mail server cannot be reached; the others stay due.
    """
    if not can_send(context):
        return 0
    _fail_interrupted(context)
    with context.database.open() as session:
        ids = session.connection().execute(DUE).scalars().all()
    sent = 0
    for mail_id in ids:
        outcome = _send_or_set_aside(context, mail_id)
        sent += outcome.state == "sent"
        if outcome.unreachable:
            break
    return sent


def _fail_interrupted(context: Context) -> None:
    """Fail the mails whose worker died while sending: they may have arrived.

    One row at a time by primary key: an UPDATE over a range takes gap locks, which deadlock with inserts on MariaDB.
    """
    with context.database.open() as session:
        ids = session.connection().execute(LOST).scalars().all()
    for mail_id in ids:
        with context.database.begin() as session:
            session.execute(
                update(Mail).where(Mail.id == mail_id, *INTERRUPTED).values(state="failed", error=WORKER_STOPPED)
            )


def _send_or_set_aside(context: Context, mail_id: str) -> Outcome:
    """Send one mail. One that cannot be handled at all fails, with the reason for staff, and the others go on."""
    try:
        return _send(context, mail_id)
    except Exception as error:
        log.exception("mail %s could not be handled", mail_id)
        if isinstance(error, SQLAlchemyError) and is_conflict(error):
            return Outcome("waiting")
        said = f"{type(error).__name__}: {error}"[:2000]
        with context.database.begin() as session:
            session.execute(update(Mail).where(Mail.id == mail_id).values(state="failed", error=said, wake_at=now()))
        return Outcome("failed", said)


def _send(context: Context, mail_id: str) -> Outcome:
    """Send one mail: 1. claim it, 2. render it, 3. mark it as sending, 4. transmit it, 5. save the outcome."""
    mail = _claim(context, mail_id)
    if mail is None:
        return Outcome("waiting")
    outcome = _attempt(context, mail)
    if outcome.error:
        log.warning("mail %s (%s): %s: %s", mail.id, mail.name, outcome.state, outcome.error)
    context.counters.count_mail(outcome.state)
    _save_outcome(context, mail, outcome)
    return outcome


def _claim(context: Context, mail_id: str) -> Mail | None:
    with context.database.begin() as session:
        mail = session.get_one(Mail, mail_id)
        before = mail.wake_at
        pause = RETRY_DELAYS[min(mail.attempts, len(RETRY_DELAYS) - 1)]
        taken = session.execute(
            update(Mail)
            .where(Mail.id == mail_id, Mail.state == "waiting", Mail.wake_at == before, Mail.wake_at <= now())
            .values(attempts=Mail.attempts + 1, wake_at=now() + pause)
            .execution_options(synchronize_session=False)
        )
        # No row updated: another process claimed it first.
        if taken.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has it
            return None
        session.refresh(mail)
    return mail


def _attempt(context: Context, mail: Mail) -> Outcome:
    try:
        rendered = compose.render(context, mail)
        if rendered is None:
            return Outcome("aborted", ABORTED)
        email = compose.to_message(context.settings, mail, rendered)
    except Exception as error:  # noqa: BLE001 - hooks and the host's params may raise anything; the mail is retried
        return _retry_or_fail(mail, error)
    return _transmit(context, mail, email, rendered) if _mark_sending(context, mail) else Outcome("waiting")


def _transmit(context: Context, mail: Mail, email: EmailMessage, rendered: RenderedEmail) -> Outcome:
    try:
        if context.settings.smtp_url:
            smtp.send(context.settings.smtp_url, email)
        else:
            hosts.send_email(context.host, email)
    except smtp.OutcomeUnknown as error:
        return Outcome("failed", MAYBE_SENT.format(why=error), rendered)
    except smtp.Rejected as error:
        return Outcome("failed", REJECTED.format(why=error)[:2000])
    except Exception as error:  # noqa: BLE001 - a mail server or the host's mailer may raise anything; the mail is retried
        return _retry_or_fail(mail, error)
    return Outcome("sent", _template_warning(rendered), rendered)


def _template_warning(rendered: RenderedEmail) -> str:
    return (
        f"The shipped text was sent, for the changed one failed. {rendered.template_error[:1000]}"
        if rendered.template_error
        else ""
    )


def _retry_or_fail(mail: Mail, error: Exception) -> Outcome:
    unreachable = isinstance(error, smtp.ServerUnreachable)
    patient = unreachable and now() - mail.created_at < MAX_UNREACHABLE
    over = mail.attempts >= len(RETRY_DELAYS) and not patient
    said = str(error) if unreachable else f"{type(error).__name__}: {error}"
    return Outcome("failed" if over else "waiting", said[:2000], unreachable=unreachable)


def _mark_sending(context: Context, mail: Mail) -> bool:
    """Mark the mail as sending; False if staff have given it up meanwhile."""
    with context.database.begin() as session:
        begun = session.execute(
            update(Mail)
            .where(Mail.id == mail.id, Mail.state == "waiting", Mail.attempts == mail.attempts)
            .values(state="sending", wake_at=now() + SENDING_LEASE)
            .execution_options(synchronize_session=False)
        )
        return bool(begun.rowcount == 1)  # type: ignore[attr-defined]  # an UPDATE's result has it


def _save_outcome(context: Context, mail: Mail, outcome: Outcome) -> None:
    values: dict[str, Any] = {"state": outcome.state, "error": outcome.error, "wake_at": mail.wake_at}
    if outcome.state == "sent" and outcome.rendered:
        values |= {"sent_at": now(), **_logged_content(context, mail, outcome.rendered)}
    with context.database.begin() as session:
        # No row matches if staff sent it again or gave it up meanwhile: their decision stands.
        session.execute(
            update(Mail)
            .where(
                Mail.id == mail.id, Mail.attempts == mail.attempts, Mail.state.in_(("waiting", "sending", "failed"))
            )
            .values(**values)
        )


def _logged_content(context: Context, mail: Mail, rendered: RenderedEmail) -> dict[str, str]:
    """Return subject and text to keep for staff, after the hooks at `EmailPreLog`."""
    answers = context.hooks.run_for_dicts(
        "EmailPreLog", messagename=mail.name, userid=str(mail.fields.get("client_id") or ""), date=now(),
        to=mail.recipient, subject=rendered.subject, message=rendered.text,
    )  # fmt: skip
    if any(answer.get("abortLogging") for answer in answers):
        return {}
    found = {"subject": rendered.subject, "message": rendered.text}
    for answer in answers:
        found |= {name: str(merge_fields.to_plain(answer[name])) for name in found if name in answer}
    return {"subject": found["subject"][:255], "message": found["message"][:MAX_LOGGED_LENGTH]}
