"""The data of a failed restore on the client's page, and the ways on."""

from __future__ import annotations

from typing import Any

from ..context import Context
from ..errors import Message
from ..host import Actor
from ..inventory import policy, service_backups
from ..models import Operation
from ..pve import vms
from .reasons import failure, for_client, reason_against

MOST_CHOICES = 50
"""How many backups the list of a retry holds."""


def facts(context: Context, inventory: service_backups.Inventory, actor: Actor, failed: Operation) -> dict[str, Any]:
    """The failed restore.

    `same` is why its backup cannot be restored again, or None. `data_restored`: the disks hold the backup, and only
    what came after failed. `disks` are the slots that a reinstallation would delete. `lock`: why other
    actions wait.
    """
    own = next((backup for backup in inventory.backups if backup.id == failed.backup_id), None)
    copy = inventory.safety_copy_of(failed)
    gone = Message("The backup that was restored is no longer there.")
    choices = [
        backup for backup in inventory.backups
        if backup.kind != "safety" and inventory.restorable(backup)
        and not reason_against("retry", inventory, actor, backup)
    ]  # fmt: skip
    return {
        **failure(failed), "damaged": own is not None and service_backups.is_damaged(own),
        "reason": for_client(failed.reason), "operation_id": failed.id, "kind": failed.kind,
        "at": failed.finished_at,
        "backup": {"created_at": own.created_at, "note": own.note} if own else None,
        "choices": [{"id": one.id, "created_at": one.created_at, "note": one.note} for one in choices[:MOST_CHOICES]],
        "same": reason_against("retry", inventory, actor, own) if own else gone,
        "safety_copy": {"id": copy.id, "created_at": copy.created_at} if copy else None,
        "data_restored": bool(failed.data.get("restored")), "disks": _disks_of(failed),
        "lock": policy.RESTORE_FAILED,
        "safety_copy_first": policy.reinstall_safety_copy(context.settings, context.host, inventory.service, failed),
    }  # fmt: skip


def _disks_of(failed: Operation) -> list[str]:
    """The slots of the disks that a reinstallation would delete."""
    before = vms.disks(failed.data.get("before") or {})
    return sorted({*before, *failed.data.get("preflight", {}).get("sizes", {}), *(failed.data.get("added") or {})})


def ways_on(
    context: Context, inventory: service_backups.Inventory, actor: Actor, failed: Operation | None
) -> dict[str, Message | None]:
    """Why retry, going back to the safety copy and reinstall are not possible, by action; None where they are."""
    retry = reason_against("retry", inventory, actor)
    if retry is None and all(reason_against("retry", inventory, actor, backup) for backup in inventory.backups):
        retry = Message("There is no backup that could be restored.")
    copy = inventory.safety_copy_of(failed) if failed else None
    reinstall = reason_against("reinstall", inventory, actor) or policy.reinstall_unavailable(
        context.host, inventory.service
    )
    return {"retry": retry, "back": reason_against("back", inventory, actor, copy), "reinstall": reinstall}
