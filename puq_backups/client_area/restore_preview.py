"""Previews a restore for its confirmation dialog: the plan checked on Proxmox, and the cost of a safety copy."""

from __future__ import annotations

import math
import statistics
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import Message, NotAllowed, NotFound, ProxmoxError, ProxmoxRefused, VmMissing
from ..host import Actor
from ..i18n.translator import N_
from ..inventory import policy, service_backups
from ..models import Backup, Operation, Server, Service
from ..operations import preflight
from ..operations.step import GiveUp
from ..operations.steps import safety_copy
from ..pve import vms
from ..pve.client import Proxmox
from ..rules.package import Package

RECENT_BACKUPS = 5
"""Number of recent backups from which the duration of the next one is estimated."""


def preview(context: Context, service_id: str, actor: Actor, backup_id: str, *, ask: bool = True) -> dict[str, Any]:
    """The data of the confirmation dialog. Makes about ten calls to Proxmox, none if a restore is not possible.

    Without `ask` it makes none. `plan` is None if Proxmox was not asked or did not answer, and `trouble` why not.
    Raises NotAllowed and NotFound.
    """
    forbidden = policy.forbidden("restore", actor)
    if forbidden:
        raise NotAllowed(forbidden.text, **forbidden.values)
    with context.database.open() as session:
        service = session.get(Service, service_id)
        if service is None:
            raise NotFound
        backup = service_backups.find_backup(session, service_id, backup_id)
        server = session.get_one(Server, service.server_id)
        reason = policy.reason_against(
            "restore", service_backups.load_inventory(session, service), backup, is_staff=actor.is_staff
        )
        failed = session.get(Operation, service.restore_failed) if service.restore_failed else None
        minutes = _expected_minutes(session, service)
    shown = {
        "service": {"id": service.id, "name": service.vm_name, "status": service.vm_status},
        "backup": {"id": backup.id, "created_at": backup.created_at, "note": backup.note, "size": backup.size},
        "timezone": service.schedule.get("timezone"), "reason": reason, "plan": None, "trouble": None,
        "safety_copy": policy.safety_copy_mode(context.settings, service), "safety_against": None, "minutes": minutes,
    }  # fmt: skip
    return shown if reason or not ask else shown | _live_facts(context, server, service, backup, failed)


def _expected_minutes(session: Session, service: Service) -> int | None:
    """The median duration of the last backups in minutes, at least 1; None without any."""
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
        against = _against_safety_copy(context, proxmox, service, backup)
        return {"plan": plan.without_paths(), "safety_against": against.without_paths() if against else None}
    except ProxmoxRefused as error:
        return {"trouble": Message("What will happen could not be checked: {proxmox}", proxmox=error).without_paths()}
    except ProxmoxError:
        text = N_("Proxmox cannot be reached just now; what will happen could not be checked.")
        return {"trouble": Message(text)}


def _plan(proxmox: Proxmox, service: Service, backup: Backup, kept: dict[str, Any] | None) -> preflight.Plan:
    """The plan of a restore. If the VM has moved to another node, that node is asked."""
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
    """Why no safety copy can be made; None if it can, or if the policy makes none."""
    if policy.safety_copy_mode(context.settings, service) == "off":
        return None
    try:
        safety_copy.check_storage(
            context, proxmox, service, safety_copy.storage_for_safety_copy(Package.from_json(service.package), backup)
        )
    except GiveUp as error:
        return error.message
    return None
