"""The privileges of Proxmox VE and its built-in roles, as PVE::AccessControl derives them from groups of privileges.

Each group names what belongs to Administrator only, to the administrator's, the user's and the auditor's role of it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """The privileges of one kind of object."""

    name: str
    root: tuple[str, ...] = ()
    admin: tuple[str, ...] = ()
    user: tuple[str, ...] = ()
    audit: tuple[str, ...] = ()


VM_CONFIG = tuple(f"VM.Config.{name}" for name in ("Disk", "CPU", "Memory", "Network", "HWType", "Options"))
VM_ADMIN = (*VM_CONFIG, "VM.Allocate", "VM.Clone", "VM.Migrate", "VM.Snapshot", "VM.Snapshot.Rollback")
VM_USER = ("VM.Config.CDROM", "VM.Config.Cloudinit", "VM.Console", "VM.Backup", "VM.PowerMgmt")
VM_8 = Group("VM", admin=(*VM_ADMIN, "VM.Monitor"), user=VM_USER, audit=("VM.Audit",))
VM_9 = Group(
    "VM",
    admin=(*VM_ADMIN, "VM.GuestAgent.Unrestricted", "VM.Replicate"),
    user=(*VM_USER, "VM.GuestAgent.FileRead", "VM.GuestAgent.FileSystemMgmt", "VM.GuestAgent.FileWrite"),
    audit=("VM.Audit", "VM.GuestAgent.Audit"),
)
OTHERS = (
    Group(
        "Sys",
        root=("Sys.PowerMgmt", "Sys.Modify", "Sys.Incoming", "Sys.AccessNetwork"),
        admin=("Sys.Console", "Sys.Syslog"),
        audit=("Sys.Audit",),
    ),
    Group(
        "Datastore",
        admin=("Datastore.Allocate", "Datastore.AllocateTemplate"),
        user=("Datastore.AllocateSpace",),
        audit=("Datastore.Audit",),
    ),
    Group("SDN", admin=("SDN.Allocate", "SDN.Audit"), user=("SDN.Use",), audit=("SDN.Audit",)),
    Group("User", root=("Realm.Allocate",), admin=("User.Modify", "Group.Allocate", "Realm.AllocateUser")),
    Group("Pool", admin=("Pool.Allocate",), user=("Pool.Audit",), audit=("Pool.Audit",)),
    Group("Mapping", admin=("Mapping.Modify",), user=("Mapping.Use",), audit=("Mapping.Audit",)),
)


def _groups(nine: bool) -> tuple[Group, ...]:
    return (VM_9 if nine else VM_8, *OTHERS)


@functools.cache
def all_privileges(nine: bool) -> frozenset[str]:
    """Every privilege of PVE 9 or 8."""
    found = {"Permissions.Modify"}
    for group in _groups(nine):
        found |= {*group.root, *group.admin, *group.user, *group.audit}
    return frozenset(found)


def stock_roles(nine: bool) -> dict[str, frozenset[str]]:
    """The built-in roles of PVE 9 or 8."""
    found = {"Administrator": all_privileges(nine), "NoAccess": frozenset[str]()}
    admin: set[str] = set()
    auditor: set[str] = set()
    for group in _groups(nine):
        whole = {*group.admin, *group.user, *group.audit}
        found[f"PVE{group.name}Admin"] = frozenset(whole)
        admin |= whole
        auditor |= set(group.audit)
        if group.user:
            found[f"PVE{group.name}User"] = frozenset((*group.user, *group.audit))
    found["PVEAdmin"] = frozenset(admin - {"Mapping.Modify"})
    found["PVEAuditor"] = frozenset(auditor)
    found["PVETemplateUser"] = frozenset(("VM.Clone", "VM.Audit"))
    return found
