"""Hooks that abort the host's commands on a VM while a backup, a restore or a Proxmox lock holds it."""

from collections.abc import Mapping
from typing import Any

from puq_backups.context import Context
from puq_backups.hook_registry.decorators import hook
from puq_backups.inventory import locks


@hook("PreModuleChangePackage")
@hook("PreModuleTerminate")
@hook("PreModuleChangePassword")
@hook("PreModuleCustom")
def wait_for_backups(params: Mapping[str, Any], context: Context, own: bool) -> dict[str, Any] | None:
    """Answer `abortcmd` with the reason while the service is locked; asks Proxmox.

    `own` is True for our own module functions, which are never aborted: ChangePackage and TerminateAccount are always
    accepted.
    """
    if own:
        return None
    against = locks.live_lock_reason(context, str(params.get("serviceid") or "").strip())
    return {"abortcmd": True, "reason": str(against)} if against else None
