"""Chooses the storage for the disks of a reinstalled VM: online, permitted and with enough space."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...errors import Message, ProxmoxRefused
from ...i18n.translator import N_
from ...pve import archives, permissions, vms
from ...rules.package import Package
from ..step import StepContext
from . import disks

LACKS = N_("The token lacks {privilege} on {path}, which reinstalling needs. The provider has to grant it.")
THICK = {"lvm"}
"""Storage types that allocate a disk's whole size at once; the others allocate what is written."""


@dataclass(frozen=True)
class ReinstallFacts:
    """Facts on which the preconditions are checked.

    `before` is the VM's configuration before the failure, `present` that of what is left of it (None: nothing),
    `original` that of the template.
    """

    step: StepContext
    package: Package
    before: dict[str, Any]
    present: dict[str, Any] | None
    pool: str | None
    template: int = 0
    template_node: str = ""
    original: dict[str, Any] = field(default_factory=dict)

    @property
    def is_far(self) -> bool:
        """Whether the template is on another node than the VM."""
        return self.template_node != self.step.node


@dataclass
class SpaceNeeded:
    """Bytes needed on a storage: by the clone itself, and by growing and adding disks later."""

    copied: int = 0
    later: int = 0


def choose_storage(facts: ReinstallFacts) -> tuple[str | None, Message | None]:
    """Choose the first storage that can take the disks; returns (storage, reason against all).

    Tried are the package's restore storage, the one of the VM's system disk, and the template's own storages (None).
    """
    reasons = []
    for name in (*dict.fromkeys(filter(None, (facts.package.restore_storage, _storage_of(facts.before)))), None):
        reason = _reason_against(facts, name)
        if reason is None:
            return name, None
        reasons.append(reason)
    return None, reasons[0]


def _storage_of(config: dict[str, Any]) -> str | None:
    boot = vms.boot_disk(config)
    return _storage_id(vms.disks(config)[boot]) if boot else None


def _reason_against(facts: ReinstallFacts, storage: str | None) -> Message | None:
    """Why the disks cannot be placed on this storage, or None."""
    needs = _needs(facts, storage)
    # The template's node makes a clone for another node, so the source storages must be shared as well.
    sources = {_storage_id(drive) for drive in vms.disks(facts.original).values()} if facts.is_far else set()
    for name in (*needs, *sorted(sources - set(needs))):
        reason = _reason_against_one(facts, name, needs.get(name, SpaceNeeded()))
        if reason is not None:
            return reason
    return None


def _reason_against_one(facts: ReinstallFacts, name: str, need: SpaceNeeded) -> Message | None:
    seen = _usable_storage(facts, name)
    if seen is None:
        return Message("The storage {storage} is offline.", storage=name)
    if "images" not in seen.content:
        return Message("The storage {storage} cannot hold disks.", storage=name)
    if facts.is_far and not seen.shared:
        return Message(
            "The template is on node {there}, and node {here} does not share the storage {storage} with it.",
            there=facts.template_node, here=facts.step.node, storage=name,
        )  # fmt: skip
    if permissions.missing_privileges(facts.step.proxmox, (f"/storage/{name}",), ("Datastore.AllocateSpace",)):
        return Message(LACKS, privilege="Datastore.AllocateSpace", path=f"/storage/{name}")
    wanted = need.copied + (need.later if seen.type in THICK else 0)
    if seen.avail + _bytes_freed(facts, name) < wanted:
        return Message("The storage {storage} has no room for the new disks.", storage=name)
    return None


def _usable_storage(facts: ReinstallFacts, name: str) -> archives.StorageStatus | None:
    try:
        seen = archives.storage_status(facts.step.proxmox, facts.step.node, name)
    except ProxmoxRefused as error:
        if error.retryable:
            raise
        return None
    return seen if seen.active else None


def _needs(facts: ReinstallFacts, storage: str | None) -> dict[str, SpaceNeeded]:
    """Bytes needed, by storage."""
    needs: dict[str, SpaceNeeded] = {}
    copies = vms.disks(facts.original)
    for drive in copies.values():
        need = needs.setdefault(storage or _storage_id(drive), SpaceNeeded())
        need.copied += _size(drive)
    system = copies[str(vms.boot_disk(facts.original))]
    needs[storage or _storage_id(system)].later += max(_system_size(facts) - _size(system), 0)
    if facts.package.additional_disk and not disks.additional_slot(facts.original):
        added = needs.setdefault(facts.package.additional_storage or storage or _storage_id(system), SpaceNeeded())
        added.later += facts.package.additional_disk * disks.GIB
    return needs


def _system_size(facts: ReinstallFacts) -> int:
    """The final size of the system disk in bytes."""
    if facts.package.system_disk:
        return facts.package.system_disk * disks.GIB
    boot = vms.boot_disk(facts.before)
    return _size(vms.disks(facts.before)[boot]) if boot else 0


def _storage_id(drive: vms.Drive) -> str:
    return drive.volid.partition(":")[0]


def _size(drive: vms.Drive) -> int:
    return vms.size_bytes(str(drive.options.get("size") or "0"))


def _bytes_freed(facts: ReinstallFacts, storage: str) -> int:
    """Bytes that the VM's old disks free on this storage."""
    return sum(_size(drive) for drive in vms.disks(facts.present or {}).values() if _storage_id(drive) == storage)
