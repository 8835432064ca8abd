"""The configuration of a VM: reading it, and changing it on a stopped and on a running VM."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from . import access, tasks
from .answers import bad_parameters, failed
from .control import config_lock
from .disks import (
    CLOUDINIT_SIZE,
    Log,
    add_unused,
    allocate,
    drives,
    free,
    image_storage,
    is_cdrom,
    is_cloudinit,
    with_size,
)
from .options import (
    ANY_CONFIG_PRIVILEGE,
    CHANGE,
    CLOUDINIT_KEYS,
    DRIVE_SLOTS,
    FAST,
    IPCONFIGS,
    NETS,
    OPTIONS,
    UNUSED_SLOTS,
    privileges_for,
)
from .propstrings import (
    LIVE_DRIVE_KEYS,
    NEW_DISK,
    contradicts,
    memory_mib,
    net_parts,
    parse_drive,
    print_drive,
    print_net,
)
from .router import Call, needs, needs_any, route
from .schema import BOOLEAN, NODE, VMID, Param, config_id_format
from .snapshots import refuse_locked, take_config_lock
from .state import Config, Guest, World, new_mac
from .tasks import Task
from .volumes import FILE_TYPES

BUSY_SECONDS = 10
MASK = "**********"
BALLOON = "balloon value too large (must be smaller than assigned memory)"
CHECKSUM = "checksum mismatch (file change by other user?)"
HOT_BUSES = ("scsi", "virtio")


@route(
    "GET",
    "/nodes/{node}/qemu/{vmid}/config",
    {"node": NODE, "vmid": VMID, "current": BOOLEAN, "snapshot": Param(format=config_id_format)},
    needs("/vms/{vmid}", "VM.Audit"),
    protected=False,
)
def read(call: Call) -> Any:
    """The configuration with pending changes as if applied, or as it is (`current`), or a snapshot's."""
    guest = call.world.guest(call.vmid, call.node)
    if "snapshot" in call.params:
        found = [one.config for one in guest.snapshots if one.name == call.params["snapshot"]]
        if not found:
            raise failed(f"snapshot '{call.params['snapshot']}' does not exist")
        return _masked(found[0]) | {"digest": guest.digest()}
    config = guest.config if call.params.get("current") else guest.merged()
    return _masked(config) | {"digest": guest.digest()}


def _masked(config: Config) -> Config:
    return {key: MASK if key == "cipassword" else value for key, value in config.items()}


@route(
    "GET",
    "/nodes/{node}/qemu/{vmid}/pending",
    {"node": NODE, "vmid": VMID},
    needs("/vms/{vmid}", "VM.Audit"),
    protected=False,
)
def pending(call: Call) -> Any:
    """Each option with its value, and what is pending for it."""
    guest = call.world.guest(call.vmid, call.node)
    now, later = _masked(guest.config), _masked(guest.pending)
    found: list[dict[str, Any]] = []
    for key in {**now, **later}:
        item: dict[str, Any] = {"key": key}
        if key in now:
            item["value"] = now[key]
        if key in later:
            item["pending"] = later[key]
        if key in guest.pending_delete:
            item["delete"] = 1
        found.append(item)
    return [*found, {"key": "digest", "value": guest.digest()}]


def apply_pending(guest: Guest) -> None:
    """Let pending changes take effect: the VM is off, or about to start."""
    for key in guest.pending_delete:
        _drop(guest, key)
    for key, value in guest.pending.items():
        _keep_replaced(guest, key, value)
        guest.config[key] = value
    guest.pending, guest.pending_delete = {}, []


def split_names(text: object) -> list[str]:
    """A list as `delete` and `revert` have it."""
    return [name for name in re.split(r"[,;\s\0]+", str(text or "")) if name]


# --- checks before anything is changed ---------------------------------------------------------------------------


def check_change(call: Call, changes: Config, deleted: list[str], reverted: list[str]) -> None:
    """The refusals that need no lock: skiplock, nothing to do, both at once, rights, sizes, disks."""
    if call.params.get("skiplock") and call.caller.id != "root@pam":
        raise bad_parameters({"skiplock": "Only root may use this option."})
    if not (changes or deleted or reverted):
        raise failed("no options specified")
    for what, names in (("revert", reverted), ("delete", deleted)):
        for key in names:
            if key not in OPTIONS and key not in UNUSED_SLOTS:
                raise bad_parameters({what: f"unknown option '{key}'"})
            if key in changes:
                raise bad_parameters({"delete": f"you can't use '-{key}' and -{what} {key}' at the same time"})
    for key in set(deleted) & set(reverted):
        raise bad_parameters({"revert": f"you can't use '-delete {key}' and -revert {key}' at the same time"})
    guest = call.world.guests.get(call.vmid)
    check_rights(call, guest.config if guest else {}, changes, [*deleted, *reverted])
    check_drives(call, changes)


def check_rights(call: Call, config: Config, changes: Config, removed: Iterable[str]) -> None:
    """The privilege that each option needs."""
    world, caller, path = call.world, call.caller, f"/vms/{call.vmid}"
    for key in [*changes, *removed]:
        names = privileges_for(key)
        drive = parse_drive(str(changes.get(key, config.get(key, "none")))) if key in DRIVE_SLOTS else None
        if not names:
            raise failed(f"only root can set '{key}' config")
        if drive is not None and is_cdrom(drive):
            names = ("VM.Config.CDROM",)
            if is_cloudinit(drive):
                access.demand(world, caller, path, "VM.Config.Cloudinit")
        access.demand_any(world, caller, path, *names)
        if key in NETS:
            for value in (changes.get(key), config.get(key)):
                if value is not None:
                    demand_bridge(world, caller, str(value))
        if key == "startup":
            access.demand(world, caller, "/", "Sys.Modify")


def demand_bridge(world: World, caller: access.Caller, net: str) -> None:
    """SDN.Use on the bridge of a network device; on its VLAN is enough."""
    parts = net_parts(net)
    if "bridge" not in parts:
        return
    path = f"/sdn/zones/localnetwork/{parts['bridge']}"
    if "tag" in parts and not access.may(world, caller, path, "SDN.Use"):
        path = f"{path}/{parts['tag']}"
    access.demand(world, caller, path, "SDN.Use")


def check_drives(call: Call, changes: Config) -> None:
    """Storages of new disks and volumes that are to be attached."""
    for slot in [key for key in changes if key in DRIVE_SLOTS]:
        drive = parse_drive(str(changes[slot]))
        new = NEW_DISK.fullmatch(drive["file"])
        if contradicts(slot, drive):
            raise bad_parameters({slot: "unable to parse drive options"})
        if drive["file"] in ("none", "cdrom"):
            continue
        if new or drive["file"].endswith(":cloudinit"):
            _check_new_disk(call, drive["file"].partition(":")[0])
        else:
            _check_volume(call, drive["file"])


def _check_new_disk(call: Call, name: str) -> None:
    access.demand(call.world, call.caller, f"/storage/{name}", "Datastore.AllocateSpace")
    storage = image_storage(call.world, name, call.node)
    if "images" not in storage.content:
        raise bad_parameters({"storage": f"storage '{name}' does not support vm images"})


def _check_volume(call: Call, volid: str) -> None:
    image_storage(call.world, volid.partition(":")[0], call.node)
    volume = call.world.volume(volid, call.node)
    if volume is None:
        raise failed(f"volume '{volid}' does not exist")
    access.demand_volume(call.world, call.caller, volume, call.vmid)


def check_memory(config: Config, changes: Config) -> None:
    """A balloon larger than the memory is refused."""
    concerned = "balloon" in config and ("memory" in changes or "balloon" in changes)
    if concerned and int(config["balloon"]) > memory_mib(config.get("memory", 512)):
        raise failed(BALLOON)


def check_boot_order(config: Config, changes: Config, deleted: Iterable[str] = ()) -> None:
    """A boot order may only name devices that are there."""
    order = str(changes.get("boot", ""))
    config = {key: value for key, value in config.items() if key not in deleted}
    if order.startswith("order="):
        for device in split_names(order.removeprefix("order=")):
            if device not in config:
                raise failed(f"invalid bootorder: device '{device}' does not exist'")


# --- the change itself -------------------------------------------------------------------------------------------


def stored(world: World, node: str, vmid: int, key: str, value: Any, log: Log) -> str | int | float:
    """The value as the configuration keeps it; new disks are allocated, MACs made up."""
    if key in NETS:
        parts = net_parts(str(value))
        parts.setdefault("macaddr", new_mac())
        return print_net({**parts, "macaddr": parts["macaddr"].upper()})
    if key in DRIVE_SLOTS:
        return _stored_drive(world, node, vmid, key, parse_drive(str(value)), log)
    if key == "cipassword":
        return "$5$simulated"
    if key == "tags":
        return ";".join(sorted({tag.lower() for tag in re.split(r"[;,\s]+", str(value)) if tag}))
    found: str | int | float = value
    return found


def _stored_drive(world: World, node: str, vmid: int, slot: str, drive: dict[str, str], log: Log) -> str:
    new = NEW_DISK.fullmatch(drive["file"])
    if new and new[1]:
        storage = world.storages[new[1]]
        fmt = drive.pop("format", "raw") if storage.type in FILE_TYPES else "raw"
        drive.pop("format", None)
        volume = allocate(world, node, new[1], vmid, int(float(new[2]) * 1024**3), fmt, log)
        volume.used = 0
        text = with_size(world, node, {**drive, "file": volume.volid})
        log(f"{slot}: successfully created disk '{text}'")
        return text
    if drive["file"].endswith(":cloudinit"):
        return _stored_cloudinit(world, node, vmid, slot, drive, log)
    return print_drive(drive) if is_cdrom(drive) else with_size(world, node, drive)


def _stored_cloudinit(world: World, node: str, vmid: int, slot: str, drive: dict[str, str], log: Log) -> str:
    storage = drive["file"].partition(":")[0]
    fmt = "qcow2" if world.storages[storage].type in FILE_TYPES else "raw"
    volume = allocate(world, node, storage, vmid, CLOUDINIT_SIZE, fmt, log, base=f"vm-{vmid}-cloudinit")
    text = print_drive({**drive, "file": volume.volid, "media": "cdrom"})
    log(f"{slot}: successfully created disk '{text}'")
    return text


def change(call: Call, guest: Guest, changes: Config, deleted: list[str], reverted: list[str], log: Log) -> None:
    """Change a configuration: at once where that can be, else pending. What cannot be plugged is refused last."""
    problems: dict[str, str] = {}
    check_boot_order({**guest.merged(), **changes}, changes, deleted)
    for key in reverted:
        guest.pending.pop(key, None)
        guest.pending_delete = [name for name in guest.pending_delete if name != key]
    for key in deleted:
        _delete(call, guest, key, log)
    for key in sorted(changes, key=_slot_order):
        value = stored(call.world, call.node, guest.vmid, key, changes[key], log)
        _boot_from_new_cdrom(guest, key, value)
        if key in (*CLOUDINIT_KEYS, *IPCONFIGS):
            guest.cloudinit_dirty = True
        if problem := _set(call.world, guest, key, value):
            problems[key] = f"hotplug problem - {problem}\n"
    call.world.rights_changed()
    if problems:
        raise bad_parameters(problems)


def _boot_from_new_cdrom(guest: Guest, key: str, value: str | float) -> None:
    """A CD drive that is added is appended to the boot order."""
    boot = str(guest.merged().get("boot", ""))
    if key not in DRIVE_SLOTS or not boot.startswith("order=") or not is_cdrom(parse_drive(str(value))):
        return
    devices = split_names(boot.removeprefix("order="))
    if key not in devices:
        target = guest.pending if guest.running else guest.config
        target["boot"] = "order=" + ";".join([*devices, key])


def _slot_order(key: str) -> tuple[int, str]:
    return (DRIVE_SLOTS.index(key) if key in DRIVE_SLOTS else -1, key)


def _set(world: World, guest: Guest, key: str, value: str | float) -> str | None:
    """Set one option; returns why a device could not be plugged."""
    problem = None
    guest.pending_delete = [name for name in guest.pending_delete if name != key]
    if guest.config.get(key) == value:
        guest.pending.pop(key, None)
        return None
    if guest.running and key in NETS:
        bridge = net_parts(str(value)).get("bridge")
        if bridge and bridge not in world.nodes[guest.node].bridges:
            problem = f"interface {bridge} does not exist"
    if problem or (guest.running and not _is_live(guest, key, str(value))):
        guest.pending[key] = value
        return problem
    guest.pending.pop(key, None)
    _keep_replaced(guest, key, value)
    guest.config[key] = value
    return None


def _is_live(guest: Guest, key: str, value: str) -> bool:
    """Whether a running VM takes a change at once."""
    if key in FAST or key in NETS or key in UNUSED_SLOTS:
        return True
    if key not in DRIVE_SLOTS:
        return False
    new = parse_drive(value)
    old = parse_drive(str(guest.config[key])) if key in guest.config else None
    if old is None or old["file"] != new["file"]:
        return key.rstrip("0123456789") in HOT_BUSES or (is_cdrom(new) and old is not None)
    changed = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    return changed <= LIVE_DRIVE_KEYS


def _keep_replaced(guest: Guest, key: str, value: str | float) -> None:
    """The image that a slot had becomes unusedN; an unusedN that is attached is no longer unused."""
    if key not in DRIVE_SLOTS:
        return
    new = parse_drive(str(value))
    for slot in [slot for slot in UNUSED_SLOTS if str(guest.config.get(slot)) == new["file"]]:
        del guest.config[slot]
    old = drives({key: guest.config[key]})[key] if key in guest.config else None
    if old and old["file"] != new["file"] and not is_cdrom(old):
        add_unused(guest, old["file"])


def _delete(call: Call, guest: Guest, key: str, log: Log) -> None:
    """Delete an option: a drive becomes unused, an unused one is destroyed, an unset one is no error."""
    if guest.pending.pop(key, None) is None and key not in guest.config:
        log(f"cannot delete '{key}' - not set in current configuration!")
    if key not in guest.config:
        return
    if key in DRIVE_SLOTS and guest.config.get("protection"):
        raise failed(f"can't remove drive '{key}' - protection mode enabled")
    if key in UNUSED_SLOTS:
        _destroy_unused(call, guest, key)
    elif guest.running and not _deletes_live(key):
        guest.pending_delete = [*dict.fromkeys([*guest.pending_delete, key])]
    else:
        volid = _drop(guest, key)
        if volid and (call.params.get("force") or "cloudinit" in volid):
            _forget_unused(guest, volid)
            free(call.world, call.node, volid)


def _deletes_live(key: str) -> bool:
    return key in FAST or key in NETS or key.rstrip("0123456789") in HOT_BUSES


def _forget_unused(guest: Guest, volid: str) -> None:
    for slot in [slot for slot in UNUSED_SLOTS if str(guest.config.get(slot)) == volid]:
        del guest.config[slot]


def _destroy_unused(call: Call, guest: Guest, key: str) -> None:
    if guest.config.get("protection"):
        raise failed(f"can't remove unused disk '{guest.config[key]}' - protection mode enabled")
    free(call.world, call.node, str(guest.config.pop(key)))


def _drop(guest: Guest, key: str) -> str | None:
    """Take an option away; returns the volume that a drive had."""
    if key not in guest.config:
        return None
    value = str(guest.config.pop(key))
    if key not in DRIVE_SLOTS:
        return None
    drive = parse_drive(value)
    if not is_cdrom(drive) and ":" in drive["file"]:
        add_unused(guest, drive["file"])
    return drive["file"]


# --- the calls ---------------------------------------------------------------------------------------------------


def _wishes(call: Call) -> tuple[Config, list[str], list[str]]:
    meta = {*CHANGE, "node", "vmid", "background_delay"}
    changes = {key: value for key, value in call.params.items() if key not in meta}
    deleted, reverted = split_names(call.params.get("delete")), split_names(call.params.get("revert"))
    check_change(call, changes, deleted, reverted)
    return changes, deleted, reverted


def _checked(call: Call, changes: Config) -> Guest:
    guest = call.world.guest(call.vmid, call.node)
    if call.params.get("digest") not in (None, "", guest.digest()):
        raise failed(CHECKSUM)
    refuse_locked(guest)
    check_memory({**guest.merged(), **changes}, changes)
    return guest


CONFIG = {"node": NODE, "vmid": VMID, **OPTIONS, **CHANGE}
MAY_CHANGE = needs_any("/vms/{vmid}", *ANY_CONFIG_PRIVILEGE)


@route("PUT", "/nodes/{node}/qemu/{vmid}/config", CONFIG, MAY_CHANGE)
def put(call: Call) -> Any:
    """Change the configuration; the answer comes when it is done."""
    changes, deleted, reverted = _wishes(call)
    lock, owner = config_lock(call.vmid), object()
    if not tasks.flock(call.world, owner, lock, BUSY_SECONDS):
        raise failed(f"can't lock file '{lock}' - got timeout")
    try:
        change(call, _checked(call, changes), changes, deleted, reverted, lambda _line: None)
    finally:
        tasks.release(call.world, owner, lock)


@route(
    "POST",
    "/nodes/{node}/qemu/{vmid}/config",
    {**CONFIG, "background_delay": Param("integer", minimum=1, maximum=30)},
    MAY_CHANGE,
)
def post(call: Call) -> Any:
    """The same as a task; null with `background_delay` if it was done in time."""
    changes, deleted, reverted = _wishes(call)
    _checked(call, changes)

    def work(task: Task) -> None:
        untold = {"node", "vmid", "digest", "background_delay", "import-working-storage"}
        given = {key: value for key, value in call.given.items() if key not in untold}
        told = [f"-{key} {_told(key, given[key])}" for key in sorted(given)]
        task.log(f"update VM {call.vmid}: {' '.join(told)}")
        take_config_lock(call.world, task, call.vmid)
        change(call, _checked(call, changes), changes, deleted, reverted, task.log)

    upid = call.task("qmconfig", call.vmid, work)
    if "background_delay" not in call.params:
        return upid
    task = call.world.tasks[upid]
    call.world.wait_for(lambda: not task.running, call.world.as_told(call.params["background_delay"]))
    if task.exitstatus not in (None, "OK"):
        raise failed(f"failed to update VM {call.vmid}: {task.exitstatus}")
    return upid if task.running else None


def _told(key: str, value: object) -> object:
    return "<hidden>" if key == "cipassword" else value


@route(
    "PUT",
    "/nodes/{node}/qemu/{vmid}/cloudinit",
    {"node": NODE, "vmid": VMID},
    needs("/vms/{vmid}", "VM.Config.Cloudinit"),
)
def regenerate_cloudinit(call: Call) -> Any:
    """Write the cloud-init drive anew."""
    guest = call.world.guest(call.vmid, call.node)
    refuse_locked(guest)
    for key in [key for key in guest.pending if key in (*CLOUDINIT_KEYS, *IPCONFIGS)]:
        guest.config[key] = guest.pending.pop(key)
    guest.cloudinit_dirty = False
