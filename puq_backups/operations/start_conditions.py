"""Start conditions of waiting operations.

Quota, limits and service state are checked again, because they may have changed since the request.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from ..config import Settings
from ..errors import Message
from ..inventory import run_decision, service_backups
from ..inventory.policy import RUNNING_REASONS, SAFETY_COPY_NEEDED
from ..inventory.service_backups import Inventory
from ..models import Operation, Service
from ..rules import run_decision as rules
from . import queue

SYSTEM_ORIGINS = frozenset({"purge", "expiry", "bin", "again"})
"""Origins of removals that the system makes by itself; they need no condition that applies to people."""

BROUGHT_BACK = Message("The backup was brought back from the bin.")
OTHERS_FIRST = Message("A restore or removal goes first.")
NODE_BUSY = Message("The backup of another server goes first.")
STORAGE_BUSY = Message("The backup storage is busy with other backups.")


@dataclass(frozen=True)
class NotYet:
    """Start later: node or storage is busy, or another operation goes first."""

    why: Message


def reason_against(
    session: Session, settings: Settings, service: Service, operation: Operation
) -> NotYet | tuple[str, Message] | None:
    """Why a waiting operation does not start now: NotYet, or the state and reason it ends with. None: it starts."""
    inventory = service_backups.load_inventory(session, service)
    if inventory.running:
        return NotYet(RUNNING_REASONS[inventory.running.kind])
    if operation.origin == "expiry" and service.restore_failed:
        return "cancelled", SAFETY_COPY_NEEDED
    if operation.origin == "bin" and not _is_binned(inventory, operation):
        return "cancelled", BROUGHT_BACK
    if operation.origin in SYSTEM_ORIGINS:
        return None
    if service.status == "suspended":
        return "refused", Message("The service is suspended.")
    if service.status == "terminated":
        return "refused", Message("The service is terminated.")
    if service.problem:
        return "refused", Message.from_json(service.problem) or Message("")
    if operation.kind != "backup":
        return None
    if any(other.kind != "backup" for other in inventory.waiting):
        return NotYet(OTHERS_FIRST)
    against = _backup_start(settings, inventory, operation)
    return against or _node_or_storage_busy(session, settings, service, operation)


def _is_binned(inventory: Inventory, operation: Operation) -> bool:
    return any(backup.id == operation.backup_id and backup.binned_until for backup in inventory.backups)


def _backup_start(settings: Settings, inventory: Inventory, operation: Operation) -> tuple[str, Message] | None:
    if operation.slot_date:
        decided = run_decision.decide_run(settings, inventory, operation.slot_date, operation)
        return None if decided.outcome == "runs" else (decided.outcome, decided.reason or Message(""))
    service = inventory.service
    if service.restore_failed:
        return "refused", rules.RESTORE_FAILED
    if service.quota == 0:
        return "refused", rules.NO_BACKUPS
    used = inventory.used(but=operation.id)
    if used >= service.quota:
        return "refused", Message("Quota full ({used} of {limit}).", used=used, limit=service.quota)
    return None


def _node_or_storage_busy(
    session: Session, settings: Settings, service: Service, operation: Operation
) -> NotYet | None:
    place = queue.Place(service.server_id, service.node)
    running = queue.running_backups(session, place if settings.per_storage is None else None)
    if running.nodes[place] >= settings.per_node:
        return NotYet(NODE_BUSY)
    if queue.is_full(settings, running, service.server_id, operation.storage):
        return NotYet(STORAGE_BUSY)
    return None
