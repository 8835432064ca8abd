"""Checks of a change of a VM's configuration before anything is changed."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..answers import bad_parameters, failed
from ..http.router import Call
from ..schema.property_strings import NEW_DISK, contradicts, memory_mib, net_parts, parse_drive
from ..schema.vm_options import DRIVE_SLOTS, NETS, UNUSED_SLOTS, option, privileges_for
from ..world import access
from ..world.disks import image_storage, is_cdrom, is_cloudinit
from ..world.model import Caller, Config
from ..world.state import World


def split_names(text: object) -> list[str]:
    """A list as `delete` and `revert` have it."""
    return [name for name in re.split(r"[,;\s\0]+", str(text or "")) if name]


def check_change(call: Call, changes: Config, deleted: list[str], reverted: list[str]) -> None:
    """The refusals that need no lock: skiplock, nothing to do, both at once, rights, sizes, disks."""
    if call.params.get("skiplock") and call.caller.id != "root@pam":
        raise bad_parameters({"skiplock": "Only root may use this option."})
    if not (changes or deleted or reverted):
        raise failed("no options specified")
    for what, names in (("revert", reverted), ("delete", deleted)):
        for key in names:
            if option(key, call.world.pve) is None and key not in UNUSED_SLOTS:
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


def demand_bridge(world: World, caller: Caller, net: str) -> None:
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


CHECKSUM = "checksum mismatch (file change by other user?)"
BALLOON = "balloon value too large (must be smaller than assigned memory)"


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
