"""The VM destroyed and made again from its template: only what is ours is destroyed, or taken for the clone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import NotStarted, ProxmoxBusy, ProxmoxRefused, VmMissing
from ...pve import notes, vms
from ...rules.package import Package
from ..errors import passes
from ..step import GiveUp, Hop, LookAgain, Outcome, Start, Wait, Work
from .common import not_ours, present, unlocked
from .preconditions import find_template

TAKEN = "config file already exists"


def destroy_vm(work: Work) -> Outcome:
    """Destroy the VM with its disks; its backups stay. One that is gone is past this, whoever destroyed it."""
    config = present(work)
    if config is None:
        work.operation.store(gone=True, touched=True)
        return None
    if vms.identity(config) != work.operation.data["identity"]:
        raise not_ours(work, state="failed")
    unlocked(config)
    if vms.status(work.proxmox, work.node, work.vmid).status != "stopped":
        return Hop("power_off")
    if work.ended is not None and work.ended.ok is False:
        raise _still_there(work, work.ended.reason)
    work.operation.store(touched=True)
    return Start(
        call=lambda: _send_destroy(work),
        type="qmdestroy",
        id=str(work.vmid),
        audit=f"destroy VM {work.vmid} to make it again from template {work.operation.data['template']}",
        tolerate=True,
    )


def _send_destroy(work: Work) -> Any:
    try:
        return vms.destroy(work.proxmox, work.node, work.vmid)
    except ProxmoxRefused as error:
        work.operation.store(touched=False)
        if isinstance(error, VmMissing) or "is running" in str(error):
            # Somebody started it, moved it or destroyed it after our last look.
            raise LookAgain from error
        if passes(error):
            raise
        raise _still_there(work, str(error)) from error


def _still_there(work: Work, reason: str) -> GiveUp:
    work.operation.store(touched=False)
    return GiveUp("The virtual machine could not be removed: {proxmox}", proxmox=reason)


def clone_template(work: Work) -> Outcome:
    """Make the VM again as a full copy of the template.

    A clone's task is named by the template, so it cannot be told from another service's: what tells is the marker
    in the description of the VM that came of it. A VM without it, made by somebody meanwhile, is left alone.
    """
    if work.ended is not None and work.ended.ok is False and TAKEN not in work.ended.reason:
        raise _not_copied(work.ended.reason)
    node = vms.find_node(work.proxmox, work.vmid)
    if node is None:
        return _clone(work)
    config = vms.config(work.proxmox, node, work.vmid)
    if config.get("lock") == "clone" and work.operation.data.get("cloning"):
        return Wait(work.context.settings.poll.total_seconds())
    if _marker(work) not in str(config.get("description") or ""):
        raise not_ours(work, state="failed")
    work.service.node = work.operation.node = node
    work.service.vm_identity = vms.identity(config)
    work.operation.store(gone=False)
    return None


def _marker(work: Work) -> str:
    return notes.marker(work.service.token, work.operation.token)


def _clone(work: Work) -> Start:
    data = work.operation.data
    template, node = find_template(work, Package.from_json(data["package"]), state="failed")
    work.operation.store(cloning=True)
    return Start(
        call=lambda: _send_clone(work, template, node),
        type="qmclone",
        id=str(template),
        node=node,
        findable=False,
        audit=f"clone template {template} to VM {work.vmid}",
        tolerate=True,
    )


def _send_clone(work: Work, template: int, node: str) -> Any:
    data: Mapping[str, Any] = work.operation.data
    try:
        return vms.clone(
            work.proxmox, node, template, work.vmid, name=data["before"].get("name"), storage=data["target"],
            pool=data["made_again"]["pool"], target=None if node == work.node else work.node,
            description=_marker(work),
        )  # fmt: skip
    except (VmMissing, NotStarted) as error:
        # It is the template that was moved: it is looked for again.
        raise ProxmoxBusy(str(error)) from error
    except ProxmoxRefused as error:
        if error.retryable or TAKEN in str(error):
            # Somebody's VM, or our own clone that came late: the next look tells.
            raise ProxmoxBusy(str(error)) from error
        raise _not_copied(str(error)) from error


def _not_copied(reason: str) -> GiveUp:
    return GiveUp("The template could not be copied: {proxmox}", proxmox=reason)
