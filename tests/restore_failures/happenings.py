"""What goes wrong: each a function that brings it about on the stage, now or as the step's call comes in."""

from __future__ import annotations

from typing import Any

from .case import Wrong
from .stage import NODE, OTHER_NODE, VMID, Stage

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


def writes(stage: Stage) -> bool:
    """Whether the step changes something at Proxmox."""
    return stage.step in CALLS


def undo(stage: Stage) -> None:
    """See to it that the step has something to do."""
    if stage.step in UNDONE:
        stage.proxmox.control("vm-config", vmid=VMID, set=UNDONE[stage.step])
    if stage.step == "grow_additional_disk":
        vm = stage.proxmox.vm(VMID)
        volid = str(vm.config["scsi1"]).partition(",")[0]
        volume = stage.proxmox.world.volume(volid, vm.node)
        assert volume is not None
        volume.size //= 2
        vm.config["scsi1"] = str(vm.config["scsi1"]).replace("size=2G", "size=1G")


def on_call(name: str, **more: Any) -> Wrong:
    """A fault of the step's own request."""

    def happens(stage: Stage) -> None:
        method, path, _ = CALLS[stage.step]
        undo(stage)
        for one in ("POST", "PUT", "DELETE") if method == "*" else (method,):
            stage.proxmox.control_step({"control": name, "method": one, "path": path, **more})

    return happens


refused = on_call("refuse", reason="simulated refusal", times=None)
lost_before = on_call("drop", when="before")
lost_after = on_call("drop", when="after")
gateway = on_call("gateway-timeout")


def task_fails(stage: Stage) -> None:
    """The step's task ends with an error before it does anything."""
    undo(stage)
    usual = CALLS[stage.step][2]
    for kind in (usual, *OTHERWISE.get(usual, ())):
        stage.proxmox.control("task-fails", type=kind, text="simulated failure", times=None)


def control(name: str, **args: Any) -> Wrong:
    """A control step of the simulator, now. A value that names one of the stage's notes stands for it."""

    def happens(stage: Stage) -> None:
        undo(stage)
        stage.proxmox.control(name, **_meant(stage, args))

    return happens


def in_between(name: str, **args: Any) -> Wrong:
    """A control step between our last look and the step's call."""

    def happens(stage: Stage) -> None:
        method, path, _ = CALLS[stage.step]
        undo(stage)
        step = {"control": name, **_meant(stage, args)}
        stage.proxmox.control("meanwhile", method=method, path=path, step=step)

    return happens


def half_way(name: str, **args: Any) -> Wrong:
    """A control step while Proxmox writes the disks: when we look at its task for the first time."""

    def happens(stage: Stage) -> None:
        stage.proxmox.control("slow-restore", vmid=VMID, seconds=30)
        step = {"control": name, **_meant(stage, args)}
        stage.proxmox.control("meanwhile", method="GET", path="*/tasks/*/status", step=step)

    return happens


def _meant(stage: Stage, args: dict[str, Any]) -> dict[str, Any]:
    return {key: stage.notes.get(value, value) if isinstance(value, str) else value for key, value in args.items()}


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


def after_the_data(stage: Stage) -> None:
    """Proxmox's worker ends without a last line once the disks and the configuration are written."""
    stage.proxmox.control("task-unexpected", type="qmrestore", vmid=VMID)


def clone_fails(stage: Stage) -> None:
    """A clone's task is named by its template."""
    stage.proxmox.control("task-fails", type="qmclone", text="simulated failure", times=None)
