"""Steps that make the safety copy: a backup of the current state, before a restore or reinstallation overwrites it.

It is outside the quota, never rotated, and expires. If it cannot be made, the restore fails and nothing is changed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...context import Context
from ...errors import ProxmoxRefused
from ...i18n.translator import N_
from ...inventory import service_backups, storage_status
from ...mail import merge_values
from ...models import Backup, Service
from ...pve import vms
from ...pve.client import Proxmox
from ...rules import retention
from ...rules.package import Package
from ..errors import may_succeed_later
from ..step import GiveUp, GoTo, Start, StepContext, Wait
from . import archive
from .archive import MadeArchive
from .common import check_identity, require_unlocked

NOTE = N_("Safety copy from before the restore of {when}")
NOT_RESTORED = N_("No safety copy could be made, so nothing was restored: {reason}")
NOT_REINSTALLED = N_("No safety copy could be made, so nothing was reinstalled: {reason}")
REINSTALL_NOTE = N_("Safety copy from before the reinstallation, with the backup of {when}")


def plan_safety_copy(step: StepContext) -> None:
    """Check that a safety copy can be made, while the VM still runs."""
    operation = step.operation
    if not operation.data.get("safety_copy"):
        return
    source = step.load(Backup, operation.backup_id)
    name = storage_for_safety_copy(Package.from_json(operation.data["package"]), source)
    try:
        place = check_storage(step.context, step.proxmox, step.service, name)
    except GiveUp as error:
        raise _without_copy(step, error) from error
    translator = step.context.translator(*merge_values.client_locale(step.context, step.service))
    text = NOTE if operation.kind == "restore" else REINSTALL_NOTE
    operation.note = translator.gettext(text, when=source.created_at)
    operation.store(safety_storage=name, safety_days=step.context.settings.safety_copy_days)
    storage_status.save_storage(step.session, step.server, name, step.node, place.seen).retention = place.limits


def check_storage(context: Context, proxmox: Proxmox, service: Service, name: str) -> archive.StorageCheck:
    """Check that the storage accepts a safety copy; raises GiveUp. Only a new backup empties the bin by itself."""
    with context.database.open() as session:
        held = service_backups.load_inventory(session, service).for_rotation()
    place = archive.check_storage(proxmox, service, name, held, spare=retention.binned(held))
    if place.emptied:
        raise GiveUp(
            "The storage {storage} has room for a safety copy once you delete what is in the bin.", storage=name
        )  # fmt: skip
    return place


def storage_for_safety_copy(package: Package, source: Backup) -> str:
    """The storage for a safety copy: the package's backup storage, else that of the restored backup."""
    return package.storage or source.storage


def make_safety_copy(step: StepContext) -> Start | GoTo | None:
    """Back up the VM, which is powered off."""
    data, storage = step.operation.data, step.operation.data.get("safety_storage")
    if not storage or data.get("safety"):
        return None
    found = _made(step, storage)
    if found is not None:
        step.operation.store(safety=archive.record(step, storage, found).id)
        return None
    require_unlocked(check_identity(step))
    status = vms.status(step.proxmox, step.node, step.vmid)
    if status.status != "stopped":
        # Somebody started the VM after the check; the copy would lack what it writes from here on.
        return GoTo("power_off")
    step.operation.store(safety_asked=True)
    start = archive.start_archive(step, storage, step.operation.note, Package.from_json(data["package"]))
    return replace(start, call=lambda: _send(step, start))


def _made(step: StepContext, storage: str) -> MadeArchive | None:
    """The archive of the task that ended, or of a call whose answer was lost; None if there is none yet."""
    if step.task_result is None:
        return _find_lost_archive(step, storage) if step.operation.data.get("safety_asked") else None
    found = archive.result_of_task(step, storage)
    if found is None:
        raise _without_copy(step, GiveUp("{proxmox}", proxmox=step.task_result.reason))
    if not found.disks:
        raise _without_copy(step, GiveUp("It would hold no disk."))
    return found


def _find_lost_archive(step: StepContext, storage: str) -> MadeArchive | None:
    """The archive of a call whose answer was lost, found by its marker."""
    try:
        return archive.find_by_marker(step, storage)
    except ProxmoxRefused as error:
        if may_succeed_later(error):
            raise
        raise _without_copy(step, GiveUp("{proxmox}", proxmox=error)) from error


def _send(step: StepContext, start: Start) -> Any:
    try:
        return start.call()
    except ProxmoxRefused as error:
        if may_succeed_later(error):
            raise
        raise _without_copy(step, GiveUp("{proxmox}", proxmox=error)) from error


def see_safety_copy(step: StepContext) -> Wait | None:
    """Wait until the storage lists the safety copy with a size, before anything is changed."""
    copy_id = step.operation.data.get("safety")
    if not copy_id or not step.operation.data.get("safety_storage"):
        return None
    try:
        return archive.wait_until_listed(step, step.load(Backup, copy_id))
    except GiveUp as error:
        raise _without_copy(step, error) from error


def _without_copy(step: StepContext, error: GiveUp) -> GiveUp:
    text = NOT_RESTORED if step.operation.kind == "restore" else NOT_REINSTALLED
    return GiveUp(text, reason=error.message)


LABELS: dict[str, str] = {
    "plan_safety_copy": N_("Making sure that a safety copy can be made"),
    "make_safety_copy": N_("Making a safety copy of the present state"),
    "see_safety_copy": N_("Making sure the safety copy is there"),
}
