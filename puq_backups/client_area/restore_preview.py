"""A restore seen before it is confirmed: what Proxmox says would happen, and what a safety copy would take."""

from __future__ import annotations

import math
import statistics
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import Message, NotAllowed, NotYours, ProxmoxError, ProxmoxRefused, VmMissing
from ..host import Actor
from ..inventory import policy, service_backups
from ..models import Backup, Operation, Server, Service
from ..operations import preflight
from ..operations.step import GiveUp
from ..operations.steps import archive, safety_copy
from ..pve import vms
from ..pve.client import Proxmox
from ..rules.package import Package

RECENT_BACKUPS = 5
"""How many of the last backups tell how long the next one takes."""


def preview(context: Context, service_id: str, actor: Actor, backup_id: str) -> dict[str, Any]:
    """What the confirmation of a restore shows; about ten calls to Proxmox, none where it cannot be restored anyway.

    `plan` is None where Proxmox was not asked, or could not be: `trouble` then says so. NotAllowed, NotYours.
    """
    forbidden = policy.forbidden("restore", actor)
    if forbidden:
        raise NotAllowed(forbidden.text, **forbidden.values)
    with context.database.open() as session:
        service = session.get(Service, service_id)
        if service is None:
            raise NotYours
        backup = service_backups.find_backup(session, service_id, backup_id)
        server = session.get_one(Server, service.server_id)
        reason = policy.reason_against("restore", service_backups.load_inventory(session, service), backup)
        failed = session.get(Operation, service.restore_failed) if service.restore_failed else None
        minutes = _expected_minutes(session, service)
    shown = {
        "service": {"id": service.id, "name": service.vm_name, "status": service.vm_status},
        "backup": {"id": backup.id, "created_at": backup.created_at, "note": backup.note, "size": backup.size},
        "timezone": service.schedule.get("timezone"), "reason": reason, "plan": None, "trouble": None,
        "safety_copy": policy.safety_copy_mode(context.settings, service), "safety_against": None, "minutes": minutes,
    }  # fmt: skip
    return shown if reason else shown | _live_facts(context, server, service, backup, failed)


def _expected_minutes(session: Session, service: Service) -> int | None:
    """About how long a backup of this VM takes, by its last ones; None where there were none."""
    made = select(Operation.started_at, Operation.finished_at).where(
        Operation.service_id == service.id, Operation.kind == "backup", Operation.state == "done"
    )
    rows = session.execute(made.order_by(Operation.finished_at.desc()).limit(RECENT_BACKUPS)).all()
    seconds = [(ended - began).total_seconds() for began, ended in rows if began and ended]
    return max(math.ceil(statistics.median(seconds) / 60), 1) if seconds else None


def _live_facts(
    context: Context, server: Server, service: Service, backup: Backup, failed: Operation | None
) -> dict[str, Any]:
    kept = failed.data.get("before") if failed else None
    try:
        proxmox = context.connect(server)
        plan = _plan(proxmox, service, backup, kept)
        return {"plan": plan, "safety_against": _against_safety_copy(context, proxmox, service, backup)}
    except ProxmoxRefused as error:
        return {"trouble": Message("What will happen could not be checked: {proxmox}", proxmox=error)}
    except ProxmoxError:
        text = "Proxmox cannot be reached just now; what will happen could not be checked."
        return {"trouble": Message(text)}


def _plan(proxmox: Proxmox, service: Service, backup: Backup, kept: dict[str, Any] | None) -> preflight.Plan:
    """What Proxmox says, also of a VM that has moved since we looked."""
    package = Package.from_json(service.package)
    try:
        return preflight.plan_restore(proxmox, service, backup, package, kept=kept)
    except VmMissing:
        node = vms.find_node(proxmox, service.vmid)
        if node in {None, service.node}:
            raise
        service.node = node
        return preflight.plan_restore(proxmox, service, backup, package, kept=kept)


def _against_safety_copy(context: Context, proxmox: Proxmox, service: Service, backup: Backup) -> Message | None:
    """Why no safety copy can be made, where one is asked for at all."""
    if policy.safety_copy_mode(context.settings, service) == "off":
        return None
    try:
        archive.check_storage(
            context, proxmox, service, safety_copy.storage_for_safety_copy(Package.from_json(service.package), backup)
        )
    except GiveUp as error:
        return error.message
    return None
