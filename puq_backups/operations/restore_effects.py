"""What a restore would do, as sentences for the client: what is lost or changes, and what happens in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import Message
from ..i18n.translator import N_
from ..models import Backup, Service
from ..pve import vms
from ..pve.client import Proxmox
from ..rules import vm_options
from ..rules.package import Package
from ..rules.vm_options import FROM_BACKUP
from .steps import backup_contents, disks
from .steps.backup_contents import Contents


@dataclass(frozen=True)
class RestoreFacts:
    """What was read from Proxmox. `lost`: an earlier restore failed; `gone`: no VM is left."""

    proxmox: Proxmox
    service: Service
    backup: Backup
    package: Package
    config: dict[str, Any]
    lost: bool
    gone: bool
    status: vms.VmStatus
    snapshots: list[str]


def warnings(facts: RestoreFacts, found: dict[str, Any], inside: Contents | None) -> Iterator[Message]:
    """Yield what is lost or in the way. `found` is the VM's present configuration, `inside` what the backup holds."""
    if found.get("lock"):
        yield Message(
            "Another task blocks this server now ({lock}). The restore waits for its end.", lock=found["lock"]
        )
    if facts.backup.damaged_at:
        yield Message("The last restore from this backup failed, because the backup is damaged.")
    if facts.snapshots:
        yield Message("These snapshots of the server are deleted: {names}.", names=", ".join(facts.snapshots))
    yield from _losses(facts, inside) if inside else ()


def _losses(facts: RestoreFacts, inside: Contents) -> Iterator[Message]:
    if options := vm_options.from_backup(facts.config, inside.config):
        yield Message(FROM_BACKUP, options=", ".join(options))
    lost = set(vms.volumes(facts.config)) - set(vms.disks(facts.config)) - set(inside.config)
    for slot in sorted(lost):
        yield Message("The disk {slot} is not in this backup; it is detached, and its data stays unused.", slot=slot)
    for slot in (slot for slot in inside.slots if not inside.storages[slot]):
        storage = facts.package.restore_storage or backup_contents.DEFAULT_STORAGE
        yield Message(
            "The disk {slot} was a disk of the node itself; it is restored to the storage {storage}.",
            slot=slot, storage=storage,
        )  # fmt: skip
    for slot in sorted(set(inside.left_out) - set(vms.disks(facts.config))):
        yield Message("The disk {slot} was left out of this backup and does not come back.", slot=slot)
    for slot, wanted in inside.wanted(facts.package).items():
        size = inside.sizes.get(slot)
        if size and size > wanted * disks.GIB:
            yield disks.stays_larger(slot, size, wanted)


def describe(facts: RestoreFacts, inside: Contents | None) -> Iterator[Message]:
    """Yield what the restore does, in its order. `inside` is None where the backup cannot be read."""
    if facts.status.status == "running":
        yield Message("The server is running: it is shut down first, and started again at the end.")
    else:
        yield Message("The server is off; it is started at the end.")
    yield from _disks(facts, inside) if inside else ()
    yield Message("CPU, memory, disks and network are set to what your package has.")
    yield Message("Name, notes, options, addresses and firewall rules stay as they are now.")


def _disks(facts: RestoreFacts, inside: Contents) -> Iterator[Message]:
    has = vms.disks(facts.config)
    for slot in inside.slots:
        size = disks.to_gib(inside.sizes[slot]) if slot in inside.sizes else "?"
        if slot in has:
            yield Message(
                "The disk {slot} ({size} GiB) goes back to how it was in this backup.", slot=slot, size=size
            )
        else:
            text = N_("The disk {slot} ({size} GiB) comes back; the server does not have it now.")
            yield Message(text, slot=slot, size=size)
    # After a failed restore it is unknown which of the other disks still exist.
    for slot in sorted(set(has) - set(inside.slots)) if not facts.lost else ():
        yield Message("The disk {slot} is not in this backup: it keeps its data and is attached again.", slot=slot)
    for slot, wanted in inside.wanted(facts.package).items():
        if 0 < inside.sizes.get(slot, 0) < wanted * disks.GIB:
            yield Message("The disk {slot} is enlarged to {wanted} GiB.", slot=slot, wanted=wanted)
    if facts.package.additional_disk and not inside.additional and not disks.additional_slot(facts.config):
        yield Message("A new, empty additional disk of {size} GiB is added.", size=facts.package.additional_disk)
