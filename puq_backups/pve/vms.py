"""Virtual machines: where they are, how they stand, and what changes them. Each change is one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import BadInput, VmMissing
from . import paths
from .client import Proxmox
from .configuration import DISK, boot_disk, disks, identity, memory_mib, unused
from .properties import SIZE, Drive, Net, parse_drive, parse_net, size_bytes, size_text
from .upid import Upid

__all__ = [
    "STOPPED", "Drive", "Net", "VmPlace", "VmStatus", "boot_disk", "clone", "config", "config_if_any", "destroy",
    "disks", "find_node", "identity", "locate", "memory_mib", "parse_drive", "parse_net", "resize", "set_config",
    "shutdown", "size_bytes", "size_text", "snapshots", "start", "status", "stop", "unused",
]  # fmt: skip


@dataclass(frozen=True)
class VmPlace:
    """Where a VM is. `status` and `name` lag up to 20 seconds; "unknown" on a dead node. `pool` needs Pool.Audit."""

    node: str
    name: str
    status: str
    lock: str | None
    template: bool
    pool: str | None = None


@dataclass(frozen=True)
class VmStatus:
    """How a VM stands now. `uptime` in seconds; `qmpstatus` as QEMU says it ("running", "paused", "prelaunch")."""

    status: str
    qmpstatus: str
    lock: str | None
    name: str
    uptime: int
    ha_managed: bool


STOPPED = VmStatus(status="stopped", qmpstatus="stopped", lock=None, name="", uptime=0, ha_managed=False)
"""How a VM stands that is not there."""


def locate(proxmox: Proxmox) -> dict[int, VmPlace]:
    """Every VM that our token may see, by VMID. Costly on a large cluster: at most once a minute."""
    rows = proxmox.get_list("cluster", "resources", type="vm")
    return {int(row["vmid"]): _place(row) for row in rows if row.get("type") == "qemu" and "vmid" in row}


def _place(row: dict[str, Any]) -> VmPlace:
    return VmPlace(
        node=str(row.get("node", "")),
        name=str(row.get("name", "")),
        status=str(row.get("status", "unknown")),
        lock=row.get("lock") or None,
        template=_yes(row.get("template")),
        pool=row.get("pool") or None,
    )


def find_node(proxmox: Proxmox, vmid: int) -> str | None:
    """The node a VM is on; None if it is gone or our token may not see it."""
    place = locate(proxmox).get(int(vmid))
    return place.node if place else None


def config(proxmox: Proxmox, node: str, vmid: int) -> dict[str, Any]:
    """The VM's configuration as Proxmox gives it, pending changes included."""
    return proxmox.get_dict(*_vm(node, vmid), "config")


def config_if_any(proxmox: Proxmox, node: str, vmid: int) -> dict[str, Any] | None:
    """The VM's configuration; None where it is nowhere in the cluster. VmMissing where it is on another node."""
    try:
        return config(proxmox, node, vmid)
    except VmMissing:
        # Who may not see a VM is denied its config: of one that is missing there, the list says the truth.
        if find_node(proxmox, vmid) is None:
            return None
        raise


def status(proxmox: Proxmox, node: str, vmid: int) -> VmStatus:
    """How the VM stands now."""
    row = proxmox.get_dict(*_vm(node, vmid), "status", "current")
    ha = row.get("ha")
    return VmStatus(
        status=str(row.get("status", "")),
        qmpstatus=str(row.get("qmpstatus") or row.get("status", "")),
        lock=row.get("lock") or None,
        name=str(row.get("name", "")),
        uptime=int(row.get("uptime") or 0),
        ha_managed=isinstance(ha, dict) and _yes(ha.get("managed")),
    )


def snapshots(proxmox: Proxmox, node: str, vmid: int) -> list[str]:
    """The names of the VM's snapshots, oldest first."""
    rows = [row for row in proxmox.get_list(*_vm(node, vmid), "snapshot") if row.get("name") != "current"]
    return [str(row["name"]) for row in sorted(rows, key=lambda row: int(row.get("snaptime") or 0))]


def start(proxmox: Proxmox, node: str, vmid: int) -> Upid:
    """Start the VM. Under HA the task only requests it."""
    return proxmox.post_task(*_vm(node, vmid), "status", "start")


def stop(proxmox: Proxmox, node: str, vmid: int) -> Upid:
    """Cut the VM's power. Under HA the task only requests it; one that is stopped already ends well."""
    return proxmox.post_task(*_vm(node, vmid), "status", "stop")


def shutdown(proxmox: Proxmox, node: str, vmid: int, timeout: int = 60) -> Upid:
    """Ask the guest to shut down; the task fails if it has not within `timeout` seconds."""
    return proxmox.post_task(*_vm(node, vmid), "status", "shutdown", timeout=int(timeout))


def set_config(
    proxmox: Proxmox,
    node: str,
    vmid: int,
    changes: Mapping[str, Any],
    *,
    delete: Sequence[str] = (),
    digest: str | None = None,
) -> Upid:
    """Change configuration keys and drop others. With `digest` refused if somebody changed it meanwhile."""
    return proxmox.post_task(*_vm(node, vmid), "config", **changes, delete=list(delete) or None, digest=digest)


def resize(proxmox: Proxmox, node: str, vmid: int, disk: str, size: str) -> Upid:
    """Grow a disk to an absolute size such as "32G"; twice does no harm. A relative one would."""
    if not DISK.fullmatch(disk):
        raise BadInput("disk", "{disk} is not the slot of a disk.", disk=repr(disk))
    if not SIZE.fullmatch(size):
        raise BadInput("size", "{size} is not an absolute size.", size=repr(size))
    return proxmox.put_task(*_vm(node, vmid), "resize", disk=disk, size=size)


def destroy(proxmox: Proxmox, node: str, vmid: int) -> Upid:
    """Destroy the VM and its disks. Its backups stay, as do the jobs and rights that name its number."""
    return proxmox.delete_task(*_vm(node, vmid), purge=0)


def clone(
    proxmox: Proxmox, node: str, template: int, vmid: int, *, name: str | None = None, storage: str | None = None,
    pool: str | None = None, target: str | None = None, description: str | None = None,
) -> Upid:  # fmt: skip
    """Make VM `vmid` a full copy of a template on `node`; `target` is another node, on shared storage.

    Without `storage` each disk goes where the template's is. Of the template stay all options and its firewall.
    """
    return proxmox.post_task(
        *_vm(node, template), "clone",
        newid=int(paths.vmid(vmid)), full=1, name=name, storage=storage, pool=pool, target=target,
        description=description,
    )  # fmt: skip


def _vm(node: str, vmid: int) -> tuple[str, ...]:
    return "nodes", paths.node(node), "qemu", paths.vmid(vmid)


def _yes(value: Any) -> bool:
    return str(value) in {"1", "True", "true"}
