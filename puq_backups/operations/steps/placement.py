"""Where the disks of a reinstalled VM go: to a storage that is there, may be used and has room."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...errors import Message, ProxmoxRefused
from ...i18n.translator import N_
from ...pve import backups as archives
from ...pve import permissions, vms
from ...rules.package import Package
from ..step import Work
from . import disks

LACKS = N_("The token lacks {privilege} on {path}, which reinstalling needs. The provider has to grant it.")
THICK = {"lvm"}
"""Storages where a disk takes its whole size at once; elsewhere only what is written."""


@dataclass(frozen=True)
class Site:
    """What is proven: `before` is the VM's own configuration, `present` what is left of it (None: nothing)."""

    work: Work
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
        return self.template_node != self.work.node


@dataclass
class Need:
    """What a storage must have room for, in bytes: by the copy itself, and by what is grown and added later."""

    copied: int = 0
    later: int = 0


def storage(site: Site) -> tuple[str | None, Message | None]:
    """The first storage that can take the disks: the package's, the one where they were, else None, the template's.

    Beside it, where none can, why the first one cannot.
    """
    reasons = []
    for name in (*dict.fromkeys(filter(None, (site.package.restore_storage, _storage_of(site.before)))), None):
        reason = _against(site, name)
        if reason is None:
            return name, None
        reasons.append(reason)
    return None, reasons[0]


def _storage_of(config: dict[str, Any]) -> str | None:
    boot = vms.boot_disk(config)
    return _holder(vms.disks(config)[boot]) if boot else None


def _against(site: Site, storage: str | None) -> Message | None:
    """Why the disks cannot go to this storage, or None."""
    needs = _needs(site, storage)
    # A copy for another node is made where the template is: what it reads must be shared as well.
    sources = {_holder(drive) for drive in vms.disks(site.original).values()} if site.is_far else set()
    for name in (*needs, *sorted(sources - set(needs))):
        reason = _against_one(site, name, needs.get(name, Need()))
        if reason is not None:
            return reason
    return None


def _against_one(site: Site, name: str, need: Need) -> Message | None:
    seen = _seen(site, name)
    if seen is None:
        return Message("The storage {storage} is offline.", storage=name)
    if "images" not in seen.content:
        return Message("The storage {storage} cannot hold disks.", storage=name)
    if site.is_far and not seen.shared:
        return Message(
            "The template is on node {there}, and node {here} does not share the storage {storage} with it.",
            there=site.template_node, here=site.work.node, storage=name,
        )  # fmt: skip
    if permissions.missing_privileges(site.work.proxmox, (f"/storage/{name}",), ("Datastore.AllocateSpace",)):
        return Message(LACKS, privilege="Datastore.AllocateSpace", path=f"/storage/{name}")
    wanted = need.copied + (need.later if seen.type in THICK else 0)
    if seen.avail + _freed(site, name) < wanted:
        return Message("The storage {storage} has no room for the new disks.", storage=name)
    return None


def _seen(site: Site, name: str) -> archives.StorageStatus | None:
    try:
        seen = archives.storage_status(site.work.proxmox, site.work.node, name)
    except ProxmoxRefused as error:
        if error.retryable:
            raise
        return None
    return seen if seen.active else None


def _needs(site: Site, storage: str | None) -> dict[str, Need]:
    """What goes to which storage."""
    needs: dict[str, Need] = {}
    copies = vms.disks(site.original)
    for drive in copies.values():
        need = needs.setdefault(storage or _holder(drive), Need())
        need.copied += _size(drive)
    system = copies[str(vms.boot_disk(site.original))]
    needs[storage or _holder(system)].later += max(_system_size(site) - _size(system), 0)
    if site.package.additional_disk and not disks.additional(site.original):
        added = needs.setdefault(site.package.additional_storage or storage or _holder(system), Need())
        added.later += site.package.additional_disk * disks.GIB
    return needs


def _system_size(site: Site) -> int:
    """The size that the system disk is to have."""
    if site.package.system_disk:
        return site.package.system_disk * disks.GIB
    boot = vms.boot_disk(site.before)
    return _size(vms.disks(site.before)[boot]) if boot else 0


def _holder(drive: vms.Drive) -> str:
    return drive.volid.partition(":")[0]


def _size(drive: vms.Drive) -> int:
    return vms.size_bytes(str(drive.options.get("size") or "0"))


def _freed(site: Site, storage: str) -> int:
    """What the VM's own disks give back there."""
    return sum(_size(drive) for drive in vms.disks(site.present or {}).values() if _holder(drive) == storage)
