"""The privileges of Proxmox VE and the stock roles that a state file may name."""

from __future__ import annotations

VM_USER = ("VM.Audit", "VM.Backup", "VM.Config.CDROM", "VM.Config.Cloudinit", "VM.Console", "VM.PowerMgmt")
VM_ADMIN = (
    *VM_USER,
    "VM.Allocate",
    "VM.Clone",
    "VM.Config.CPU",
    "VM.Config.Disk",
    "VM.Config.HWType",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
    "VM.Migrate",
    "VM.Snapshot",
    "VM.Snapshot.Rollback",
)
AGENT_ALL = (
    "VM.GuestAgent.Audit",
    "VM.GuestAgent.FileRead",
    "VM.GuestAgent.FileSystemMgmt",
    "VM.GuestAgent.FileWrite",
)
AGENT_9 = (*AGENT_ALL, "VM.GuestAgent.Unrestricted")
DATASTORE = ("Datastore.Allocate", "Datastore.AllocateSpace", "Datastore.AllocateTemplate", "Datastore.Audit")
OTHER = (
    "Group.Allocate",
    "Mapping.Audit",
    "Mapping.Modify",
    "Mapping.Use",
    "Permissions.Modify",
    "Pool.Allocate",
    "Pool.Audit",
    "Realm.Allocate",
    "Realm.AllocateUser",
    "SDN.Allocate",
    "SDN.Audit",
    "SDN.Use",
    "Sys.AccessNetwork",
    "Sys.Audit",
    "Sys.Console",
    "Sys.Incoming",
    "Sys.Modify",
    "Sys.PowerMgmt",
    "Sys.Syslog",
    "User.Modify",
)


def all_privileges(nine: bool) -> frozenset[str]:
    """Every privilege of the version."""
    return frozenset((*VM_ADMIN, *DATASTORE, *OTHER, *((*AGENT_9, "VM.Replicate") if nine else ("VM.Monitor",))))


def stock_roles(nine: bool) -> dict[str, frozenset[str]]:
    """The roles that every installation has, as far as guests, storages and nodes go."""
    return {
        "Administrator": all_privileges(nine),
        "NoAccess": frozenset(),
        "PVEAdmin": all_privileges(nine) - {"Permissions.Modify", "Sys.Modify", "Sys.PowerMgmt"},
        "PVEAuditor": frozenset(
            ("VM.Audit", "Datastore.Audit", "Sys.Audit", "Pool.Audit", "SDN.Audit", "Mapping.Audit")
        ),
        "PVEVMUser": frozenset((*VM_USER, *(AGENT_ALL if nine else ()))),
        "PVEVMAdmin": frozenset((*VM_ADMIN, *((*AGENT_9, "VM.Replicate") if nine else ("VM.Monitor",)))),
        "PVEDatastoreUser": frozenset(("Datastore.AllocateSpace", "Datastore.Audit")),
        "PVEDatastoreAdmin": frozenset(DATASTORE),
        "PVESDNUser": frozenset(("SDN.Audit", "SDN.Use")),
        "PVEPoolUser": frozenset(("Pool.Audit",)),
    }
