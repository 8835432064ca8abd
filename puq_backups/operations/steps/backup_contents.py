"""What a backup holds, where it would go, and whether there is room. Sizes are in bytes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ...errors import Message, ProxmoxRefused
from ...models import Backup
from ...pve import backups as archives
from ...pve import vms
from ...pve.client import Proxmox
from ...rules.package import Package
from . import disks

THICK = {"lvm"}
"""Types of storages that take a disk's whole size at once; on others an empty disk takes next to nothing."""


@dataclass(frozen=True)
class Contents:
    """The disks in a backup: `slots` in their order, `sizes` as far as known, `storages` where each came from.

    `left_out` are disks that its configuration names and that are not in it; `system` and `additional` the slots
    that the package speaks of.
    """

    slots: tuple[str, ...] = ()
    sizes: dict[str, int] = field(default_factory=dict)
    storages: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    system: str | None = None
    additional: str | None = None

    @classmethod
    def of(cls, config: dict[str, Any]) -> Contents:
        """Read from the configuration inside an archive."""
        found = vms.disks(config)
        held = {slot: drive for slot, drive in found.items() if drive.options.get("backup") != "0"}
        without = {key: value for key, value in config.items() if key not in found or key in held}
        sources = config.get("#qmdump#map", {})
        return cls(
            slots=tuple(held),
            sizes={slot: size for slot, drive in held.items() if (size := _size(drive))},
            storages={
                slot: sources.get(slot, {}).get("storage") or drive.volid.partition(":")[0]
                for slot, drive in held.items()
            },
            left_out=tuple(slot for slot in found if slot not in held),
            system=vms.boot_disk(without),
            additional=disks.additional_slot(without),
        )

    def wanted(self, package: Package) -> dict[str, int]:
        """The GiB that the package gives the disks in the backup, by slot."""
        sizes = {self.system: package.system_disk, self.additional: package.additional_disk}
        return {slot: gib for slot, gib in sizes.items() if slot and gib}


def _size(drive: vms.Drive) -> int:
    try:
        return vms.size_bytes(drive.options.get("size", ""))
    except ValueError:
        return 0


@dataclass(frozen=True)
class Targets:
    """The storages that the disks would be written to: slot → name, name → how it stands; and what is wrong."""

    of: dict[str, str] = field(default_factory=dict)
    seen: dict[str, archives.StorageStatus] = field(default_factory=dict)
    reasons: tuple[Message, ...] = ()


def targets(proxmox: Proxmox, node: str, inside: Contents, package: Package) -> Targets:
    """Look at each storage that a disk goes to: the package's restore storage, else where the disk came from."""
    if not inside.slots:
        return Targets(reasons=(Message("This backup holds no disk."),))
    of = {slot: package.restore_storage or inside.storages[slot] for slot in inside.slots}
    seen: dict[str, archives.StorageStatus] = {}
    reasons = []
    for name in dict.fromkeys(of.values()):
        try:
            seen[name] = archives.storage_status(proxmox, node, name)
        except ProxmoxRefused as error:
            if error.retryable:
                raise
            text = "The disks would go to the storage {storage}, which cannot be used: {proxmox}"
            reasons.append(Message(text, storage=name, proxmox=error))
            continue
        if reason := _reason_against(seen[name]):
            reasons.append(reason)
    return Targets(of, seen, tuple(reasons))


def _reason_against(storage: archives.StorageStatus) -> Message | None:
    if not storage.active:
        text = "The disks would go to the storage {storage}, which is offline."
        return Message(text, storage=storage.storage)
    if storage.content and "images" not in storage.content:
        text = "The disks would go to the storage {storage}, which takes no disks."
        return Message(text, storage=storage.storage)
    return None


@dataclass(frozen=True)
class Room:
    """Where there is surely no room (`reasons`), and where there may be none (`warnings`)."""

    reasons: tuple[Message, ...] = ()
    warnings: tuple[Message, ...] = ()


def room(inside: Contents, targets: Targets, config: dict[str, Any], backup: Backup) -> Room:
    """Compare what the disks take with what is free and what the VM's old disks give back first.

    Unknown is not a refusal: where disks grow as they are filled, only what the archive's own size proves is one.
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
    """Bytes that surely have to be written: an archive's file. On PBS the size is that of the disks."""
    return 0 if "/vm/" in backup.volid else backup.size or 0
