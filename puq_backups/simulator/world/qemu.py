"""The QEMU process of a VM: start, end, and the pending changes that take effect with it."""

from __future__ import annotations

import re

from ..answers import Refusal
from ..schema.property_strings import memory_mib, net_parts, parse_drive
from ..schema.vm_options import DRIVE_SLOTS, UNUSED_SLOTS
from .disks import add_unused, drives, images, is_cdrom, is_cloudinit
from .model import Guest
from .state import World
from .storages import activate
from .task import Task, TaskError

MIB = 1024**2
QEMU_EXITED = "start failed: QEMU exited with code 1"


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
    """Start QEMU for a VM. Raises what Proxmox refuses, and what QEMU exits with after it has logged its lines."""
    apply_pending(world, guest)
    _check_processors(world, guest)
    _activate_disks(world, guest)
    _check_bridges(world, task, guest)
    if guest.cloudinit_dirty and any(is_cloudinit(drive) for drive in drives(guest.config).values()):
        task.log("generating cloud-init ISO")
        guest.cloudinit_dirty = False
    if lines := _qemu_refusal(world, guest):
        for line in lines:
            task.log(line)
        raise TaskError(QEMU_EXITED)
    if qmpstatus == "running":
        task.sleep(world.scaled(world.pace.get("start", 0)))
    power_on(world, guest, qmpstatus)
    world.poke()


def _processors(guest: Guest) -> int:
    return int(guest.config.get("sockets", 1)) * int(guest.config.get("cores", 1))


def _check_processors(world: World, guest: Guest) -> None:
    """More virtual processors than the node has are refused before QEMU starts."""
    allowed = world.nodes[guest.node].cpus
    if _processors(guest) > allowed:
        raise TaskError(f"MAX {allowed} vcpus allowed per VM on this node")


def _activate_disks(world: World, guest: Guest) -> None:
    for drive in drives(guest.config).values():
        if ":" not in drive["file"] or drive["file"].startswith("/"):
            continue
        activate(world, drive["file"].partition(":")[0], guest.node)
        if world.volume(drive["file"], guest.node) is None:
            raise TaskError(f"volume '{drive['file']}' does not exist")


def _check_bridges(world: World, task: Task, guest: Guest) -> None:
    for key in sorted(key for key in guest.config if re.fullmatch(r"net\d+", key)):
        bridge = net_parts(str(guest.config[key])).get("bridge")
        if bridge and bridge not in world.nodes[guest.node].bridges:
            text = f"bridge '{bridge}' does not exist"
            if world.is_9:
                raise TaskError(text)
            task.log(text)
            raise TaskError(QEMU_EXITED)


def _qemu_refusal(world: World, guest: Guest) -> list[str]:
    """The lines with which QEMU exits, none where it starts."""
    if text := world.condition("start-fail", guest.vmid):
        return [str(text)]
    sockets, cores = int(guest.config.get("sockets", 1)), int(guest.config.get("cores", 1))
    wanted, most = int(guest.config.get("vcpus", 0)), sockets * cores
    if wanted > most:
        topology = f"sockets ({sockets}) * dies (1) * modules (1) * cores ({cores}) * threads (1)"
        rule = "maxcpus must be equal to or greater than smp"
        return [f"kvm: Invalid CPU topology: {rule}: {topology} == maxcpus ({most}) < smp_cpus ({wanted})"]
    if memory_mib(guest.config.get("memory", 512)) * MIB > world.nodes[guest.node].memory:
        return ["kvm: cannot set up guest memory 'pc.ram': Cannot allocate memory"]
    return _locked_disk(world, guest)


def _locked_disk(world: World, guest: Guest) -> list[str]:
    """QEMU's lines for an image that somebody else has open for writing."""
    for slot, drive in images(guest.config).items():
        volume = world.volume(drive["file"], guest.node)
        others = [one for one in world.guests.values() if one.running and one.vmid != guest.vmid]
        used = any(drive["file"] == other["file"] for one in others for other in images(one.config).values())
        if volume is None or not (used or volume.locked):
            continue
        path = world.storages[volume.storage].file_path(volume.name)
        what = (
            f'-blockdev {{"driver":"throttle","node-name":"drive-{slot}"}}' if world.is_9 else f"-drive file={path}"
        )
        return [f'kvm: {what}: Failed to get "write" lock', f"Is another process using the image [{path}]?"]
    return []


def apply_pending(world: World, guest: Guest) -> None:
    """Let pending changes take effect: the VM is off, or about to start."""
    for key in sorted(guest.pending_delete):
        value = guest.config.pop(key, None)
        if key in DRIVE_SLOTS and value is not None:
            drive = parse_drive(str(value))
            volume = world.volume(drive["file"], guest.node)
            own = volume is not None and volume.vmid == guest.vmid and not is_cdrom(drive)
            if volume is not None and own and key in guest.forced_delete and not world.volumes.clones_of(volume):
                world.volumes.remove(volume)
            else:
                register_unused(world, guest, drive)
    for key, value in dict(guest.pending).items():
        keep_replaced(world, guest, key, value)
        guest.config[key] = value
    guest.pending, guest.pending_delete, guest.forced_delete = {}, [], set()


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
