"""Sending: what waits in the outbox goes out by SMTP or the host's mailer; a failed one waits longer each time.

Never twice: a mail is noted as being sent before the mail server has it. Where nobody can say what became of it (the
worker died, the server's answer was lost) it stays failed, and staff decides.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

from sqlalchemy import select, update

from .. import host as hosts
from ..context import Context
from ..i18n.translator import N_
from ..models import Mail, now
from . import compose, merge_fields, smtp
from .templates import Letter

log = logging.getLogger("puq_backups.mail")
BATCH = 100
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 720))
PATIENCE = timedelta(days=3)
"""How long a mail waits for a mail server that does not answer at all."""
LEASE = timedelta(minutes=10)
"""Longer than a mail server may take, with a time limit on each of its answers."""
LONGEST_KEPT = 15_000
MAYBE = "It may have arrived: {why}"
STOPPED = N_("The worker stopped while it was being sent; it may have arrived.")
ABORTED = N_("A hook of the provider aborted it.")


@dataclass(frozen=True)
class Outcome:
    """What became of an attempt: the mail's `state` after it, `error`, and what was sent."""

    state: str
    error: str = ""
    letter: Letter | None = None
    unreached: bool = False


def can_send(context: Context) -> bool:
    """Whether there is a way for mails at all."""
    return bool(context.settings.smtp_url) or hasattr(context.host, "send_email")


def send_due(context: Context) -> int:
    """Send what waits in the outbox: how many were sent. While the mail server does not answer the others wait."""
    if not can_send(context):
        return 0
    _settle_lost(context)
    with context.database.open() as session:
        due = select(Mail.id).where(Mail.state == "waiting", Mail.wake_at <= now()).order_by(Mail.wake_at)
        ids = session.scalars(due.limit(BATCH)).all()
    sent = 0
    for mail_id in ids:
        outcome = _send(context, mail_id)
        sent += outcome.state == "sent"
        if outcome.unreached:
            break
    return sent


def _settle_lost(context: Context) -> None:
    """What was on its way when its worker died is not sent again.

    One row at a time by its key: an UPDATE over a range locks what others are writing, and MariaDB gives up.
    """
    lost = (Mail.state == "sending", Mail.wake_at <= now())
    with context.database.open() as session:
        ids = session.scalars(select(Mail.id).where(*lost).limit(BATCH)).all()
    for mail_id in ids:
        with context.database.begin() as session:
            session.execute(update(Mail).where(Mail.id == mail_id, *lost).values(state="failed", error=STOPPED))


def _send(context: Context, mail_id: str) -> Outcome:
    """1. Claim the mail. 2. Write it. 3. Note that it is on its way. 4. Hand it over. 5. Keep what came of it."""
    mail = _claim(context, mail_id)
    if mail is None:
        return Outcome("waiting")
    outcome = _attempt(context, mail)
    if outcome.error:
        log.warning("mail %s (%s): %s: %s", mail.id, mail.name, outcome.state, outcome.error)
    _keep(context, mail, outcome)
    return outcome


def _claim(context: Context, mail_id: str) -> Mail | None:
    with context.database.begin() as session:
        mail = session.get_one(Mail, mail_id)
        before = mail.wake_at
        pause = PAUSES[min(mail.attempts, len(PAUSES) - 1)]
        taken = session.execute(
            update(Mail)
            .where(Mail.id == mail_id, Mail.state == "waiting", Mail.wake_at == before, Mail.wake_at <= now())
            .values(attempts=Mail.attempts + 1, wake_at=now() + pause)
            .execution_options(synchronize_session=False)
        )
        # No row: another process is sending it.
        if taken.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has it
            return None
        session.refresh(mail)
    return mail


def _attempt(context: Context, mail: Mail) -> Outcome:
    try:
        letter = compose.write(context, mail)
        if letter is None:
            return Outcome("aborted", ABORTED)
        email = compose.compose(context.settings, mail, letter)
    except Exception as error:  # noqa: BLE001 - the host's hooks and params may raise anything; the mail waits
        return _later(mail, error)
    return _hand_over(context, mail, email, letter) if _begin(context, mail) else Outcome("waiting")


def _hand_over(context: Context, mail: Mail, email: EmailMessage, letter: Letter) -> Outcome:
    try:
        if context.settings.smtp_url:
            smtp.deliver(context.settings.smtp_url, email)
        else:
            hosts.send_email(context.host, email)
    except smtp.MaybeSent as error:
        return Outcome("failed", MAYBE.format(why=error), letter)
    except Exception as error:  # noqa: BLE001 - whatever a mail server or the host's mailer raises, the mail waits
        return _later(mail, error)
    return Outcome("sent", _unused(letter), letter)


def _unused(letter: Letter) -> str:
    return f"The shipped text was sent, for the changed one failed. {letter.trouble[:1000]}" if letter.trouble else ""


def _later(mail: Mail, error: Exception) -> Outcome:
    unreached = isinstance(error, smtp.NotReached)
    patient = unreached and now() - mail.created_at < PATIENCE
    over = mail.attempts >= len(PAUSES) and not patient
    said = str(error) if unreached else f"{type(error).__name__}: {error}"
    return Outcome("failed" if over else "waiting", said[:2000], unreached=unreached)


def _begin(context: Context, mail: Mail) -> bool:
    """Note that it is on its way; False where staff gave it up meanwhile."""
    with context.database.begin() as session:
        begun = session.execute(
            update(Mail)
            .where(Mail.id == mail.id, Mail.state == "waiting", Mail.attempts == mail.attempts)
            .values(state="sending", wake_at=now() + LEASE)
            .execution_options(synchronize_session=False)
        )
        return bool(begun.rowcount == 1)  # type: ignore[attr-defined]  # an UPDATE's result has it


def _keep(context: Context, mail: Mail, outcome: Outcome) -> None:
    values: dict[str, Any] = {"state": outcome.state, "error": outcome.error, "wake_at": mail.wake_at}
    if outcome.state == "sent" and outcome.letter:
        values |= {"sent_at": now(), **_kept(context, mail, outcome.letter)}
    with context.database.begin() as session:
        # What staff has done with it meanwhile (sent again, given up) stands.
        session.execute(
            update(Mail)
            .where(
                Mail.id == mail.id, Mail.attempts == mail.attempts, Mail.state.in_(("waiting", "sending", "failed"))
            )
            .values(**values)
        )


def _kept(context: Context, mail: Mail, letter: Letter) -> dict[str, str]:
    """What staff can read later of a mail that was sent, as hooks have it."""
    answers = context.hooks.run_for_dicts(
        "EmailPreLog", messagename=mail.name, userid=str(mail.fields.get("client_id") or ""), date=now(),
        to=mail.recipient, subject=letter.subject, message=letter.text,
    )  # fmt: skip
    if any(answer.get("abortLogging") for answer in answers):
        return {}
    found = {"subject": letter.subject, "message": letter.text}
    for answer in answers:
        found |= {name: str(merge_fields.plain(answer[name])) for name in found if name in answer}
    return {"subject": found["subject"][:255], "message": found["message"][:LONGEST_KEPT]}
