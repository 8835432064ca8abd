"""A removal before it is confirmed."""

from __future__ import annotations

from typing import Any

from ..context import Context
from ..errors import NotAllowed, NotFound
from ..host import Actor
from ..inventory import policy, service_backups
from ..models import Service


def preview(context: Context, service_id: str, actor: Actor, backup_id: str) -> dict[str, Any]:
    """What the confirmation of a removal shows; `reason` is why it cannot be done now. NotAllowed, NotFound."""
    if forbidden := policy.forbidden("remove", actor):
        raise NotAllowed(forbidden.text, **forbidden.values)
    with context.database.open() as session:
        service = session.get(Service, service_id)
        if service is None:
            raise NotFound
        backup = service_backups.find_backup(session, service_id, backup_id)
        inventory = service_backups.load_inventory(session, service)
        return {
            "service": {"id": service.id, "name": service.vm_name, "status": service.vm_status},
            "backup": {
                "id": backup.id, "created_at": backup.created_at, "note": backup.note, "size": backup.size,
                "missing": backup.missing_at is not None, "binned_until": backup.binned_until,
            },
            "reason": policy.reason_against("remove", inventory, backup),
            "bin_hours": context.settings.bin_hours, "timezone": service.schedule.get("timezone"),
        }  # fmt: skip
