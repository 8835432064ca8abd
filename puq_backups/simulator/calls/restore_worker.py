"""The worker of a restore."""

from __future__ import annotations

import datetime as dt
import re
import uuid

from ..answers import Refusal, failed
from ..http.router import Call
from ..schema.property_strings import net_parts, parse_drive, print_drive, print_net, size_text
from ..schema.vm_options import DRIVE_SLOTS, NETS, UNUSED_SLOTS
from ..world import access, pbs
from ..world.archives import archive_inside
from ..world.config_file import parse
from ..world.disks import CLOUDINIT_SIZE, allocate, drives, is_cdrom, is_cloudinit, rescan
from ..world.guests import to_template
from ..world.locks import config_lock, flock, release, take_storage_lock
from ..world.model import Config, Guest, Storage, tidied
from ..world.qemu import autostart
from ..world.state import new_mac
from ..world.storages import activate, configured
from ..world.task import Interrupted, Task, TaskError
from ..world.volumes import FILE_TYPES, Archive, Volume
from .backup_data import slot_name
from .config_change import stored
from .config_checks import demand_bridge

MIB = 1024**2
LOST = (
    "error before or during data restore, some or all disks were not completely restored."
    " VM {vmid} state is NOT cleaned up."
)
KEPT = (
    "error after data was restored, VM disks should be OK but config may require adaptions."
    " VM {vmid} state is NOT cleaned up."
)
UNPACK = {"vma.zst": "zstd -q -d -c ", "vma.gz": "zcat ", "vma.lzo": "lzop -d -c "}


class Restore:
    """The worker of one restore."""

    def __init__(self, call: Call, task: Task, volume: Volume, guest: Guest, overrides: Config) -> None:
        self.call, self.task, self.volume, self.guest, self.overrides = call, task, volume, guest, overrides
        self.world, self.vmid = call.world, call.vmid
        self.pbs = self.world.storages[volume.storage].type == "pbs"
        self.inside: Archive = archive_inside(self.world, volume)
        self.archived = parse(self.inside.config, self.world.pve)
        self.targets = self._targets()
        self.new: dict[str, Volume] = {}
        self.restored = False

    def _targets(self) -> dict[str, tuple[int, str, str]]:
        """Size, format and storage of each image to make by its slot: cloud-init's come from the configuration."""
        found = {}
        for slot, drive in drives(self.archived).items():
            if is_cloudinit(drive) and not slot.startswith("virtio"):
                storage, _, name = drive["file"].partition(":")
                found[slot] = (CLOUDINIT_SIZE, name.rsplit(".", 1)[-1] if "." in name else "raw", storage)
        found |= {slot: (size, fmt, storage) for slot, (size, _data, fmt, storage) in self.inside.disks.items()}
        if "storage" in self.call.params:
            target = str(self.call.params["storage"])
            found = {slot: (size, fmt, target) for slot, (size, fmt, _storage) in found.items()}
        return found

    def run(self) -> None:
        """Restore; whatever goes wrong leaves the VM as Proxmox leaves it."""
        try:
            self._restore()
        except (TaskError, Refusal):
            self.after_failure()
            raise

    def after_failure(self) -> None:
        """Take the lock `create` away and say that nothing else is cleaned up."""
        if self.guest.lock == "create":
            del self.guest.config["lock"]
        else:
            self.task.log("no lock found trying to remove 'create'  lock")
        self.task.log((KEPT if self.restored else LOST).format(vmid=self.vmid))

    def _restore(self) -> None:
        if not flock(self.world, self.task, config_lock(self.vmid), 1):
            raise TaskError(f"can't lock file '{config_lock(self.vmid)}' - got timeout")
        if self.guest.config.get("protection"):
            raise TaskError(f"unable to restore VM {self.vmid} - - protection mode enabled")
        if self.guest.running:
            raise TaskError(f"unable to restore VM {self.vmid} - vm is running")
        self._check_bridges(self.archived)
        self._announce()
        self._check_targets()
        self._clear_old()
        self._make_disks()
        self._extract()
        self._write_config()
        self.restored = True
        self._afterwards()

    def _check_bridges(self, archived: Config) -> None:
        """SDN.Use for each bridge that the restored VM will have."""
        for key in NETS:
            value = self.overrides.get(key, archived.get(key))
            if value is not None:
                demand_bridge(self.world, self.call.caller, str(value))

    # --- the log's head, and what is checked with the archive open ------------------------------------------------

    @property
    def _temporary(self) -> str:
        return f"/var/tmp/vzdumptmp{self.task.pid}"  # noqa: S108 - a path in a simulated log

    @property
    def _command(self) -> str:
        path = self.world.storages[self.volume.storage].file_path(self.volume.name)
        unpack = UNPACK.get(self.volume.format)
        if unpack is None:
            return f"vma extract -v -r {self._temporary}.fifo {path} {self._temporary}"
        return f"{unpack}{path} | vma extract -v -r {self._temporary}.fifo - {self._temporary}"

    def _failed(self, why: str) -> TaskError:
        """The command that extracts, failed."""
        pipe = "set -o pipefail && " if "|" in self._command else ""
        return TaskError(f"command '{pipe}{self._command}' failed: {why}")

    def _announce(self) -> None:
        if self.pbs:
            return
        at = dt.datetime.fromtimestamp(self.volume.ctime, dt.UTC)
        self.task.log(f"restore vma archive: {self._command}")
        self.task.log(f"CFG: size: {len(self.inside.config.encode())} name: qemu-server.conf")
        for number, (slot, disk) in enumerate(self.inside.disks.items(), 1):
            self.task.log(f"DEV: dev_id={number} size: {disk[0]} devname: drive-{slot_name(slot)}")
        self.task.log(f"CTIME: {at.strftime('%a %b %e %H:%M:%S %Y')}")

    def _check_targets(self) -> None:
        for _size, _format, name in self.targets.values():
            try:
                self._check_target(name)
            except Refusal as problem:
                raise TaskError(problem.in_task) if self.pbs else self._failed(problem.in_task) from None

    def _check_target(self, name: str) -> Storage:
        storage = configured(self.world, name)
        if "images" not in storage.content:
            raise failed(f"Content type 'images' is not available on storage '{name}'")
        access.demand(self.world, self.call.caller, f"/storage/{name}", "Datastore.AllocateSpace")
        return storage

    # --- from here on the old VM is lost ------------------------------------------------------------------------

    def _clear_old(self) -> None:
        """The old disks in the archive's slots go, snapshots too; the configuration is a stand-in now."""
        for slot, drive in drives(self.guest.config).items():
            old = self.world.volume(drive["file"], self.call.node)
            image = is_cloudinit(drive) or not is_cdrom(drive)
            if image and slot in self.targets and old is not None and old.vmid == self.vmid:
                self._free(old)
        if self.inside.firewall:
            self.guest.firewall_options = dict(self.inside.firewall[0])
            self.guest.firewall_rules = [dict(rule) for rule in self.inside.firewall[1]]
        self.guest.snapshots = []
        self.guest.pending, self.guest.pending_delete = {}, []
        self.guest.config = {"memory": "128", **({"lock": "create"} if self.pbs else {})}
        self.world.poke()

    def _free(self, old: Volume) -> None:
        """Remove an old disk; one that cannot be removed stays as an orphan."""
        try:
            activate(self.world, old.storage, self.call.node)
        except Refusal as problem:
            self.task.log(problem.in_task)
        else:
            self.world.volumes.remove(old)

    def _make_disks(self) -> None:
        for slot, (size, archived_format, name) in sorted(self.targets.items()):
            storage = self.world.storages[name]
            fmt = archived_format if storage.type in FILE_TYPES else "raw"
            base = "" if slot in self.inside.disks else f"vm-{self.vmid}-cloudinit"
            try:
                activate(self.world, name, self.call.node)
                lock = take_storage_lock(self.world, self.task, storage, self.call.node)
                self.new[slot] = allocate(
                    self.world, self.call.node, name, self.vmid, size, fmt, self.task.log, base=base
                )
                release(self.world, self.task, lock)
            except (TaskError, Refusal) as problem:
                self._remove_new()
                text = problem.in_task if isinstance(problem, Refusal) else str(problem)
                raise TaskError(text) if self.pbs else self._failed(text) from None
            self.task.log(f"new volume ID is '{self.new[slot].volid}'")
        if not self.pbs:
            for slot, volume in [(slot, volume) for slot, volume in self.new.items() if slot in self.inside.disks]:
                path = self.world.storages[volume.storage].file_path(volume.name)
                self.task.log(f"map 'drive-{slot_name(slot)}' to '{path}' (write zeros = 0)")

    def _remove_new(self) -> None:
        for volume in self.new.values():
            self.world.volumes.remove(volume)
            self.task.log(f"temporary volume '{volume.volid}' successfully removed")

    def _extract(self) -> None:
        try:
            if self.pbs:
                self._extract_pbs()
            else:
                self._extract_vma()
        except Interrupted as problem:
            self._remove_new()
            raise (problem if self.pbs else self._failed(str(problem))) from None
        except TaskError:
            self._remove_new()
            raise
        for slot, volume in self.new.items():
            volume.data = self.inside.disks[slot][1] if slot in self.inside.disks else 0
            volume.used = volume.size

    def _seconds(self, total: int) -> float:
        told = self.world.condition("slow-restore", self.vmid)
        if told is not None:
            return self.world.as_told(float(told))
        rate = self.world.pace.get("restore_mib_per_second", 0)
        usual = max(self.world.pace.get("restore_seconds", 0), total / MIB / rate if rate else 0)
        return self.world.scaled(usual)

    def _extract_vma(self) -> None:
        total = sum(disk[0] for disk in self.inside.disks.values())
        if self.volume.damaged:
            self.task.log("progress 0% (read 65536 bytes, duration 0 sec)")
            self.task.log(f"{self.volume.base[-20:]} : Read error (39) : premature end ")
            self.task.log(f"** (process:{self.task.pid + 2}): ERROR **: short vma extent - data is missing")
            self.task.log("vma: short vma extent - data is missing")
            raise self._failed("exit code 1")
        self._read(total)
        data = sum(disk[1] for disk in self.inside.disks.values())
        sparse = total - data
        self.task.log(f"total bytes read {total}, sparse bytes {sparse} ({sparse * 100 / max(total, 1):.1f}%)")
        self.task.log("space reduction due to 4K zero blocks 0%")

    def _read(self, total: int) -> None:
        seconds = self._seconds(total)
        self.task.log("progress 0% (read 65536 bytes, duration 0 sec)")
        for percent in range(1, 101):
            self.task.sleep(seconds / 100)
            if self.world.storages[self.volume.storage].is_offline(self.call.node):
                raise self._failed("Input/output error")
            passed = int(seconds * percent / 100)
            self.task.log(f"progress {percent}% (read {total * percent // 100} bytes, duration {passed} sec)")

    def _extract_pbs(self) -> None:
        for slot, (size, data, _fmt, _storage) in self.inside.disks.items():
            path = self.world.storages[self.new[slot].storage].file_path(self.new[slot].name)
            snapshot = self.volume.name.removeprefix("backup/")
            storage = self.world.storages[self.volume.storage]
            repository = pbs.repository(storage)
            namespace = f" --ns {storage.namespace}" if storage.namespace else ""
            head = f"restore proxmox backup image: /usr/bin/pbs-restore --repository {repository}{namespace}"
            image = f"drive-{slot_name(slot)}.img.fidx"
            self.task.log(f"{head} {snapshot} {image} {path} --verbose --format {self.new[slot].format}")
            self.task.log(f"connecting to repository '{repository}'")
            self.task.log(f"open block backend for target '{path}'")
            self.task.log(f"starting to restore snapshot '{snapshot}'")
            if self.volume.damaged:
                raise TaskError(f"command '/usr/bin/pbs-restore … {image}' failed: exit code 255")
            self._read_pbs(size, data)

    def _read_pbs(self, size: int, data: int) -> None:
        seconds = self._seconds(size)
        zeros = size - data
        for percent in range(1, 101):
            self.task.sleep(seconds / 100)
            done = size * percent // 100
            share = f"{zeros * 100 // max(size, 1)}% ({zeros * percent // 100} bytes)"
            passed = int(seconds * percent / 100)
            self.task.log(f"progress {percent}% (read {done} bytes, zeroes = {share}, duration {passed} sec)")
        rate = size / MIB / max(seconds, 0.01)
        self.task.log(f"restore image complete (bytes={size}, duration={seconds:.2f}s, speed={rate:.2f}MB/s)")

    # --- the new configuration ------------------------------------------------------------------------------------

    def _write_config(self) -> None:
        text = "".join(self._line(line) for line in self.inside.config.splitlines())
        found = parse(text, self.world.pve)
        for key, value in self.overrides.items():
            found[key] = stored(self.world, self.call.node, self.vmid, key, value, self.task.log)
        self._check_bridges(found)
        kept = {"lock": "create"} if self.pbs else {}
        self.guest.config = {**tidied(found), **kept}
        self.guest.cloudinit_dirty = True
        rescan(self.world, self.guest, self.task.log)
        self.guest.config.pop("lock", None)
        self.world.rights_changed()

    def _line(self, line: str) -> str:
        """One line of the archived configuration as it comes back."""
        key, _, value = line.partition(": ")
        unique = self.call.params.get("unique")
        if key in ("lock", "parent") or key in UNUSED_SLOTS:
            return ""
        if key in DRIVE_SLOTS:
            return self._drive_line(key, value)
        if key in NETS and unique:
            value = print_net({**net_parts(value), "macaddr": new_mac()})
        if key == "vmgenid" and value != "0":
            value = str(uuid.uuid4())
        if key == "smbios1" and unique:
            value = re.sub(r"uuid=[0-9a-fA-F-]{36}", f"uuid={uuid.uuid4()}", value)
        return f"{key}: {value}\n" if value else f"{line}\n"

    def _drive_line(self, slot: str, value: str) -> str:
        """A restored disk is where it is now; one that was left out of the backup becomes a comment."""
        drive = parse_drive(value)
        if drive.get("backup") == "0":
            return f"#{slot}: {value}\n"
        if slot not in self.new:
            return f"{slot}: {value}\n"
        if not is_cdrom(drive):
            drive["size"] = size_text(self.new[slot].size)
        return f"{slot}: {print_drive({**drive, 'file': self.new[slot].volid})}\n"

    def _afterwards(self) -> None:
        if pool := self.call.params.get("pool"):
            self.world.pools[str(pool)].add(self.vmid)
        if self.guest.config.get("template"):
            self.task.log("Convert to template.")
            to_template(self.world, self.guest)
        if self.call.params.get("start"):
            self.task.log("Execute autostart")
            autostart(self.world, self.task, self.guest)
        self.world.poke()
