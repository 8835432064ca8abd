"""Checks before a restore, and the plan of what it would do. Only reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import Message, ProxmoxDenied, ProxmoxRefused, StorageMissing
from ..i18n.translator import N_
from ..inventory.service_backups import BY_OTHERS
from ..models import Backup, Service
from ..pve import archives, nodes, notes, permissions, storages, vms
from ..pve.client import Proxmox
from ..rules import vm_options
from ..rules.package import Package
from . import restore_effects
from .restore_effects import RestoreFacts
from .steps import backup_contents, networks
from .steps.backup_contents import Contents
from .steps.networks import NO_BRIDGE

ARCHIVE_GONE = Message("The file of this backup is no longer on its storage.")
TOO_MANY_CPUS = N_("The server would have {wanted} CPUs, and node {node} has {there}: it would not start.")
LACKS = N_("The API token lacks {privilege} on {path}, which a restore needs. The provider has to grant it.")


@dataclass(frozen=True)
class Plan:
    """What a restore would do. It is refused if there are `reasons_against`.

    `happens` and `warnings` are sentences for the client, in the order of events. `running` and `snapshots` describe
    the VM at the moment of the check. `sizes` maps each slot in the backup to its size in bytes, where known, and
    `identity` is that of the VM in the backup, "" if it is not known.
    """

    reasons_against: tuple[Message, ...] = ()
    warnings: tuple[Message, ...] = ()
    happens: tuple[Message, ...] = ()
    running: bool = False
    snapshots: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    identity: str = ""

    def without_paths(self) -> Plan:
        """Return the plan for a client, without directories of the provider's servers."""

        def plain(messages: tuple[Message, ...]) -> tuple[Message, ...]:
            return tuple(message.without_paths() for message in messages)

        return replace(
            self, reasons_against=plain(self.reasons_against), warnings=plain(self.warnings),
            happens=plain(self.happens),
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Return the plan as it is stored with an operation."""
        sentences = ("reasons_against", "warnings", "happens")
        return {
            **{name: [message.to_json() for message in getattr(self, name)] for name in sentences},
            "running": self.running, "snapshots": list(self.snapshots), "sizes": dict(self.sizes),
            "identity": self.identity,
        }  # fmt: skip

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Plan:
        """Return a stored plan; what is missing in it is empty."""

        def sentences(name: str) -> tuple[Message, ...]:
            found = (Message.from_json(one) for one in stored.get(name, ()))
            return tuple(message for message in found if message)

        return cls(
            sentences("reasons_against"), sentences("warnings"), sentences("happens"), bool(stored.get("running")),
            tuple(stored.get("snapshots", ())), dict(stored.get("sizes", {})), str(stored.get("identity", "")),
        )  # fmt: skip


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
    facts = RestoreFacts(
        proxmox, service, backup, package, kept or found, bool(kept), gone,
        vms.NO_VM if gone else vms.status(proxmox, service.node, service.vmid),
        [] if gone else vms.snapshots(proxmox, service.node, service.vmid),
    )  # fmt: skip
    against = list(_reason_against(facts, found))
    inside, read_failure = (None, None) if against else _read_contents(facts)
    if read_failure and not read_failure.passable:
        against.append(read_failure.message)
    targets = backup_contents.targets(proxmox, service.node, inside, package) if inside else backup_contents.Targets()
    against += _against_cpus(facts) if inside else []
    against += _against_networks(facts, inside.config) if inside else []
    against += _against_target_rights(facts, targets) if inside else []
    room = backup_contents.room(inside, targets, facts.config, backup) if inside else backup_contents.Room()
    return Plan(
        reasons_against=(*against, *targets.reasons, *room.reasons),
        warnings=(
            *restore_effects.warnings(facts, found, inside),
            *([read_failure.message] if read_failure else []),
            *room.warnings,
        ),
        happens=tuple(restore_effects.describe(facts, inside)),
        running=facts.status.status == "running",
        snapshots=tuple(facts.snapshots),
        sizes=inside.sizes if inside else {},
        identity=vms.identity(inside.config) if inside else "",
    )


def _reason_against(facts: RestoreFacts, found: dict[str, Any]) -> Iterator[Message]:
    """Reasons against the restore that are known without reading the backup's configuration."""
    backup, service = facts.backup, facts.service
    if backup.service_id != service.id or backup.server_id != service.server_id or backup.removed_at:
        yield Message("This backup does not belong to the service.")
        return
    if backup.node not in {"", service.node}:
        yield Message("Your server has moved away from its backups (on {node}). Contact support.", node=backup.node)
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
    yield from _against_archive(facts)


def _against_archive(facts: RestoreFacts) -> Iterator[Message]:
    """Reasons against the archive: its storage is not there or offline, the file is gone, another's or damaged."""
    backup, service = facts.backup, facts.service
    try:
        storage = archives.storage_status(facts.proxmox, service.node, backup.storage)
    except StorageMissing as error:
        yield error.message
        return
    if not storage.enabled:
        yield storages.not_on_node(backup.storage, service.node)
        return
    if not storage.active:
        yield Message("The storage {storage} is offline.", storage=backup.storage)
        return
    archive = _archive(facts, on_pbs=storage.type == "pbs")
    if archive is None:
        yield ARCHIVE_GONE
        return
    marker = notes.find_marker(archive.notes)
    if marker and marker[0] != service.token and backup.kind not in BY_OTHERS:
        yield Message("The file under this backup's name belongs to another service.")
    if "failed" in {archive.verification, backup.verification}:
        yield Message("The storage found this backup to be damaged.")


def _against_cpus(facts: RestoreFacts) -> list[Message]:
    """A reason if the VM would have more CPUs than its node, because Proxmox starts no such VM."""
    wanted = facts.package.cores or vm_options.cpu_count(facts.config)
    there = nodes.cpu_count(facts.proxmox, facts.service.node)
    if there is None or wanted <= there:
        return []
    return [Message(TOO_MANY_CPUS, wanted=wanted, node=facts.service.node, there=there)]


def _against_networks(facts: RestoreFacts, archived: dict[str, Any]) -> list[Message]:
    """Reasons against the networks: a bridge that the node lacks, or that the token may not use."""
    node = facts.service.node
    there = networks.bridges(facts.proxmox, node)
    wanted = networks.wanted_cards(facts.package, facts.config)
    if missing := networks.missing_bridge(there, wanted):
        return [Message(NO_BRIDGE, bridge=missing, node=node)]
    for paths in networks.sdn_paths(there, wanted, networks.cards(archived)):
        if permissions.missing_privileges(facts.proxmox, paths, ("SDN.Use",)):
            return [Message(LACKS, privilege="SDN.Use", path=paths[0])]
    return []


def _against_target_rights(facts: RestoreFacts, targets: backup_contents.Targets) -> list[Message]:
    """Reasons against the storages of the disks: Proxmox refuses the restore only after the VM was powered off."""
    needed = ("Datastore.AllocateSpace",)
    paths = [f"/storage/{name}" for name in targets.seen]
    return [
        Message(LACKS, privilege=needed[0], path=path)
        for path in paths if permissions.missing_privileges(facts.proxmox, (path,), needed)
    ]  # fmt: skip


def _archive(facts: RestoreFacts, *, on_pbs: bool) -> archives.Archive | None:
    """The archive on its storage, or None. On PBS only the listing includes the verification state."""
    proxmox, node, volid = facts.proxmox, facts.service.node, facts.backup.volid
    if not on_pbs:
        return archives.find(proxmox, node, volid)
    listed = archives.listing(proxmox, node, facts.backup.storage, facts.backup.vmid)
    return next((archive for archive in listed if archive.volid == volid), None)


def _may(facts: RestoreFacts, privilege: str) -> bool:
    path = f"/vms/{facts.service.vmid}"
    return privilege in permissions.permissions(facts.proxmox, path).get(path, {})


@dataclass(frozen=True)
class _ReadFailure:
    """Why the backup's configuration could not be read. `passable`: it can be restored all the same."""

    message: Message
    passable: bool


def _read_contents(facts: RestoreFacts) -> tuple[Contents | None, _ReadFailure | None]:
    try:
        config = archives.archived_config(facts.proxmox, facts.service.node, facts.backup.volid)
    except ProxmoxDenied as error:
        text = N_("What this backup holds could not be looked at beforehand: {proxmox}")
        return None, _ReadFailure(Message(text, proxmox=error), passable=True)
    except ProxmoxRefused as error:
        if error.retryable:
            raise
        return None, _ReadFailure(Message("This backup cannot be read: {proxmox}", proxmox=error), passable=False)
    return Contents.of(config), None
