"""Writes the audit log."""

from __future__ import annotations

from sqlalchemy.orm import Session

from . import AuditEntry, Operation, now


def audit(
    session: Session, service_id: str | None, operation: Operation | None, action: str, text: str, *, actor: str = ""
) -> None:  # fmt: skip
    """Add an audit entry in the caller's transaction. `actor` defaults to the operation's actor, else "system"."""
    who = actor or (operation.actor if operation else "system")
    session.add(
        AuditEntry(
            at=now(), service_id=service_id, operation_id=operation.id if operation else None,
            actor=who[:190], action=action, text=text,
        )
    )  # fmt: skip
