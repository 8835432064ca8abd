"""Virtual machines: location, status, configuration, power, clone and destroy. Each change is one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import BadInput, ProxmoxUnreachable, VmMissing
from . import paths, values
from .client import Proxmox
from .property_strings import SIZE, Drive, Net, parse_drive, parse_net, size_bytes, size_text
from .upid import Upid
from .vm_config import DISK, UUID, backed_up_disks, boot_disk, disks, identity, memory_mib, unused, volumes

__all__ = [
    "NO_VM",
    "UUID",
    "Drive",
    "Net",
    "VmPlace",
    "VmStatus",
    "backed_up_disks",
    "boot_disk",
    "clone",
    "config",
    "config_if_any",
    "destroy",
    "disks",
    "find_node",
    "identity",
    "locate",
    "memory_mib",
    "parse_drive",
    "parse_net",
    "resize",
    "set_config",
    "shutdown",
    "size_bytes",
    "size_text",
    "snapshots",
    "start",
    "status",
    "stop",
    "unused",
    "volumes",
]  # fmt: skip


@dataclass(frozen=True)
class VmPlace:
    """Location of a VM. `status` and `name` lag by up to 20 s; "unknown" on a dead node. `pool` needs Pool.Audit."""

    node: str
    name: str
    status: str
    lock: str | None
    template: bool
    pool: str | None = None


@dataclass(frozen=True)
class VmStatus:
    """Current status of a VM. `uptime` is in seconds; `qmpstatus` is QEMU's ("running", "paused", "prelaunch")."""

    status: str
    qmpstatus: str
    lock: str | None
    name: str
    uptime: int
    ha_managed: bool


NO_VM = VmStatus(status="stopped", qmpstatus="stopped", lock=None, name="", uptime=0, ha_managed=False)
"""The status used for a VM that does not exist."""


def online_nodes(proxmox: Proxmox) -> list[str]:
    """The names of the cluster's nodes that are online. Raises ProxmoxUnreachable if none is."""
    rows = proxmox.get_list("cluster", "resources", type="node")
    found = sorted(str(row["node"]) for row in rows if row.get("status") == "online")
    if not found:
        raise ProxmoxUnreachable("No node of the cluster is online.")
    return found


def locate(proxmox: Proxmox) -> dict[int, VmPlace]:
    """All VMs that the token may see, by VMID. Expensive on a large cluster: call it at most once a minute."""
    return places(proxmox.get_list("cluster", "resources", type="vm"))


def places(rows: list[dict[str, Any]]) -> dict[int, VmPlace]:
    """The VMs among the resources of a cluster, by VMID."""
    return {values.number(row["vmid"]): _place(row) for row in rows if row.get("type") == "qemu" and "vmid" in row}


def _place(row: dict[str, Any]) -> VmPlace:
    return VmPlace(
        node=values.text(row.get("node"), 64),
        name=values.text(row.get("name"), 255),
        status=values.text(row.get("status", "unknown"), 16),
        lock=values.text(row.get("lock"), 32) or None,
        template=_yes(row.get("template")),
        pool=row.get("pool") or None,
    )


def find_node(proxmox: Proxmox, vmid: int) -> str | None:
    """The VM's node; None if it does not exist or the token may not see it."""
    place = locate(proxmox).get(int(vmid))
    return place.node if place else None


def config(proxmox: Proxmox, node: str, vmid: int) -> dict[str, Any]:
    """Read the VM's configuration, including pending changes."""
    return proxmox.get_dict(*_vm(node, vmid), "config")


def config_if_any(proxmox: Proxmox, node: str, vmid: int) -> dict[str, Any] | None:
    """The VM's configuration, or None if it is nowhere in the cluster; raises VmMissing if it is on another node."""
    try:
        return config(proxmox, node, vmid)
    except VmMissing:
        # Without the right to see the VM its config would be denied, so here the cluster's list can be trusted.
        if find_node(proxmox, vmid) is None:
            return None
        raise


def status(proxmox: Proxmox, node: str, vmid: int) -> VmStatus:
    """Read the VM's current status."""
    row = proxmox.get_dict(*_vm(node, vmid), "status", "current")
    ha = row.get("ha")
    return VmStatus(
        status=values.text(row.get("status"), 16),
        qmpstatus=values.text(row.get("qmpstatus") or row.get("status"), 32),
        lock=values.text(row.get("lock"), 32) or None,
        name=values.text(row.get("name"), 255),
        uptime=values.number(row.get("uptime")),
        ha_managed=isinstance(ha, dict) and _yes(ha.get("managed")),
    )


def snapshots(proxmox: Proxmox, node: str, vmid: int) -> list[str]:
    """The names of the VM's snapshots, oldest first."""
    rows = [row for row in proxmox.get_list(*_vm(node, vmid), "snapshot") if row.get("name") != "current"]
    return [str(row["name"]) for row in sorted(rows, key=lambda row: values.number(row.get("snaptime")))]


def start(proxmox: Proxmox, node: str, vmid: int) -> Upid:
    """Start the VM. Under HA the task only requests the start."""
    return proxmox.post_task(*_vm(node, vmid), "status", "start")


def stop(proxmox: Proxmox, node: str, vmid: int) -> Upid:
    """Stop the VM at once. Under HA the task only requests the stop. Succeeds if the VM is stopped."""
    return proxmox.post_task(*_vm(node, vmid), "status", "stop")


def shutdown(proxmox: Proxmox, node: str, vmid: int, timeout: int = 60) -> Upid:
    """Ask the guest to shut down. The task fails if the guest runs after `timeout` seconds (default 60)."""
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
    """Change and delete configuration keys. With `digest`, Proxmox refuses if the configuration has changed since."""
    return proxmox.post_task(*_vm(node, vmid), "config", **changes, delete=list(delete) or None, digest=digest)


def resize(proxmox: Proxmox, node: str, vmid: int, disk: str, size: str) -> Upid:
    """Grow a disk to an absolute size such as "32G"; safe to repeat. Raises BadInput for a relative size."""
    if not DISK.fullmatch(disk):
        raise BadInput("disk", "{disk} is not the slot of a disk.", disk=repr(disk))
    if not SIZE.fullmatch(size):
        raise BadInput("size", "{size} is not an absolute size.", size=repr(size))
    return proxmox.put_task(*_vm(node, vmid), "resize", disk=disk, size=size)


def destroy(proxmox: Proxmox, node: str, vmid: int) -> Upid:
    """Destroy the VM and its disks. Backups stay, as do jobs and permissions that name its VMID."""
    return proxmox.delete_task(*_vm(node, vmid), purge=0)


def clone(
    proxmox: Proxmox, node: str, template: int, vmid: int, *, name: str | None = None, storage: str | None = None,
    pool: str | None = None, target: str | None = None, description: str | None = None,
) -> Upid:  # fmt: skip
    """Clone a template on `node` fully into VMID `vmid`.

    storage: for all disks. Default None: each disk goes to the storage of the template's disk.
    target: another node for the VM; needs shared storage. Default None: `node`.

    The clone has all options and the firewall of the template.
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
