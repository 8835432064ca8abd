"""The safety copy: what the VM is now is kept before a restore writes over it.

It is the system's own: outside the quota, never rotated, removed after its days. While it cannot be made, nothing
of the VM is touched.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...errors import ProxmoxRefused
from ...i18n.translator import N_
from ...inventory import service_backups
from ...mail import merge_values
from ...models import Backup
from ...pve import vms
from ...rules.package import Package
from ..errors import passes
from ..step import GiveUp, Hop, Start, Wait, Work
from . import archive
from .archive import Made
from .common import same_vm, unlocked

NOTE = N_("Safety copy from before the restore of {when}")


def plan_safety_copy(work: Work) -> None:
    """Make sure that a safety copy can be made, while the VM may go on running."""
    operation = work.operation
    if not operation.data.get("safety_copy"):
        return
    source = work.find(Backup, operation.backup_id)
    name = storage_for(Package.from_json(operation.data["package"]), source)
    try:
        place = archive.place_on(work.context, work.proxmox, work.service, name)
    except GiveUp as error:
        raise _without_copy(error) from error
    translator = work.context.translator(*merge_values.client(work.context, work.service))
    operation.note = translator.gettext(NOTE, when=source.created_at)
    operation.store(safety_storage=name, safety_days=work.context.settings.safety_copy_days)
    service_backups.save_storage(work.session, work.server, name, work.node, place.seen).retention = place.limits


def storage_for(package: Package, source: Backup) -> str:
    """Where a safety copy goes: to the package's backups, else beside the backup that is restored."""
    return package.storage or source.storage


def make_safety_copy(work: Work) -> Start | Hop | None:
    """Have Proxmox back up the VM that was just powered off."""
    data, storage = work.operation.data, work.operation.data.get("safety_storage")
    if not storage or data.get("safety"):
        return None
    found = _made(work, storage)
    if found is not None:
        work.operation.store(safety=archive.record(work, storage, found).id)
        return None
    unlocked(same_vm(work))
    status = vms.status(work.proxmox, work.node, work.vmid)
    if status.status != "stopped":
        # Somebody started it after our last look: what it does from here on would be lost.
        return Hop("power_off")
    work.operation.store(safety_asked=True)
    start = archive.making(work, storage, work.operation.note, Package.from_json(data["package"]))
    return replace(start, call=lambda: _send(start))


def _made(work: Work, storage: str) -> Made | None:
    """The archive, if there is one by now: of the task that ended, or of a call whose answer was lost."""
    if work.ended is None:
        return _asked_for(work, storage) if work.operation.data.get("safety_asked") else None
    found = archive.made(work, storage)
    if found is None:
        raise _without_copy(GiveUp("{proxmox}", proxmox=work.ended.reason))
    if not found.disks:
        raise _without_copy(GiveUp("It would hold no disk."))
    return found


def _asked_for(work: Work, storage: str) -> Made | None:
    """The archive of a call whose answer was lost."""
    try:
        return archive.by_marker(work, storage)
    except ProxmoxRefused as error:
        if passes(error):
            raise
        raise _without_copy(GiveUp("{proxmox}", proxmox=error)) from error


def _send(start: Start) -> Any:
    try:
        return start.call()
    except ProxmoxRefused as error:
        if passes(error):
            raise
        raise _without_copy(GiveUp("{proxmox}", proxmox=error)) from error


def see_safety_copy(work: Work) -> Wait | None:
    """See the safety copy on its storage, with a size, before anything is touched."""
    copy_id = work.operation.data.get("safety")
    if not copy_id or not work.operation.data.get("safety_storage"):
        return None
    try:
        return archive.see(work, work.find(Backup, copy_id))
    except GiveUp as error:
        raise _without_copy(error) from error


def _without_copy(error: GiveUp) -> GiveUp:
    text = "No safety copy could be made, so nothing was restored: {reason}"
    return GiveUp(text, reason=error.message)


LABELS: dict[str, str] = {
    "plan_safety_copy": N_("Making sure that a safety copy can be made"),
    "make_safety_copy": N_("Making a safety copy of the present state"),
    "see_safety_copy": N_("Making sure the safety copy is there"),
}
