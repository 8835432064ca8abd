"""The outbox: a mail is written with the change it tells of, so that none is lost and none is written twice."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from . import i18n, letters, policy
from .errors import Message
from .hooking import Email
from .models import Backup, Mail, Operation, Server, Service, new_id, now
from .packages import Package
from .toolbox import Toolbox

log = logging.getLogger("puq_backups.mail")
ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"]+@[^\s@<>()\[\]\\,;:\"]+")
LONGEST_ADDRESS = 254
"""SMTP's own limit."""


@dataclass(frozen=True)
class Subject:
    """What a mail is about; the daily summary is about no service."""

    service: Service | None = None
    operation: Operation | None = None
    backup: Backup | None = None


def on_end(session: Session, toolbox: Toolbox, operation: Operation, service: Service) -> None:
    """Write the mails that tell of an operation's end, in the caller's transaction."""
    told = f"{operation.id} {operation.attempts}"
    _write(session, toolbox, f"{operation.kind}.{operation.state}", told, _about(session, operation, service))
    if operation.state == "refused":
        _refused(session, toolbox, operation, service)


def _refused(session: Session, toolbox: Toolbox, operation: Operation, service: Service) -> None:
    """A refusal that somebody has to do something about; what was known before it started is known to them."""
    about = _about(session, operation, service)
    reason = operation.reason or {}
    if service.trouble and reason.get("text") == service.trouble["text"]:
        # Once for each trouble, however many operations meet it.
        since = service.trouble_at.isoformat() if service.trouble_at else ""
        _write(session, toolbox, "service.trouble", f"{service.id} {since}", about)
    elif operation.slot_date and reason.get("text") == policy.ALL_KEPT:
        _write(session, toolbox, "backup.quota_kept", f"{operation.id} {operation.attempts}", about)
    elif operation.slot_date and operation.attempts:
        # All services of a storage meet its retention: one mail a day for all.
        same = hashlib.sha256(f"{service.server_id} {operation.storage} {reason}".encode()).hexdigest()[:24]
        _write(session, toolbox, "slot.refused", f"{same} {operation.slot_date}", about)


def on_stuck(session: Session, toolbox: Toolbox, operation: Operation, service: Service) -> None:
    """Write the mail that tells staff of an operation past its deadline."""
    told = f"{operation.id} {operation.attempts}"
    _write(session, toolbox, "operation.stuck", told, _about(session, operation, service))


def on_termination(session: Session, toolbox: Toolbox, service: Service) -> None:
    """Write the mail that tells the client until when the backups are kept; once for each termination."""
    if service.terminated_at and _held(session, service):
        told = f"{service.id} {service.terminated_at.isoformat()}"
        _write(session, toolbox, "service.terminated", told, Subject(service))


def on_day(session: Session, toolbox: Toolbox, facts: Mapping[str, Any]) -> None:
    """Write the daily summary for staff; one for each UTC day."""
    _write(session, toolbox, "day.ended", now().date().isoformat(), Subject(), facts)


def _about(session: Session, operation: Operation, service: Service) -> Subject:
    backup = session.get(Backup, operation.backup_id) if operation.backup_id else None
    return Subject(service, operation, backup)


def about_latest(session: Session, email: Email, service: Service) -> Subject:
    """What the mail would last have been about, to show it with."""
    kind = email.event.partition(".")[0]
    ours = select(Operation).where(Operation.service_id == service.id).order_by(Operation.created_at.desc())
    operation = session.scalars(ours.where(Operation.kind == ("backup" if kind == "slot" else kind)).limit(1)).first()
    return _about(session, operation, service) if operation else Subject(service)


def _write(
    session: Session, toolbox: Toolbox, event: str, told: str, about: Subject, facts: Mapping[str, Any] | None = None
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
    session: Session, toolbox: Toolbox, email: Email, event: str, about: Subject, facts: Mapping[str, Any]
) -> None:
    if session.scalar(select(Mail.id).where(Mail.event == event)):
        return
    recipient = address_of(toolbox, email, about.service)
    locale, zone = reader(toolbox, email, about.service)
    mail = Mail(
        id=new_id(), event=event, service_id=about.service.id if about.service else None, name=email.name,
        folder=email.folder, recipient=recipient, locale=locale, timezone=zone, state="waiting", attempts=0, error="",
        fields={**common(session, toolbox, about), **_own(session, toolbox, email, about, facts)}, created_at=now(),
        wake_at=now(),
    )  # fmt: skip
    if not recipient:
        mail.state, mail.error = "failed", "There is no e-mail address that could be used."
    session.add(mail)


def _own(
    session: Session, toolbox: Toolbox, email: Email, about: Subject, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """The mail's own fields. They may be the host's: its trouble must not keep an operation from ending."""
    try:
        return {**own(session, toolbox, email, about), **stored(facts)}
    except Exception:
        log.exception("the merge fields of the mail %s could not be found", email.name)
        return {}


def own(session: Session, toolbox: Toolbox, email: Email, about: Subject) -> dict[str, Any]:
    """The mail's own merge fields about a service; none where it is about none."""
    service = about.service
    if service is None:
        return {}
    found = email.fields(service=service, operation=about.operation, backup=about.backup)
    if email.event == "service.terminated":
        ended = service.terminated_at or now()
        kept = {"removal_date": ended + toolbox.settings.termination_grace, "backup_count": _held(session, service)}
        found = {**kept, **found}
    return stored(found)


def _held(session: Session, service: Service) -> int:
    held = select(func.count()).where(Backup.service_id == service.id, Backup.removed_at.is_(None))
    return session.scalar(held) or 0


def stored(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as a mail keeps them: moments as ISO texts, messages apart from their values."""
    return {name: _stored(value) for name, value in fields.items()}


def _stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Message):
        return value.to_json()
    if isinstance(value, (list, tuple)):
        return [_stored(one) for one in value]
    return stored(value) if isinstance(value, dict) else value


def address_of(toolbox: Toolbox, email: Email, service: Service | None) -> str:
    """Where the mail goes; "" where there is no address that could be used."""
    found = toolbox.settings.staff_email if email.to == "staff" else service and service.client.get("email")
    return address(str(found or ""))


def address(text: str) -> str:
    """One address without a name, in one line, or "": nothing else may come into a header or an envelope."""
    found = text.strip()
    fine = len(found) <= LONGEST_ADDRESS and found.isprintable() and "=?" not in found and ADDRESS.fullmatch(found)
    return found if fine else ""


def reader(toolbox: Toolbox, email: Email, service: Service | None) -> tuple[str, str]:
    """The language and zone of whoever reads the mail."""
    if email.to == "staff" or service is None:
        return "en", toolbox.settings.timezone
    zone = service.client.get("timezone") or service.schedule.get("timezone") or toolbox.settings.timezone
    return i18n.tag(service.client.get("language"))[:16], str(zone)[:64]


def common(session: Session, toolbox: Toolbox, about: Subject) -> dict[str, Any]:
    """The merge fields that every mail has, as it keeps them."""
    found = {"signature": toolbox.settings.signature, "company_name": toolbox.settings.company_name}
    if about.service:
        found |= _of_service(session, about.service)
    if about.operation:
        found |= _of_operation(about.operation, about.backup)
    return stored(found)


def _of_service(session: Session, service: Service) -> dict[str, Any]:
    client = service.client
    name = f"{client.get('firstname', '')} {client.get('lastname', '')}".strip()
    server = session.get(Server, service.server_id)
    return {
        "client_id": service.client_id, "client_name": name or client.get("companyname") or service.client_id,
        "client_first_name": client.get("firstname", ""), "client_last_name": client.get("lastname", ""),
        "client_company_name": client.get("companyname", ""), "client_email": client.get("email", ""),
        "service_id": service.id, "service_domain": service.domain,
        "service_server_hostname": server.hosts.split(",")[0] if server else "", "vm_name": service.vm_name,
        "vm_id": service.vmid, "finished_at": now(), "reason": service.trouble, "warnings": [],
    }  # fmt: skip


def _of_operation(operation: Operation, backup: Backup | None) -> dict[str, Any]:
    return {
        "backup_date": backup.created_at if backup else operation.due_at,
        "backup_note": backup.note if backup else operation.note,
        "backup_size": backup.size if backup else None,
        "storage": backup.storage if backup else operation.storage,
        "finished_at": operation.finished_at or operation.started_at or now(),
        "reason": operation.reason, "warnings": operation.warnings,
    }  # fmt: skip
