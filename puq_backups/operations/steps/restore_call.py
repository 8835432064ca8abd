"""The call that starts a restore, with the options that replace the backup's, and what its refusals mean."""

from __future__ import annotations

from typing import Any

from ...errors import ProxmoxBusy, ProxmoxRefused, VmMissing
from ...pve import archives, vms
from ...rules.package import Package
from ..errors import may_succeed_later
from ..step import GiveUp, RepeatStep, StepContext
from . import keep_settings
from .reapply import package_options, restore_options
from .refused import KEYS_REFUSED

OVERRIDE_LEVELS = ("all", "machine", "none")
"""Options sent with the restore call, reduced by one level at each refusal.

`all`: kept options, CPU, memory and network; `machine`: CPU, memory and network; `none`: nothing.
"""
HTTP_BAD_REQUEST = 400
DENIED = "Permission check failed"
TAKEN = "already exists on node"


def send(step: StepContext, volid: str) -> Any:
    """Start the restore. Raises RepeatStep to be called again with fewer options, GiveUp if that does not help."""
    data = step.operation.data
    storage = Package.from_json(data["package"]).restore_storage or None
    made_again = data.get("made_again") or {}
    try:
        return archives.restore(
            step.proxmox, step.node, step.vmid, archive=volid, storage=storage, overrides=_overrides(step),
            fresh=bool(data.get("gone")), pool=made_again.get("pool"),
        )  # fmt: skip
    except ProxmoxRefused as error:
        step.operation.store(touched=False)
        if may_succeed_later(error):
            raise
        if TAKEN in str(error):
            # It was moved, or somebody created one, after the check: the next run of the step finds out.
            raise ProxmoxBusy(str(error)) from error
        if error.http_status == 403 and _moved(step):  # noqa: PLR2004 - HTTP status
            # The right to back up is enough to restore over a VM, but only on the VM's node.
            raise VmMissing(str(error)) from error
        if not step.service.restore_failed and _names_package_value(step, error):
            raise GiveUp(
                "Proxmox refuses a value of the package, so nothing was restored: {proxmox}", proxmox=error
            ) from error
        if (error.http_status in {400, 403} or KEYS_REFUSED in str(error)) and send_fewer_overrides(step, str(error)):
            raise RepeatStep from error
        raise nothing_changed(str(error)) from error


def _moved(step: StepContext) -> bool:
    return not step.operation.data.get("gone") and vms.find_node(step.proxmox, step.vmid) != step.node


def _names_package_value(step: StepContext, error: ProxmoxRefused) -> bool:
    """Whether a value of the package is invalid: after the restore it would be refused as well."""
    package = Package.from_json(step.operation.data["package"])
    return error.http_status == HTTP_BAD_REQUEST and bool(set(error.errors) & package_options(package))


def _overrides(step: StepContext) -> dict[str, Any]:
    """Options that replace the backup's values in the restore call."""
    data = step.operation.data
    level = data.get("overrides", OVERRIDE_LEVELS[0])
    package = Package.from_json(data["package"])
    machine = restore_options(package, data["before"]) if level != OVERRIDE_LEVELS[-1] else {}
    kept = keep_settings.restore_options(data["before"], package) if level == OVERRIDE_LEVELS[0] else {}
    return {**kept, **machine}


def send_fewer_overrides(step: StepContext, reason: str) -> bool:
    """Reduce the options sent with the restore by one level. Returns False if none were sent."""
    at = OVERRIDE_LEVELS.index(step.operation.data.get("overrides", OVERRIDE_LEVELS[0]))
    if at + 1 == len(OVERRIDE_LEVELS):
        return False
    step.operation.store(overrides=OVERRIDE_LEVELS[at + 1], refused=reason)
    return True


def nothing_changed(reason: str) -> GiveUp:
    """Return the error of a restore that Proxmox refused before it touched the VM; `reason` is Proxmox's text."""
    return GiveUp("The restore failed before anything was changed: {proxmox}", proxmox=reason)
