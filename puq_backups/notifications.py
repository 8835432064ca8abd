"""The outbox: a mail is written with the change it tells of, so that none is lost and none is written twice."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from .hooking import Email
from .models import Backup, Mail, Operation, Service, new_id, now
from .packages import Package
from .toolbox import Toolbox

log = logging.getLogger("puq_backups.mail")


def on_end(session: Session, toolbox: Toolbox, operation: Operation, service: Service) -> None:
    """Write the mails that tell of an operation's end, in the caller's transaction."""
    _write(session, toolbox, f"{operation.kind}.{operation.state}", operation, service)
    if operation.state == "refused" and operation.slot_date and "kept" in str(operation.why):
        _write(session, toolbox, "backup.quota_kept", operation, service)


def on_stuck(session: Session, toolbox: Toolbox, operation: Operation, service: Service) -> None:
    """Write the mail that tells staff of an operation past its deadline."""
    _write(session, toolbox, "operation.stuck", operation, service)


def _write(session: Session, toolbox: Toolbox, event: str, operation: Operation, service: Service) -> None:
    backup = session.get(Backup, operation.backup_id) if operation.backup_id else None
    for email in toolbox.hooks.emails:
        if email.event == event and not _switched_off(email, service):
            recipient = service.client.get("email") if email.to == "client" else toolbox.settings.staff_email
            if recipient:
                try:
                    fields = _fields(toolbox, email, operation, service, backup)
                except Exception:
                    # Fields come from the host too: its trouble must not keep an operation from ending.
                    log.exception("the mail %s of operation %s could not be written", email.name, operation.id)
                    continue
                _store(session, toolbox, email, operation, service, recipient, fields)


def _switched_off(email: Email, service: Service) -> bool:
    chosen = Package.from_json(service.package).email_restored
    return email.folder == "backup_restored" and chosen.lower() in {"none", "off", "no", "0"}


def _store(
    session: Session, toolbox: Toolbox, email: Email, operation: Operation, service: Service, recipient: str,
    fields: dict[str, Any],
) -> None:  # fmt: skip
    event = f"{email.name} {operation.id} {operation.attempts}"
    if session.scalar(select(Mail.id).where(Mail.event == event)):
        return
    session.add(
        Mail(
            id=new_id(), event=event, service_id=service.id, name=email.name, folder=email.folder,
            recipient=recipient, locale=(service.client.get("language") or "en") if email.to == "client" else "en",
            timezone=service.schedule.get("timezone") or toolbox.settings.timezone, fields=fields,
            created_at=now(), wake_at=now(),
        )
    )  # fmt: skip


def _fields(
    toolbox: Toolbox, email: Email, operation: Operation, service: Service, backup: Backup | None
) -> dict[str, Any]:
    """The merge fields common to all mails, and the mail's own. Moments are ISO texts, sizes bytes."""
    client = service.client
    name = f"{client.get('firstname', '')} {client.get('lastname', '')}".strip()
    when = backup.created_at if backup else operation.due_at
    common = {
        "client_id": service.client_id, "client_name": name or client.get("companyname") or service.client_id,
        "client_first_name": client.get("firstname", ""), "client_last_name": client.get("lastname", ""),
        "client_company_name": client.get("companyname", ""), "client_email": client.get("email", ""),
        "service_id": service.id, "service_domain": service.domain, "service_product_name": "",
        "service_dedicated_ip": "", "signature": toolbox.settings.signature,
        "company_name": toolbox.settings.company_name, "vm_name": service.vm_name, "vm_id": service.vmid,
        "backup_date": when.isoformat(), "backup_note": (backup.note if backup else operation.note),
        "backup_size": backup.size if backup else None,
        "finished_at": (operation.finished_at or operation.started_at or now()).isoformat(),
        "reason": operation.reason, "warnings": operation.warnings,
        "backups_url": toolbox.host.service_url(service.id),
    }  # fmt: skip
    return {**common, **email.fields(service=service, operation=operation, backup=backup)}
