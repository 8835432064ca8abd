"""The outbox: a mail is written with the change it tells of, so that none is lost and none is written twice."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from . import letters, mailfacts, turns
from .hooking import Email
from .i18n import N_
from .mailfacts import About
from .models import Mail, Operation, Service, new_id, now
from .packages import Package
from .toolbox import Toolbox

log = logging.getLogger("puq_backups.mail")
NO_ADDRESS = N_("There is no e-mail address that could be used.")


def on_end(session: Session, toolbox: Toolbox, operation: Operation, service: Service) -> None:
    """Write the mails that tell of an operation's end, in the caller's transaction."""
    about = mailfacts.about(session, operation, service)
    _write(session, toolbox, f"{operation.kind}.{operation.state}", _attempt(operation), about)
    if operation.state == "refused":
        _refused(session, toolbox, operation, service)


def _attempt(operation: Operation) -> str:
    return f"{operation.id} {operation.attempts}"


def _refused(session: Session, toolbox: Toolbox, operation: Operation, service: Service) -> None:
    """A refusal that somebody has to do something about; what was known before it started is known to them."""
    about = mailfacts.about(session, operation, service)
    reason = operation.reason or {}
    if service.trouble and reason.get("text") == service.trouble["text"]:
        # Once for each trouble, however many operations meet it.
        since = service.trouble_at.isoformat() if service.trouble_at else ""
        _write(session, toolbox, "service.trouble", f"{service.id} {since}", about)
    elif operation.slot_date and reason.get("text") == turns.ALL_KEPT:
        _write(session, toolbox, "backup.quota_kept", _attempt(operation), about)
    elif operation.slot_date and operation.attempts:
        # All services of a storage meet its retention: one mail a day for all.
        same = hashlib.sha256(f"{service.server_id} {operation.storage} {reason}".encode()).hexdigest()[:24]
        _write(session, toolbox, "slot.refused", f"{same} {operation.slot_date}", about)


def on_stuck(session: Session, toolbox: Toolbox, operation: Operation, service: Service) -> None:
    """Write the mail that tells staff of an operation past its deadline."""
    about = mailfacts.about(session, operation, service)
    _write(session, toolbox, "operation.stuck", _attempt(operation), about)


def on_termination(session: Session, toolbox: Toolbox, service: Service) -> None:
    """Write the mail that tells the client until when the backups are kept; once for each termination."""
    if service.terminated_at and mailfacts.held(session, service):
        told = f"{service.id} {service.terminated_at.isoformat()}"
        _write(session, toolbox, "service.terminated", told, About(service))


def on_day(session: Session, toolbox: Toolbox, facts: Mapping[str, Any]) -> None:
    """Write the daily summary for staff; one for each UTC day."""
    _write(session, toolbox, "day.ended", now().date().isoformat(), About(), facts)


def _write(
    session: Session, toolbox: Toolbox, event: str, told: str, about: About, facts: Mapping[str, Any] | None = None
) -> None:
    for email in toolbox.hooks.emails:
        if email.event != event or _switched_off(email, about.service):
            continue
        if letters.is_disabled(session, email.name):
            log.info("the mail %s (%s) is disabled", email.name, told)
        elif email.to == "client" or toolbox.settings.staff_email:
            _store(session, toolbox, email, f"{email.name} {told}", about, facts or {})


def _switched_off(email: Email, service: Service | None) -> bool:
    chosen = Package.from_json(service.package).email_restored if service else ""
    return email.folder == "backup_restored" and chosen.lower() in {"none", "off", "no", "0"}


def _store(
    session: Session, toolbox: Toolbox, email: Email, event: str, about: About, facts: Mapping[str, Any]
) -> None:
    if session.scalar(select(Mail.id).where(Mail.event == event)):
        return
    locale, zone = mailfacts.reader(toolbox, email, about.service)
    fields = {**mailfacts.common(session, toolbox, about), **_own(session, toolbox, email, about, facts)}
    mail = Mail(
        id=new_id(), event=event, service_id=about.service.id if about.service else None, name=email.name,
        folder=email.folder, recipient=mailfacts.address_of(toolbox, email, about.service), locale=locale,
        timezone=zone, fields=fields, state="waiting", attempts=0, error="", created_at=now(), wake_at=now(),
    )  # fmt: skip
    if not mail.recipient:
        mail.state, mail.error = "failed", NO_ADDRESS
    session.add(mail)


def _own(session: Session, toolbox: Toolbox, email: Email, about: About, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The mail's own fields. They may be the host's: its trouble must not keep an operation from ending."""
    try:
        return {**mailfacts.own(session, toolbox, email, about), **mailfacts.stored(facts)}
    except Exception:
        log.exception("the merge fields of the mail %s could not be found", email.name)
        return {}
