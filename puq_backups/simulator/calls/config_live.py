"""What a running VM takes at once and what stays pending, as qemu-server's vmconfig_hotplug_pending decides."""

from __future__ import annotations

from ..schema.parameters import properties
from ..schema.property_strings import net_parts, parse_drive
from ..schema.vm_options import DRIVE_SLOTS, FAST, NETS, SPECIAL, UNUSED_SLOTS
from ..world.disks import is_cdrom
from ..world.model import Guest
from ..world.state import World
from .config_checks import split_names

HOT_BUSES = ("scsi", "virtio")
HOTPLUG_DEFAULT = ("network", "disk", "usb")
PLUGGED = {"memory": "memory", "vcpus": "cpu", "tablet": "usb"}
"""Options that a running VM takes only if its `hotplug` names this feature."""
COLD_OF_A_DRIVE = {"aio", "cache", "discard", "iothread", "product", "queues", "ro", "ssd", "vendor"}
COLD_OF_A_NET = {"macaddr", "model", "mtu", "queues"}


class NotPluggable(Exception):
    """QEMU cannot take it, and Proxmox says why; otherwise what it cannot take is left pending without a word."""


def sets_live(world: World, guest: Guest, key: str, value: str) -> bool:
    """Whether the running VM takes a new value at once. Raises NotPluggable."""
    if key in FAST or key in UNUSED_SLOTS or key in ("cipassword", "cpulimit", "cpuunits"):
        return True
    if key in PLUGGED:
        return PLUGGED[key] in _features(guest)
    if key in NETS:
        return _net(world, guest, key, net_parts(value))
    if key in DRIVE_SLOTS:
        return key not in SPECIAL and _drive(guest, key, parse_drive(value))
    if key == "balloon":
        return (guest.config.get("balloon") == 0) == (int(value) == 0)
    if key == "hotplug":
        return not any(word in f"{value} {guest.config.get(key, '')}" for word in ("cpu", "memory"))
    return key == "agent" and key in guest.config and _agent(value) == _agent(str(guest.config[key]))


def deletes_live(guest: Guest, key: str) -> bool:
    """Whether the running VM can do without an option at once. Raises NotPluggable."""
    if key in FAST or key in ("cpulimit", "cpuunits"):
        return True
    if key in PLUGGED:
        return PLUGGED[key] in _features(guest)
    if key in NETS:
        return "network" in _features(guest)
    if key in DRIVE_SLOTS:
        return "disk" in _features(guest) and _is_hot(key) and _unplugs(guest, key)
    if key == "hotplug":
        return not any(word in str(guest.config.get(key, "")) for word in ("cpu", "memory"))
    return key == "balloon" and guest.config.get("balloon") != 0


def _features(guest: Guest) -> set[str]:
    """What may be plugged into the running VM."""
    value = str(guest.config.get("hotplug", "1"))
    return set(HOTPLUG_DEFAULT if value == "1" else split_names("" if value == "0" else value))


def _agent(value: str) -> dict[str, str]:
    """What of the agent option QEMU has to know."""
    return {key: one for key, one in properties(value, "enabled").items() if key != "fstrim_cloned_disks"}


def _changed(old: dict[str, str], new: dict[str, str]) -> set[str]:
    return {name for name in {*old, *new} if old.get(name) != new.get(name)}


def _net(world: World, guest: Guest, key: str, new: dict[str, str]) -> bool:
    bridge = new.get("bridge")
    if bridge and bridge not in world.nodes[guest.node].bridges:
        raise NotPluggable(f"interface {bridge} does not exist")
    old = net_parts(str(guest.config.get(key, "")))
    if bridge and "bridge" in old and not _changed(old, new) & COLD_OF_A_NET:
        return True
    return "network" in _features(guest)


def _is_hot(slot: str) -> bool:
    return slot.rstrip("0123456789") in HOT_BUSES


def _drive(guest: Guest, slot: str, new: dict[str, str]) -> bool:
    plugs = "disk" in _features(guest)
    if slot not in guest.config:
        return plugs and _is_hot(slot)
    old = parse_drive(str(guest.config[slot]))
    if is_cdrom(old) != is_cdrom(new):
        raise NotPluggable("unable to change media type")
    if is_cdrom(old):
        return True
    if old["file"] == new["file"]:
        return not _changed(old, new) & COLD_OF_A_DRIVE
    return plugs and _unplugs(guest, slot)


def _unplugs(guest: Guest, slot: str) -> bool:
    """A disk is unplugged, unless the VM boots from it or its bus cannot do that."""
    if slot in split_names(str(guest.config.get("boot", "")).removeprefix("order=")):
        raise NotPluggable(f"can't unplug bootdisk '{slot}'")
    if not _is_hot(slot):
        raise NotPluggable(f"can't unplug device '{slot}'")
    return True
