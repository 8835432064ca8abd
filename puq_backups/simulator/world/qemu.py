"""The QEMU process of a VM: start, end, and the pending changes that take effect with it."""

from __future__ import annotations

import re

from ..answers import Refusal
from ..schema.property_strings import net_parts, parse_drive
from ..schema.vm_options import DRIVE_SLOTS, UNUSED_SLOTS
from .disks import add_unused, drives, is_cdrom, is_cloudinit
from .model import Guest
from .state import World
from .task import Task, TaskError


def power_on(world: World, guest: Guest, qmpstatus: str = "running") -> None:
    """Give a VM its QEMU process."""
    node = world.nodes[guest.node]
    node.next_pid += 7
    guest.pid = node.next_pid
    guest.qmpstatus = qmpstatus
    guest.started = world.now(guest.node)


def power_off(world: World, guest: Guest) -> None:
    """Take the QEMU process away; what was pending takes effect."""
    guest.pid, guest.qmpstatus = None, "stopped"
    apply_pending(world, guest)
    world.poke()


def start_qemu(world: World, task: Task, guest: Guest, qmpstatus: str = "running") -> None:
    """Start QEMU for a VM, or die of what Proxmox dies of."""
    node = world.nodes[guest.node]
    apply_pending(world, guest)
    for key in sorted(key for key in guest.config if re.fullmatch(r"net\d+", key)):
        bridge = net_parts(str(guest.config[key])).get("bridge")
        if bridge and bridge not in node.bridges:
            text = f"bridge '{bridge}' does not exist"
            if world.is_9:
                raise TaskError(text)
            task.log(text)
            raise TaskError("start failed: QEMU exited with code 1")
    for drive in drives(guest.config).values():
        missing = ":" in drive["file"] and world.volume(drive["file"], guest.node) is None
        if missing and drive.get("media") != "cdrom":
            raise TaskError(f"volume '{drive['file']}' does not exist")
    if guest.cloudinit_dirty and any(is_cloudinit(drive) for drive in drives(guest.config).values()):
        task.log("generating cloud-init ISO")
        guest.cloudinit_dirty = False
    if text := world.condition("start-fail", guest.vmid):
        task.log(str(text))
        raise TaskError("start failed: QEMU exited with code 1")
    task.sleep(world.scaled(world.pace.get("start", 0)))
    power_on(world, guest, qmpstatus)
    world.poke()


def apply_pending(world: World, guest: Guest) -> None:
    """Let pending changes take effect: the VM is off, or about to start."""
    for key in sorted(guest.pending_delete):
        value = guest.config.pop(key, None)
        if key in DRIVE_SLOTS and value is not None:
            register_unused(world, guest, parse_drive(str(value)))
    for key, value in dict(guest.pending).items():
        keep_replaced(world, guest, key, value)
        guest.config[key] = value
    guest.pending, guest.pending_delete = {}, []


def keep_replaced(world: World, guest: Guest, key: str, value: str | float) -> None:
    """The image that a slot had becomes unusedN; an unusedN that is attached is no longer unused."""
    if key not in DRIVE_SLOTS:
        return
    new = parse_drive(str(value))
    for slot in [slot for slot in UNUSED_SLOTS if str(guest.config.get(slot)) == new["file"]]:
        del guest.config[slot]
    old = drives({key: guest.config[key]})[key] if key in guest.config else None
    if old and old["file"] != new["file"]:
        register_unused(world, guest, old)


def register_unused(world: World, guest: Guest, drive: dict[str, str]) -> None:
    """Keep the image of a drive that was taken away as unusedN, if it is the VM's own; cloud-init's is destroyed."""
    volume = world.volume(drive["file"], guest.node)
    if volume is None or volume.vmid != guest.vmid:
        return
    if is_cloudinit(drive):
        world.volumes.remove(volume)
    elif not is_cdrom(drive):
        add_unused(guest, volume.volid)


def autostart(world: World, task: Task, guest: Guest) -> None:
    """Start a VM at the end of a task; that it fails is only told in the log."""
    try:
        start_qemu(world, task, guest)
    except (TaskError, Refusal) as problem:
        task.log(str(problem).strip())
