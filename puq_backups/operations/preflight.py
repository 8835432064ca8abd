"""Checks before a restore and describes what it would do. Only reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import Message, ProxmoxDenied, ProxmoxRefused
from ..models import Backup, Service
from ..pve import archives, notes, permissions, vms
from ..pve.client import Proxmox
from ..rules.package import Package
from .steps import backup_contents, disks
from .steps.backup_contents import Contents


@dataclass(frozen=True)
class Plan:
    """What a restore would do. It is refused if there are `reasons_against`.

    `happens` and `warnings` are sentences for the client, in the order of events. `running` and `snapshots` describe
    the VM at the moment of the check. `sizes` maps each slot in the backup to its size in bytes, where known.
    """

    reasons_against: tuple[Message, ...] = ()
    warnings: tuple[Message, ...] = ()
    happens: tuple[Message, ...] = ()
    running: bool = False
    snapshots: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)

    def without_paths(self) -> Plan:
        """Return the plan for a client, without directories of the provider's servers."""

        def plain(messages: tuple[Message, ...]) -> tuple[Message, ...]:
            return tuple(message.without_paths() for message in messages)

        return replace(
            self, reasons_against=plain(self.reasons_against), warnings=plain(self.warnings),
            happens=plain(self.happens),
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        sentences = ("reasons_against", "warnings", "happens")
        return {
            **{name: [message.to_json() for message in getattr(self, name)] for name in sentences},
            "running": self.running, "snapshots": list(self.snapshots), "sizes": dict(self.sizes),
        }  # fmt: skip

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Plan:
        def sentences(name: str) -> tuple[Message, ...]:
            found = (Message.from_json(one) for one in stored.get(name, ()))
            return tuple(message for message in found if message)

        return cls(
            sentences("reasons_against"), sentences("warnings"), sentences("happens"), bool(stored.get("running")),
            tuple(stored.get("snapshots", ())), dict(stored.get("sizes", {})),
        )  # fmt: skip


@dataclass(frozen=True)
class _Facts:
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


def plan_restore(
    proxmox: Proxmox, service: Service, backup: Backup, package: Package, *, kept: dict[str, Any] | None = None
) -> Plan:
    """Plan a restore of `backup` over the service's VM. Makes about eight calls to Proxmox, all of them reads.

    `kept` is the VM's configuration from before a failed restore (`before` of that operation), used instead of what
    the failure left. Raises ProxmoxError if Proxmox does not answer, VmMissing if the VM was moved or is gone.
    """
    found = vms.config_if_any(proxmox, service.node, service.vmid) if kept else None
    gone = bool(kept) and found is None
    found = {} if gone else found or vms.config(proxmox, service.node, service.vmid)
    facts = _Facts(
        proxmox, service, backup, package, kept or found, bool(kept), gone,
        vms.NO_VM if gone else vms.status(proxmox, service.node, service.vmid),
        [] if gone else vms.snapshots(proxmox, service.node, service.vmid),
    )  # fmt: skip
    against = list(_reason_against(facts, found))
    inside, read_failure = (None, None) if against else _read_contents(facts)
    if read_failure and not read_failure.passable:
        against.append(read_failure.message)
    targets = backup_contents.targets(proxmox, service.node, inside, package) if inside else backup_contents.Targets()
    room = backup_contents.room(inside, targets, facts.config, backup) if inside else backup_contents.Room()
    return Plan(
        reasons_against=(*against, *targets.reasons, *room.reasons),
        warnings=(
            *_warnings(facts, found, inside),
            *([read_failure.message] if read_failure else []),
            *room.warnings,
        ),
        happens=tuple(_describe(facts, inside)),
        running=facts.status.status == "running",
        snapshots=tuple(facts.snapshots),
        sizes=inside.sizes if inside else {},
    )


def _reason_against(facts: _Facts, found: dict[str, Any]) -> Iterator[Message]:
    """Reasons against the restore that are known without reading the backup's configuration."""
    backup, service = facts.backup, facts.service
    if backup.service_id != service.id or backup.server_id != service.server_id or backup.removed_at:
        yield Message("This backup does not belong to the service.")
        return
    if backup.node not in {"", service.node}:
        yield Message("This backup is on node {node} alone, and the machine has moved.", node=backup.node)
        return
    if facts.gone and not _may(facts, "VM.Allocate"):
        yield Message(
            "Nothing is left of the virtual machine, and the API token lacks the privilege VM.Allocate to make it "
            "again."
        )
    if found.get("protection") and not _may(facts, "VM.Config.Options"):
        yield Message(
            "The virtual machine is protected against changes, and the API token lacks the privilege "
            "VM.Config.Options to lift that."
        )
    storage = archives.storage_status(facts.proxmox, service.node, backup.storage)
    if not storage.active:
        yield Message("The storage {storage} is offline.", storage=backup.storage)
        return
    archive = _archive(facts, on_pbs=storage.type == "pbs")
    if archive is None:
        yield Message("The file of this backup is no longer on its storage.")
        return
    marker = notes.find_marker(archive.notes)
    if marker and marker[0] != service.token and backup.kind != "adopted":
        yield Message("The file under this backup's name belongs to another service.")
    if "failed" in {archive.verification, backup.verification}:
        yield Message("The storage found this backup to be damaged.")


def _archive(facts: _Facts, *, on_pbs: bool) -> archives.Archive | None:
    """The archive on its storage, or None. On PBS only the listing includes the verification state."""
    proxmox, node, volid = facts.proxmox, facts.service.node, facts.backup.volid
    if not on_pbs:
        return archives.find(proxmox, node, volid)
    listed = archives.listing(proxmox, node, facts.backup.storage, facts.backup.vmid)
    return next((archive for archive in listed if archive.volid == volid), None)


def _may(facts: _Facts, privilege: str) -> bool:
    path = f"/vms/{facts.service.vmid}"
    return privilege in permissions.permissions(facts.proxmox, path).get(path, {})


@dataclass(frozen=True)
class _ReadFailure:
    """Why the backup's configuration could not be read. `passable`: it can be restored all the same."""

    message: Message
    passable: bool


def _read_contents(facts: _Facts) -> tuple[Contents | None, _ReadFailure | None]:
    try:
        config = archives.archived_config(facts.proxmox, facts.service.node, facts.backup.volid)
    except ProxmoxDenied as error:
        text = "What this backup holds could not be looked at beforehand: {proxmox}"
        return None, _ReadFailure(Message(text, proxmox=error), passable=True)
    except ProxmoxRefused as error:
        if error.retryable:
            raise
        return None, _ReadFailure(Message("This backup cannot be read: {proxmox}", proxmox=error), passable=False)
    return Contents.of(config), None


def _warnings(facts: _Facts, found: dict[str, Any], inside: Contents | None) -> Iterator[Message]:
    if found.get("lock"):
        yield Message(
            "Proxmox holds a lock on the virtual machine ({lock}); the restore waits for its end.", lock=found["lock"]
        )
    if facts.backup.damaged_at:
        yield Message("The last restore from this backup failed, because the backup is damaged.")
    if facts.snapshots:
        yield Message(
            "These snapshots of the virtual machine will be lost: {names}.", names=", ".join(facts.snapshots)
        )
    if inside is None:
        return
    for slot in sorted(set(inside.left_out) - set(vms.disks(facts.config))):
        yield Message("The disk {slot} was left out of this backup and does not come back.", slot=slot)
    for slot, wanted in inside.wanted(facts.package).items():
        size = inside.sizes.get(slot)
        if size and size > wanted * disks.GIB:
            yield disks.stays_larger(slot, size, wanted)


def _describe(facts: _Facts, inside: Contents | None) -> Iterator[Message]:
    if facts.status.status == "running":
        yield Message("The virtual machine is running: it is shut down first, and started again at the end.")
    else:
        yield Message("The virtual machine is off; it is started at the end.")
    yield from _disks(facts, inside) if inside else ()
    yield Message("CPU, memory, disks and network are set to what your package has.")
    yield Message("Name, notes, options, addresses and firewall rules stay as they are now.")


def _disks(facts: _Facts, inside: Contents) -> Iterator[Message]:
    has = vms.disks(facts.config)
    for slot in inside.slots:
        size = disks.to_gib(inside.sizes[slot]) if slot in inside.sizes else "?"
        if slot in has:
            yield Message("The disk {slot} ({size} GiB) goes back to its state in this backup.", slot=slot, size=size)
        else:
            text = "The disk {slot} ({size} GiB) comes back; the virtual machine does not have it now."
            yield Message(text, slot=slot, size=size)
    # After a failed restore it is unknown which of the other disks still exist.
    for slot in sorted(set(has) - set(inside.slots)) if not facts.lost else ():
        yield Message("The disk {slot} is not in this backup: it keeps its data and is attached again.", slot=slot)
    for slot, wanted in inside.wanted(facts.package).items():
        if 0 < inside.sizes.get(slot, 0) < wanted * disks.GIB:
            yield Message("The disk {slot} is enlarged to {wanted} GiB.", slot=slot, wanted=wanted)
    if facts.package.additional_disk and not inside.additional and not disks.additional_slot(facts.config):
        yield Message("A new, empty additional disk of {size} GiB is added.", size=facts.package.additional_disk)
