"""Who gets a mail: its address, and whether it goes out for an event at all."""

from __future__ import annotations

from sqlalchemy.orm import Session

from ..context import Context
from ..hook_registry.decorators import Email
from ..models import Operation, Service
from ..rules.package import Package
from ..settings.value_types import is_address
from . import templates

STAFF_EVENTS = {"backup.failed": "operation.trouble"}
"""The event whose mail tells staff of what a client's mail is about, where it is another one."""


def recipient(context: Context, email: Email, service: Service | None) -> str:
    """Return the address that the mail goes to, "" if there is no valid one."""
    found = context.settings.staff_email if email.to == "staff" else service and service.client.get("email")
    return valid_address(str(found or ""))


def valid_address(text: str) -> str:
    """Return `text` if it is a single address without display name, else ""."""
    found = text.strip()
    return found if is_address(found) else ""


def is_unwanted(email: Email, service: Service | None, operation: Operation | None) -> bool:
    """Whether the package forbids the mail, or it is about an operation begun for an earlier client."""
    return _disabled_by_package(email, service) or _is_of_another(email, service, operation)


def client_is_told(
    session: Session, context: Context, event: str, service: Service, operation: Operation | None
) -> bool:
    """Whether a mail about an event goes to the client."""
    return _is_told("client", session, context, event, service, operation)


def staff_are_told(session: Session, context: Context, event: str, service: Service) -> bool:
    """Whether a mail about what a client's mail is about goes to staff."""
    return _is_told("staff", session, context, STAFF_EVENTS.get(event, event), service, None)


def _is_told(
    to: str, session: Session, context: Context, event: str, service: Service, operation: Operation | None
) -> bool:
    return any(
        (email.to, email.event) == (to, event)
        and recipient(context, email, service)
        and not is_unwanted(email, service, operation)
        and not templates.is_disabled(session, email.name)
        for email in context.hooks.emails
    )


def _disabled_by_package(email: Email, service: Service | None) -> bool:
    chosen = Package.from_json(service.package).email_restored if service else ""
    return email.folder == "backup_restored" and chosen.lower() in {"none", "off", "no", "0"}


def _is_of_another(email: Email, service: Service | None, operation: Operation | None) -> bool:
    """Whether a mail to the client is about an operation that was begun for an earlier one."""
    if email.to != "client" or service is None or operation is None:
        return False
    return operation.client_id != service.client_id
