"""Keeps how services are protected up to date, and tells staff when one is unprotected and when that is over."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from sqlalchemy import bindparam, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ..context import Context
from ..inventory import protection
from ..models import Service, now
from . import events

log = logging.getLogger("puq_backups.mail")
SERVICES = select(Service).where(Service.id.in_(bindparam("services", expanding=True))).order_by(Service.id)
OVER = ("protected", "at_risk")
"""States in which a service that was unprotected is so no more. What is unknown or paused may be either."""


def refresh(session: Session, context: Context, service_ids: Iterable[str]) -> None:
    """Compute how these services are protected and write the mails that tell of it, in the caller's transaction.

    One that cannot be computed is logged and left as it was: it must not keep an operation from ending.
    """
    services = session.scalars(SERVICES, {"services": list(service_ids)}).all()
    errors = protection.update(session, context.settings, services)
    for service in services:
        error = errors.get(service.id) or _tell_safely(session, context, service)
        if error:
            log.error("how service %s is protected could not be computed", service.id, exc_info=error)
            service.protection_changes_at = None


def _tell_safely(session: Session, context: Context, service: Service) -> Exception | None:
    try:
        _tell(session, context, service)
    except SQLAlchemyError:
        raise
    except Exception as error:  # noqa: BLE001 - hooks and stored values may raise anything
        return error
    return None


def _tell(session: Session, context: Context, service: Service) -> None:
    if service.protection == "unprotected" and service.unprotected_told_at is None:
        service.unprotected_told_at = now()
        events.on_unprotected(session, context, service)
    elif service.protection in OVER and service.unprotected_told_at is not None:
        events.on_protected_again(session, context, service)
        service.unprotected_told_at = None
    elif service.protection in {"paused", "unscheduled"}:
        service.unprotected_told_at = None
