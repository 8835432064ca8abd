"""Volumes (disk images and archives) and where they lie, indexed by storage and by guest."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

FILE_TYPES = {"dir", "nfs", "cifs", "cephfs", "btrfs", "glusterfs"}
SHARED_TYPES = {"nfs", "cifs", "cephfs", "glusterfs", "pbs", "rbd", "iscsi"}
ARCHIVE_NAME = re.compile(r"vzdump-(qemu|lxc)-(\d+)-(\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d)\.(vma|tar)(\.(gz|lzo|zst))?$")
VERIFY_UPID = "UPID:pbs:00000001:00000001:00000001:5F000000:verify:store:root@pam:"
PBS_NAME = re.compile(r"backup/vm/(\d+)/(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)$")

Place = tuple[str, str | None]


@dataclass(slots=True)
class Archive:
    """What an archive holds: the configuration's text, per drive slot (size, data, format, storage) in bytes,
    and the firewall's options and rules.
    """

    config: str
    disks: dict[str, tuple[int, int, str, str]]
    firewall: tuple[dict[str, Any], list[dict[str, Any]]] | None = None


@dataclass(slots=True)
class Volume:
    """One volume. `name` is what follows the colon of its volid; `data` are the bytes that are not zero."""

    storage: str
    name: str
    content: str
    format: str
    size: int
    ctime: int
    vmid: int
    node: str | None = None
    used: int = 0
    data: int = 0
    parent: str | None = None
    notes: str | None = None
    protected: bool = False
    archive: Archive | None = None
    damaged: bool = False
    verification: str | None = None
    encrypted: str | None = None
    locked: bool = False  # somebody else has the image open for writing
    subtype: str = "qemu"
    utc_offset: int = 0  # of the node that wrote its name

    @property
    def volid(self) -> str:
        """The volume's id across Proxmox, `storage:name`."""
        return f"{self.storage}:{self.name}"

    @property
    def base(self) -> str:
        """The file name without its folder."""
        return self.name.rsplit("/", 1)[-1]

    def listed(self, utc_offset: int = 0) -> str:
        """One item of a storage's content as JSON; the time in a file's name is read in the lister's zone."""
        ctime = self.ctime + (self.utc_offset - utc_offset if self.format.startswith("vma") else 0)
        head = (
            f'{{"volid":"{self.storage}:{self.name}","content":"{self.content}","format":"{self.format}",'
            f'"size":{self.size},"ctime":{ctime},"vmid":{self.vmid}'
        )
        if self.content == "images":
            return f'{head},"used":{self.used},"parent":{json.dumps(self.parent)}}}'
        parts = [head, f'"subtype":"{self.subtype}"']
        if self.notes:
            shown = self.notes if self.format == "pbs-vm" else self.notes.split("\n")[0]
            parts.append(f'"notes":{json.dumps(shown)}')
        if self.protected:
            parts.append('"protected":1')
        if self.encrypted:
            parts.append(f'"encrypted":{json.dumps(self.encrypted)}')
        if self.verification:
            parts.append(f'"verification":{{"state":"{self.verification}","upid":"{VERIFY_UPID}"}}')
        return ",".join(parts) + "}"


class Volumes:
    """All volumes, found by place (storage and, where it is node-local, node) and by guest without a scan."""

    def __init__(self) -> None:
        self.watcher: Callable[[str, Volume], None] | None = None
        self._places: dict[Place, dict[str, Volume]] = {}
        self._guests: dict[tuple[str, str | None, int], dict[str, Volume]] = {}

    def add(self, volume: Volume) -> Volume:
        """Put a volume where its storage and node say."""
        self._places.setdefault((volume.storage, volume.node), {})[volume.name] = volume
        self._guests.setdefault((volume.storage, volume.node, volume.vmid), {})[volume.name] = volume
        self.report("added", volume)
        return volume

    def report(self, what: str, volume: Volume) -> None:
        """Report that a volume was added, changed or removed."""
        if self.watcher is not None:
            self.watcher(what, volume)

    def remove(self, volume: Volume) -> None:
        """Take a volume away; one that is gone already is no error."""
        if self._places.get((volume.storage, volume.node), {}).pop(volume.name, None) is not None:
            self.report("removed", volume)
        self._guests.get((volume.storage, volume.node, volume.vmid), {}).pop(volume.name, None)

    def get(self, place: Place, name: str) -> Volume | None:
        """The volume of that name at that place."""
        return self._places.get(place, {}).get(name)

    def clones_of(self, volume: Volume) -> list[Volume]:
        """The linked clones of a base image."""
        here = self._places.get((volume.storage, volume.node), {})
        return [one for one in here.values() if one.name.startswith(f"{volume.name}/")]

    def at(self, place: Place, vmid: int | None = None, content: str | None = None) -> list[Volume]:
        """The volumes at a place, of one guest, of one kind of content."""
        found = self._places.get(place, {}) if vmid is None else self._guests.get((*place, vmid), {})
        return [volume for volume in found.values() if content in (None, volume.content)]

    def of_storage(self, storage: str) -> Iterator[Volume]:
        """The volumes of a storage on whichever node."""
        for (name, _node), volumes in list(self._places.items()):
            if name == storage:
                yield from list(volumes.values())

    def __iter__(self) -> Iterator[Volume]:
        for volumes in list(self._places.values()):
            yield from list(volumes.values())


ONLY_ROOT_PATHS = "Only root can pass arbitrary filesystem paths. at /usr/share/perl5/PVE/Storage.pm line {}."


def unparsable(storage_type: str, name: str) -> str:
    """Proxmox's text for a volume name that the plugin of a storage does not understand."""
    if storage_type in FILE_TYPES and (image := re.fullmatch(r"\d+/(\S+)", name)):
        return f"unable to parse volume filename '{image[1]}'"
    kinds = {"pbs": "pbs", "rbd": "rbd", "lvm": "lvm", "lvmthin": "lvm", "zfspool": "zfs"}
    return f"unable to parse {kinds.get(storage_type, 'directory')} volume name '{name}'"


def name_parts(name: str) -> tuple[str, str, int | None]:
    """Content, format and owner that a volume's name tells; raises ValueError for a name that is none."""
    if pbs := PBS_NAME.match(name):
        return "backup", "pbs-vm", int(pbs[1])
    if name.startswith("backup/"):
        if found := ARCHIVE_NAME.search(name):
            return "backup", f"{found[4]}{found[5] or ''}", int(found[2])
        if re.fullmatch(r"backup/[^/]+\.(vma|tar|tgz)(\.(gz|lzo|zst))?", name):
            return "backup", name.split(".", 1)[1], None
        raise ValueError(name)
    if linked := re.fullmatch(r"(?:\d+/)?base-\d+-[^/]+/((?:\d+/)?(?:vm|base)-.+)", name):
        return name_parts(linked[1])
    if found := re.fullmatch(r"(?:vm|base)-(\d+)-[^/]+", name):
        return "images", "raw", int(found[1])
    if found := re.fullmatch(r"(\d+)/[^/\s]+\.(raw|qcow2|vmdk|subvol)", name):
        return "images", found[2], int(found[1])
    if found := re.fullmatch(r"iso/([^/]+\.(iso|img))", name):
        return "iso", found[2], None
    if re.fullmatch(r"snippets/[^/]+|vztmpl/[^/]+\.tar\.(gz|xz|zst|bz2)", name):
        return name.partition("/")[0], "raw", None
    raise ValueError(name)
