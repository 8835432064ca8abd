"""Decides whether an action is allowed now. The same reason disables the button and refuses the request."""

from __future__ import annotations

from ..config import Settings
from ..errors import Message
from ..host import Actor, Host, host_reinstall
from ..models import Backup, Operation, Service
from ..rules import retention
from ..rules.package import Package
from ..rules.run_decision import SUSPENDED, TERMINATED
from .service_backups import Inventory

REQUIRED_PERMISSION = {
    "create": "create", "schedule": "schedule", "restore": "restore", "remove": "remove", "keep": "keep",
    "undo": "remove", "delete": "remove", "release": "remove",
    "note": "create", "retry": "restore", "back": "restore", "reinstall": "restore", "cancel": "create",
}  # fmt: skip
OVERWRITES_VM = frozenset({"restore", "retry", "back", "reinstall"})
"""Actions that overwrite the VM's disks."""

AFTER_FAILURE = frozenset({"retry", "back", "reinstall"})
"""Actions that resolve a failed restore."""

RUNNING_REASONS = {
    "backup": Message("You cannot start, stop or restore until this backup is done."),
    "restore": Message("Other actions wait until the restore is done."),
    "remove": Message("Other actions wait until the backup is removed."),
    "reinstall": Message("Other actions wait until the reinstallation is done."),
}

PAUSED = {"suspended": SUSPENDED, "terminated": TERMINATED}
"""Why nothing can be done, by the status of the service."""
RESTORE_FAILED = Message("The last restore failed. Restore again or reinstall the server first.")
IN_BIN = Message("This backup is in the bin. Bring it back first.")
SAFETY_COPY_NEEDED = Message("This safety copy is needed until the failed restore is settled.")


def safety_copy_mode(settings: Settings, service: Service) -> str:
    """Whether a restore makes a safety copy first: `offer`, `always` or `off`.

    Always `off` after a failed restore, because the disks are incomplete then.
    """
    if service.restore_failed:
        return "off"
    return Package.from_json(service.package).safety_copy or settings.safety_copy


def reinstall_safety_copy(settings: Settings, host: Host, service: Service, failed: Operation) -> str:
    """Whether a reinstallation after the failed restore `failed` makes a safety copy first: `offer`, `always`, `off`.

    It is `off` if the disks are incomplete, or if the host reinstalls by itself.
    """
    if not failed.data.get("restored") or host_reinstall(host):
        return "off"
    return Package.from_json(service.package).safety_copy or settings.safety_copy


def reinstall_unavailable(host: Host, service: Service) -> Message | None:
    """Why the VM cannot be reinstalled: the host has no reinstall function and the package no template. Or None."""
    if host_reinstall(host) or Package.from_json(service.package).template:
        return None
    return Message("Reinstalling is not set up here. Please ask the provider's support.")


def forbidden(action: str, actor: Actor) -> Message | None:
    """Why the actor lacks the right to do `action`, or None. `action` is a key of REQUIRED_PERMISSION."""
    return (
        None
        if actor.may(REQUIRED_PERMISSION[action])
        else Message("Your account does not have the right to do this.")
    )


def reason_against(
    action: str, inventory: Inventory, backup: Backup | None = None, *, is_staff: bool = False
) -> Message | None:
    """Why `action` cannot be done now, or None. `action` is a key of REQUIRED_PERMISSION."""
    service = inventory.service
    if service.status in PAUSED:
        return PAUSED[service.status]
    if backup is not None and inventory.is_earlier(backup) and (reason := _against_earlier(action, is_staff)):
        return reason
    if action in {"schedule", "note", "cancel"}:
        return None
    if action == "release":
        return None if backup is None or not inventory.counts(backup) else Message("This backup counts already.")
    if action == "keep":
        return _against_keep(backup)
    if action == "undo" and (backup is None or backup.binned_until is None):
        return Message("This backup is not in the bin.")
    if service.problem:
        return Message.from_json(service.problem)
    if inventory.running:
        return RUNNING_REASONS[inventory.running.kind]
    return (
        _against_create(inventory) if action == "create" else _against_overwrite_or_remove(action, inventory, backup)
    )


def _against_earlier(action: str, is_staff: bool) -> Message | None:
    """Why a backup of an earlier VM of the service cannot be used as one of the present VM."""
    if action in {"keep", "note", "release"}:
        return Message("This backup is from your earlier server. It can only be removed.")
    if action in OVERWRITES_VM and not is_staff:
        return Message("This backup is from your earlier server. Ask support to restore it.")
    return None


def _against_keep(backup: Backup | None) -> Message | None:
    if backup is not None and backup.kind == "safety":
        return Message("A safety copy is removed by itself after its days; it cannot be kept.")
    if backup is not None and backup.binned_until:
        return IN_BIN
    if backup is not None and backup.missing_at:
        return Message("The file of this backup is no longer on its storage.")
    return None


def _against_overwrite_or_remove(action: str, inventory: Inventory, backup: Backup | None) -> Message | None:
    """Why the VM cannot be overwritten, or a backup removed."""
    if action in AFTER_FAILURE and not inventory.service.restore_failed:
        return Message("There is no failed restore.")
    if any(_conflicts(action, waiting, backup) for waiting in inventory.waiting):
        return Message("This has been asked for already and is about to start.")
    if action in {"remove", "delete"}:
        return _against_remove(inventory, backup)
    if action == "undo":
        return _against_undo(inventory, backup)
    if action == "back" and backup is None:
        return Message("No safety copy was made before this restore.")
    return _against_restore(inventory, backup) if backup is not None and action != "reinstall" else None


def _conflicts(action: str, waiting: Operation, backup: Backup | None) -> bool:
    """Whether a waiting operation excludes the requested action. Removals do for the same backup only."""
    if waiting.kind == "backup":
        return False
    same = backup is not None and waiting.backup_id == backup.id
    return action in OVERWRITES_VM or waiting.kind != "remove" or same


def _against_remove(inventory: Inventory, backup: Backup | None) -> Message | None:
    if backup is not None and backup.kept:
        return Message("Kept. Choose “Do not keep” to remove it.")
    if backup is not None and backup.kind == "safety" and inventory.service.restore_failed:
        return SAFETY_COPY_NEEDED
    return None


def _against_undo(inventory: Inventory, backup: Backup | None) -> Message | None:
    """Why a backup cannot leave the bin: its place in the quota is taken by now."""
    takes_place = backup is not None and backup.kind != "safety" and inventory.counts(backup)
    if takes_place and not (backup and backup.missing_at) and inventory.used() >= inventory.service.quota:
        return Message("No place is free. Remove another backup first.")
    return None


def _full(inventory: Inventory) -> Message:
    if retention.blocked_by_kept(inventory.for_rotation(), limit=inventory.service.quota):
        return Message(
            "Quota full ({used} of {limit}). Choose “Do not keep” for one, or upgrade.",
            used=inventory.used(), limit=inventory.service.quota,
        )  # fmt: skip
    return Message(
        "Quota full ({used} of {limit}). Remove a backup or upgrade.",
        used=inventory.used(), limit=inventory.service.quota,
    )  # fmt: skip


def _against_create(inventory: Inventory) -> Message | None:
    limit, used = inventory.service.quota, inventory.used()
    if inventory.service.restore_failed:
        return RESTORE_FAILED
    if any(operation.kind == "backup" for operation in inventory.waiting):
        return Message("A backup is already waiting for its turn.")
    if limit == 0:
        return Message("Your package includes no backups.")
    if used >= limit:
        return _full(inventory)
    return None


def _against_restore(inventory: Inventory, backup: Backup) -> Message | None:
    if backup.server_id != inventory.service.server_id:
        return Message("This backup is on another server.")
    if backup.missing_at:
        return Message("The file of this backup is no longer on its storage.")
    if backup.binned_until:
        return IN_BIN
    if backup.verification == "failed":
        return Message("The storage found this backup to be damaged.")
    if not inventory.usable(backup):
        return Message("The storage of this backup is offline.")
    if backup.node not in {"", inventory.service.node}:
        return Message("Your server has moved away from its backups (on {node}). Contact support.", node=backup.node)
    if not backup.size:
        return Message("This backup has not been seen on its storage yet.")
    if backup.disks == 0:
        return Message("This backup holds no disk.")
    return None
