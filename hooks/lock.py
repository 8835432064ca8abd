"""What holds up the host's own actions on a VM: its points that act on one are answered with abortcmd meanwhile."""

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
    """Leave the VM alone while a backup or restore of ours, or Proxmox itself, holds it.

    Our own functions wait for each other in their own way: a changed package or a termination is always taken.
    """
    if own:
        return None
    against = locks.live_lock_reason(context, str(params.get("serviceid") or "").strip())
    return {"abortcmd": True, "reason": str(against)} if against else None
