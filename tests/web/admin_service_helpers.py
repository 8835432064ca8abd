"""Address of Alice's service in the staff pages, and its audit entries."""

from __future__ import annotations

from sqlalchemy import select
from support import world as worlds

from puq_backups.models import AuditEntry

AT = "/services/1"


def audit(world: worlds.World, action: str) -> list[tuple[str, str]]:
    """(who, what) of the entries with this action, oldest first."""
    with world.context.database.open() as session:
        found = select(AuditEntry).where(AuditEntry.action == action, AuditEntry.service_id == "1")
        return [(entry.actor, entry.text) for entry in session.scalars(found.order_by(AuditEntry.at))]
