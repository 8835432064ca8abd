"""What goes wrong: each a function that brings it about in the prepared world, now or as the step's call comes in."""

from __future__ import annotations

from typing import Any

from .case import Wrong
from .prepared_world import NODE, OTHER_NODE, VMID, PreparedWorld

CONFIG = ("POST", "*/config", "qmconfig")
RESIZE = ("PUT", "*/resize", "resize")
CALLS: dict[str, tuple[str, str, str]] = {
    "power_off": ("POST", "*/status/s*", "qmshutdown"),
    "make_safety_copy": ("POST", "*/vzdump", "vzdump"),
    "lift_protection": CONFIG,
    "restore_disks": ("POST", "*/qemu", "qmrestore"),
    "set_cpu_and_memory": CONFIG, "grow_system_disk": RESIZE, "limit_system_disk": CONFIG,
    "make_additional_disk": CONFIG, "grow_additional_disk": RESIZE, "limit_additional_disk": CONFIG,
    "set_network": CONFIG, "put_back_settings": CONFIG,
    "put_back_firewall": ("*", "*/firewall/*", ""),
    "put_back_protection": CONFIG,
    "power_on": ("POST", "*/status/start", "qmstart"),
    "remove_from_ha": ("DELETE", "*/ha/*", ""),
    "destroy_vm": ("DELETE", f"*/qemu/{VMID}", "qmdestroy"),
    "clone_template": ("POST", "*/clone", "qmclone"),
    "carry_over": CONFIG, "keep_system_disk": RESIZE,
    "put_back_ha": ("POST", "*/ha/*", ""),
}  # fmt: skip
"""The one call of each step that changes Proxmox, and the type of its task: what is not here only looks."""
OTHERWISE = {"qmshutdown": ("qmstop",), "qmstart": ("hastart",)}
"""The other types of tasks that a step may start: what it falls back on, or what HA does."""
UNDONE: dict[str, dict[str, Any]] = {
    "set_cpu_and_memory": {"cores": 1},
    "set_network": {"net0": "virtio=BC:24:11:00:00:65,bridge=vmbr0"},
    "put_back_settings": {"description": "somebody's"},
}
"""What somebody changes, so that a step has something to do whose values went with the restore."""


def writes(prepared: PreparedWorld) -> bool:
    """Whether the step changes something at Proxmox."""
    return prepared.step in CALLS


def undo(prepared: PreparedWorld) -> None:
    """See to it that the step has something to do."""
    if prepared.step in UNDONE:
        prepared.proxmox.control("vm-config", vmid=VMID, set=UNDONE[prepared.step])
    if prepared.step == "grow_additional_disk":
        vm = prepared.proxmox.vm(VMID)
        volid = str(vm.config["scsi1"]).partition(",")[0]
        volume = prepared.proxmox.world.volume(volid, vm.node)
        assert volume is not None
        volume.size //= 2
        vm.config["scsi1"] = str(vm.config["scsi1"]).replace("size=2G", "size=1G")


def on_call(name: str, **more: Any) -> Wrong:
    """A fault of the step's own request."""

    def happens(prepared: PreparedWorld) -> None:
        method, path, _ = CALLS[prepared.step]
        undo(prepared)
        for one in ("POST", "PUT", "DELETE") if method == "*" else (method,):
            prepared.proxmox.control_step({"control": name, "method": one, "path": path, **more})

    return happens


refused = on_call("refuse", reason="simulated refusal", times=None)
lost_before = on_call("drop", when="before")
lost_after = on_call("drop", when="after")
gateway = on_call("gateway-timeout")


def task_fails(prepared: PreparedWorld) -> None:
    """The step's task ends with an error before it does anything."""
    undo(prepared)
    usual = CALLS[prepared.step][2]
    for kind in (usual, *OTHERWISE.get(usual, ())):
        prepared.proxmox.control("task-fails", type=kind, text="simulated failure", times=None)


def control(name: str, **args: Any) -> Wrong:
    """A control step of the simulator, now. A value that names one of its notes stands for it."""

    def happens(prepared: PreparedWorld) -> None:
        undo(prepared)
        prepared.proxmox.control(name, **_meant(prepared, args))

    return happens


def in_between(name: str, **args: Any) -> Wrong:
    """A control step between our last look and the step's call."""

    def happens(prepared: PreparedWorld) -> None:
        method, path, _ = CALLS[prepared.step]
        undo(prepared)
        step = {"control": name, **_meant(prepared, args)}
        prepared.proxmox.control("meanwhile", method=method, path=path, step=step)

    return happens


def half_way(name: str, **args: Any) -> Wrong:
    """A control step while Proxmox writes the disks: when we look at its task for the first time."""

    def happens(prepared: PreparedWorld) -> None:
        prepared.proxmox.control("slow-restore", vmid=VMID, seconds=30)
        step = {"control": name, **_meant(prepared, args)}
        prepared.proxmox.control("meanwhile", method="GET", path="*/tasks/*/status", step=step)

    return happens


def _meant(prepared: PreparedWorld, args: dict[str, Any]) -> dict[str, Any]:
    return {key: prepared.notes.get(value, value) if isinstance(value, str) else value for key, value in args.items()}


node_gone = control("node-offline", node=NODE)
node_dies = half_way("node-offline", node=NODE)
started = control("vm-power", vmid=VMID, status="running")
started_in_between = in_between("vm-power", vmid=VMID, status="running")
migrated = control("migrate", vmid=VMID, node=OTHER_NODE)
migrated_in_between = in_between("migrate", vmid=VMID, node=OTHER_NODE)
deleted = control("vm-destroyed", vmid=VMID)
deleted_in_between = in_between("vm-destroyed", vmid=VMID)
reused = control("vmid-reused", vmid=VMID)
archive_gone = control("archive-gone", volid="volid")
archive_gone_in_between = in_between("archive-gone", volid="volid")
archive_damaged = control("archive-damaged", volid="volid")
no_room = control("storage-full", storage="ceph")
template_gone = control("vm-destroyed", vmid=9000)


def after_the_data(prepared: PreparedWorld) -> None:
    """Proxmox's worker ends without a last line once the disks and the configuration are written."""
    prepared.proxmox.control("task-unexpected", type="qmrestore", vmid=VMID)


def clone_fails(prepared: PreparedWorld) -> None:
    """A clone's task is named by its template."""
    prepared.proxmox.control("task-fails", type="qmclone", text="simulated failure", times=None)
