"""The archive that a backup makes: its name, what it holds, its notes."""

from __future__ import annotations

import datetime as dt
import re

from ..schema.vm_options import UNUSED_SLOTS
from ..world import pbs
from ..world.disks import slot_volumes
from ..world.model import Guest, Storage, config_text
from ..world.state import World
from ..world.volumes import Archive, Volume
from .backup_data import COMMANDS, MIB, OVERHEAD, BackupData

ENDINGS = {"0": "", "1": ".lzo", "lzo": ".lzo", "gzip": ".gz", "zstd": ".zst"}


class NewArchive:
    """An archive of a VM that is not on the storage yet. Its moment is that of its first naming."""

    def __init__(self, world: World, storage: Storage, node: str, vmid: int, compress: str) -> None:
        self.world, self.storage, self.node, self.vmid, self.compress = world, storage, node, vmid, compress
        self._place = world.place(storage.storage, node)
        self.ctime = int(world.now(node))
        # A real backup takes a second at least, so two archives never share a name.
        while world.volumes.get(self._place, self.name) is not None:
            self.ctime += 1

    @property
    def name(self) -> str:
        """The volume name: in UTC on a backup server, in the node's zone elsewhere."""
        at = dt.datetime.fromtimestamp(self.ctime, dt.UTC)
        if self.storage.type == "pbs":
            return f"backup/vm/{self.vmid}/{at.strftime('%Y-%m-%dT%H:%M:%SZ')}"
        at += dt.timedelta(seconds=self.world.nodes[self.node].utc_offset)
        return f"backup/vzdump-qemu-{self.vmid}-{at.strftime('%Y_%m_%d-%H_%M_%S')}.vma{ENDINGS[self.compress]}"

    def volume(self, guest: Guest, data: BackupData) -> Volume:
        """The volume with the VM's configuration and disks as they are now."""
        disks = {
            slot: (size, data.data_of(guest, slot), fmt, storage)
            for slot, storage, fmt, size in slot_volumes(guest.config)
        }
        left_out = ("lock", "parent", *UNUSED_SLOTS)
        config = {key: value for key, value in guest.config.items() if key not in left_out}
        on_pbs = self.storage.type == "pbs"
        whole = sum(disk[0] for disk in disks.values()) + OVERHEAD
        size = whole if on_pbs else data.archive_size(sum(disk[1] for disk in disks.values()))
        fmt = "pbs-vm" if on_pbs else f"vma{ENDINGS[self.compress]}"
        found = Volume(self.storage.storage, self.name, "backup", fmt, size, self.ctime, self.vmid, self._place[1])
        found.used, found.utc_offset = size, self.world.nodes[self.node].utc_offset
        firewall = (dict(guest.firewall_options), [dict(rule) for rule in guest.firewall_rules])
        found.archive = Archive(config_text(config), disks, firewall if any(firewall) else None)
        return found

    def diskless_command(self) -> str:
        """The command that archives a configuration alone."""
        if self.storage.type == "pbs":
            head = f"/usr/bin/proxmox-backup-client backup --repository {pbs.repository(self.storage)}"
            return f"{head} --backup-type vm qemu-server.conf"
        path = self.storage.file_path(self.name).partition(".vma")[0]
        command = COMMANDS.get(self.compress, "cat")
        return f"/usr/bin/vma create -v -c {path}.tmp/qemu-server.conf exec:{command} > {path}.vma.dat"


def filled_notes(template: str, guest: Guest, node: str, cluster: str) -> str:
    """The notes that a template gives, its variables and escapes replaced."""
    values = {"guestname": guest.name, "vmid": str(guest.vmid), "node": node, "cluster": cluster}
    text = re.sub(r"\{\{([^\s{}]+)\}\}", lambda found: values.get(found[1], found[0]), template)
    return re.sub(r"\\(n|\\)", lambda found: "\n" if found[1] == "n" else "\\", text)


def shown_file_size(size: int) -> str:
    """The size of an archive as the log shows it."""
    if size < MIB:
        return f"{size // 1024}KB"
    return f"{size // MIB}MB" if size < 1024 * MIB else f"{size / 1024 / MIB:.2f}GB"
