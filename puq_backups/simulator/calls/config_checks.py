"""Checks of a change of a VM's configuration before anything is changed."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from urllib.parse import unquote

from ..answers import bad_parameters, failed
from ..http.router import Call
from ..schema.parameters import properties
from ..schema.property_strings import NEW_DISK, contradicts, memory_mib, net_parts, parse_drive, print_drive
from ..schema.vm_options import DEVICE, DRIVE_SLOTS, NETS, UNUSED_SLOTS, option, privileges_for
from ..world import access
from ..world.disks import is_cdrom, is_cloudinit
from ..world.model import Caller, Config
from ..world.state import World
from ..world.storages import configured
from ..world.volumes import FILE_TYPES, ONLY_ROOT_PATHS, name_parts, unparsable

MOST_CPU_UNITS = 10_000
"""A larger weight is cut to this, the most that control groups of version 2 have."""


def split_names(text: object) -> list[str]:
    """A list as `delete` and `revert` have it."""
    return [name for name in re.split(r"[,;\s\0]+", str(text or "")) if name]


def check_change(call: Call, changes: Config, deleted: list[str], reverted: list[str]) -> None:
    """The refusals that need no lock, in Proxmox's order. Drives in `changes` are written as they are meant."""
    if call.params.get("skiplock") and call.caller.id != "root@pam":
        raise bad_parameters({"skiplock": "Only root may use this option."})
    check_ssh_keys(changes)
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
    name_drives(call.world, changes)
    check_hookscript(changes)
    check_rights(call, [*deleted, *changes])
    check_storages(call, changes)
    for key in [key for key in changes if key in NETS]:
        demand_bridge(call.world, call.caller, str(changes[key]))


def wished_options(call: Call, meta: Collection[str]) -> Config:
    """The options that a call sets, in the form in which a configuration keeps their values."""
    changes = {key: value for key, value in call.params.items() if key not in meta}
    if "cdrom" in changes:
        drive = str(changes.pop("cdrom"))
        changes["ide2"] = drive if "media=" in drive else f"{drive},media=cdrom"
    if "cpulimit" in changes:
        changes["cpulimit"] = call.given["cpulimit"]  # a decimal number stays text
    if "cpuunits" in changes:
        changes["cpuunits"] = min(int(changes["cpuunits"]), MOST_CPU_UNITS)
    return changes


def check_wishes(call: Call, wishes: Config) -> None:
    """The rights that the options of a new or restored VM need."""
    check_storages(call, wishes)
    check_rights(call, wishes)
    for key, value in wishes.items():
        if DEVICE.fullmatch(key):
            check_value_rights(call, key, value)
    for key in [key for key in wishes if key in NETS]:
        demand_bridge(call.world, call.caller, str(wishes[key]))


def check_ssh_keys(changes: Mapping[str, object]) -> None:
    """Each line of `sshkeys` has to be a public key, as ssh-keygen judges."""
    for line in unquote(str(changes.get("sshkeys", ""))).splitlines():
        if line.strip() and not any(_is_key(kind, body) for kind, body in pairwise(line.split())):
            raise failed("SSH public key validation error")


def _is_key(kind: str, body: str) -> bool:
    """Whether a base64 text is a public key of this kind: parts with their lengths, the first is the kind's name."""
    try:
        left = base64.b64decode(body, validate=True)
    except ValueError:
        return False
    parts = []
    while left:
        length = int.from_bytes(left[:4], "big")
        parts.append(left[4 : 4 + length])
        if len(parts[-1]) < length:
            return False
        left = left[4 + length :]
    return len(parts) > 1 and parts[0] == kind.encode()


def check_hookscript(changes: Config) -> None:
    """A hook script has to be there; none is."""
    if (script := changes.get("hookscript")) is not None:
        kind = "/snippets/" if ":snippets/" in str(script) else ""
        why = f"script '{script}' does not exist" if kind else f"'{script}' is not in the snippets directory"
        raise bad_parameters({"hookscript": f"{why}\n"})


def check_rights(call: Call, keys: Iterable[str]) -> None:
    """The privilege that each option needs, for those where it does not depend on the value."""
    world, caller, path = call.world, call.caller, f"/vms/{call.vmid}"
    for key in keys:
        if key in (*DRIVE_SLOTS, *UNUSED_SLOTS, "tags") or DEVICE.fullmatch(key):
            continue
        names = privileges_for(key)
        if not names:
            raise failed(f"only root can set '{key}' config")
        access.demand_any(world, caller, path, *names)
        if key == "startup":
            access.demand(world, caller, "/", "Sys.Modify")


def check_value_rights(call: Call, key: str, value: object, verb: str = "set") -> None:
    """The privileges that depend on the value of an option: a value that it has, or is to have."""
    world, caller, path = call.world, call.caller, f"/vms/{call.vmid}"
    if key in DRIVE_SLOTS:
        drive = parse_drive(str(value))
        if is_cloudinit(drive):
            access.demand(world, caller, path, "VM.Config.Cloudinit", "VM.Config.CDROM")
        else:
            access.demand(world, caller, path, "VM.Config.CDROM" if is_cdrom(drive) else "VM.Config.Disk")
    elif key in UNUSED_SLOTS:
        access.demand(world, caller, path, "VM.Config.Disk")
    elif key == "tags":
        access.demand(world, caller, path, "VM.Config.Options")
    elif key in NETS:
        demand_bridge(world, caller, str(value))
    elif DEVICE.fullmatch(key):
        _check_device(call, key, str(value), verb)


def _check_device(call: Call, key: str, value: str, verb: str) -> None:
    """Devices of the node are for root@pam; mapped ones need a right on their mapping."""
    world, caller, kind = call.world, call.caller, key.rstrip("0123456789")
    given = properties(value, "dirid" if kind == "virtiofs" else "host")
    if kind == "serial":
        if value != "socket":
            raise failed(f"only root can {verb} '{key}' config for real devices")
    elif "host" in given and given["host"].lower() != "spice":
        raise failed(f"only root can set '{key}' config for {'non-mapped' if kind == 'hostpci' else 'real'} devices")
    elif kind in ("usb", "hostpci") and not {"host", "mapping"} & set(given):
        raise failed("either 'host' or 'mapping' must be set.")
    if "mapping" in given:
        access.demand(world, caller, f"/mapping/{kind.removeprefix('host')}/{given['mapping']}", "Mapping.Use")
    if "dirid" in given:
        access.demand(world, caller, f"/mapping/dir/{given['dirid']}", "Mapping.Use")
    access.demand(world, caller, f"/vms/{call.vmid}", "VM.Config.Disk" if kind == "virtiofs" else "VM.Config.HWType")


def demand_bridge(world: World, caller: Caller, net: str) -> None:
    """SDN.Use on the bridge of a network device; on its VLAN is enough."""
    parts = net_parts(net)
    if "bridge" not in parts:
        return
    path = f"/sdn/zones/localnetwork/{parts['bridge']}"
    if "tag" in parts and not access.may(world, caller, path, "SDN.Use"):
        path = f"{path}/{parts['tag']}"
    access.demand(world, caller, path, "SDN.Use")


def name_drives(world: World, changes: Config) -> None:
    """Write drives as they are meant: a path as the volume that lies there, a CD drive as one. Refuse bad ones."""
    for slot in sorted(key for key in changes if key in DRIVE_SLOTS):
        drive = parse_drive(str(changes[slot]))
        if contradicts(slot, drive):
            raise bad_parameters({slot: "unable to parse drive options"})
        file = drive["file"]
        if file.startswith("/") and not file.startswith("/dev/"):
            drive["file"] = _volume_at(world, slot, file)
        if file in ("cdrom", "none"):
            drive.setdefault("media", "cdrom")
        if _kind(world, drive["file"]) == "iso" and drive.get("media") != "cdrom":
            raise bad_parameters({slot: "explicit 'media=cdrom' is required for iso images"})
        kept = {"format": drive["format"]} if "format" in drive else {}
        changes[slot] = print_drive(drive) + "".join(f",format={fmt}" for fmt in kept.values())


def _volume_at(world: World, slot: str, path: str) -> str:
    """The volume id of a file."""
    for storage in world.storages.values():
        for volume in world.volumes.of_storage(storage.storage):
            if storage.type in FILE_TYPES and storage.file_path(volume.name) == path:
                return volume.volid
    raise bad_parameters({slot: f"unable to associate path '{path}' to any storage"})


def _kind(world: World, volid: str) -> str | None:
    """The content that a volume id names; None for a new disk, cloud-init's and what is no volume id."""
    storage, colon, name = volid.partition(":")
    if not colon or volid.startswith("/") or NEW_DISK.fullmatch(volid) or name == "cloudinit":
        return None
    found = configured(world, storage)
    try:
        return name_parts(name)[0]
    except ValueError:
        raise failed(unparsable(found.type, name)) from None


def check_storages(call: Call, changes: Config) -> None:
    """The rights on the storages of new disks, and on volumes that are to be attached."""
    for slot in [key for key in changes if key in (*DRIVE_SLOTS, *UNUSED_SLOTS)]:
        drive = parse_drive(str(changes[slot]))
        file = drive["file"]
        if file == "cdrom":
            access.demand(call.world, call.caller, "/", "Sys.Console")
        elif new := NEW_DISK.fullmatch(file):
            _check_new_disk(call, str(new[1] or call.params.get("storage", "")))
        elif file != "none" and not file.endswith(":cloudinit"):
            _check_volume(call, slot, file)
    if storage := changes.get("vmstatestorage"):
        access.demand(call.world, call.caller, f"/storage/{storage}", "Datastore.AllocateSpace")


def _check_new_disk(call: Call, name: str) -> None:
    if not name:
        raise failed("no storage ID specified (and no default storage)")
    access.demand(call.world, call.caller, f"/storage/{name}", "Datastore.AllocateSpace")
    if "images" not in configured(call.world, name).content:
        raise bad_parameters({"storage": f"storage '{name}' does not support vm images"})


def _check_volume(call: Call, slot: str, volid: str) -> None:
    """Access to a volume by its name; that it is there is found out when it is attached."""
    kind = _kind(call.world, volid)
    if kind is None:
        raise failed(ONLY_ROOT_PATHS.format(651 if call.world.is_9 else 581))
    owner = name_parts(volid.partition(":")[2])[2]
    if slot in UNUSED_SLOTS and kind != "images":
        raise failed(f"unable to use volume {volid} - content type needs to be 'images'")
    access.demand_named_volume(call.world, call.caller, volid, kind, owner, call.vmid)
    if kind not in ("images", "iso"):
        raise bad_parameters({slot: "content type needs to be 'images' or 'iso'"})


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
