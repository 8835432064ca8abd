"""The disks in a backup, the storages they would be restored to, and the free space there. Sizes are in bytes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ...errors import Message, ProxmoxRefused
from ...i18n.translator import N_
from ...models import Backup
from ...pve import archives, vms
from ...pve.client import Proxmox
from ...rules.package import Package
from . import disks

DEFAULT_STORAGE = "local"
"""The storage to which Proxmox restores a disk for which the backup names none."""
THICK = {"lvm"}
"""Storage types that allocate a disk's whole size at once; the others allocate what is written."""


@dataclass(frozen=True)
class Contents:
    """The disks in a backup.

    `slots` are in the order of the configuration; `sizes` holds bytes, where known; `storages` names the storage each
    disk was on, "" for a disk of the node itself. `left_out` are disks in the configuration that were excluded from
    the backup. `system` and `additional` are the slots of the two disks that a package describes. `config` is the
    whole configuration in the backup.
    """

    slots: tuple[str, ...] = ()
    sizes: dict[str, int] = field(default_factory=dict)
    storages: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    system: str | None = None
    additional: str | None = None
    config: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, config: dict[str, Any]) -> Contents:
        """Read the contents from the configuration inside an archive."""
        found = vms.disks(config)
        held = {slot: drive for slot, drive in found.items() if drive.options.get("backup") != "0"}
        without = {key: value for key, value in config.items() if key not in found or key in held}
        sources = config.get("#qmdump#map", {})
        return cls(
            slots=tuple(held),
            sizes={slot: size for slot, drive in held.items() if (size := _size(drive))},
            storages={
                slot: sources.get(slot, {}).get("storage") or _storage_of(drive) for slot, drive in held.items()
            },
            left_out=tuple(slot for slot in found if slot not in held),
            system=vms.boot_disk(without),
            additional=disks.additional_slot(without),
            config=config,
        )

    def wanted(self, package: Package) -> dict[str, int]:
        """The sizes in GiB that the package gives the disks in the backup, by slot."""
        sizes = {self.system: package.system_disk, self.additional: package.additional_disk}
        return {slot: gib for slot, gib in sizes.items() if slot and gib}


def _storage_of(drive: vms.Drive) -> str:
    """The storage of a disk; "" for a disk of the node itself, which is named by its path."""
    return "" if drive.volid.startswith("/") else drive.volid.partition(":")[0]


def _size(drive: vms.Drive) -> int:
    try:
        return vms.size_bytes(drive.options.get("size", ""))
    except ValueError:
        return 0


@dataclass(frozen=True)
class Targets:
    """The storages that the disks would be restored to: `of` maps slot to name, `seen` maps name to status."""

    of: dict[str, str] = field(default_factory=dict)
    seen: dict[str, archives.StorageStatus] = field(default_factory=dict)
    reasons: tuple[Message, ...] = ()


def targets(proxmox: Proxmox, node: str, inside: Contents, package: Package) -> Targets:
    """Read the status of each target storage: the package's restore storage, else the one the disk was on."""
    if not inside.slots:
        return Targets(reasons=(Message("This backup holds no disk."),))
    of = {slot: package.restore_storage or inside.storages[slot] or DEFAULT_STORAGE for slot in inside.slots}
    seen: dict[str, archives.StorageStatus] = {}
    reasons = []
    for name in dict.fromkeys(of.values()):
        try:
            seen[name] = archives.storage_status(proxmox, node, name)
        except ProxmoxRefused as error:
            if error.retryable:
                raise
            text = N_("The disks would go to the storage {storage}, which cannot be used: {proxmox}")
            reasons.append(Message(text, storage=name, proxmox=error))
            continue
        if reason := _reason_against(seen[name]):
            reasons.append(reason)
    return Targets(of, seen, tuple(reasons))


def _reason_against(storage: archives.StorageStatus) -> Message | None:
    if not storage.active:
        text = N_("The disks would go to the storage {storage}, which is offline.")
        return Message(text, storage=storage.storage)
    if storage.content and "images" not in storage.content:
        text = N_("The disks would go to the storage {storage}, which takes no disks.")
        return Message(text, storage=storage.storage)
    return None


@dataclass(frozen=True)
class Room:
    """Storages that certainly lack space (`reasons`), and those that may run full (`warnings`)."""

    reasons: tuple[Message, ...] = ()
    warnings: tuple[Message, ...] = ()


def room(inside: Contents, targets: Targets, config: dict[str, Any], backup: Backup) -> Room:
    """Compare the space the disks need with the free space plus that of the VM's old disks.

    On storages that allocate what is written, only the size of the archive file proves that space is lacking.
    """
    needed, freed, reasons, warnings = Counter[str](), Counter[str](), [], []
    old = vms.disks(config)
    for slot, name in targets.of.items():
        needed[name] += inside.sizes.get(slot, 0)
        if slot in old:
            freed[old[slot].volid.partition(":")[0]] += _size(old[slot])
    for name, storage in targets.seen.items():
        there = storage.avail + freed[name]
        if not storage.active or needed[name] <= there:
            continue
        values = {"storage": name, "needed": disks.to_gib(needed[name]), "there": disks.to_gib(there)}
        if storage.type in THICK or (len(targets.seen) == 1 and _least_bytes(backup) > there):
            reasons.append(
                Message("The storage {storage} has no room: {needed} GiB are needed, {there} are there.", values)
            )
        else:
            warnings.append(
                Message(
                    "The storage {storage} may run full: the disks can take {needed} GiB, {there} are there.", values
                )
            )
    return Room(tuple(reasons), tuple(warnings))


def _least_bytes(backup: Backup) -> int:
    """The least number of bytes to be written: the archive file's size. 0 on PBS, where sizes are logical."""
    return 0 if "/vm/" in backup.volid else backup.size or 0
