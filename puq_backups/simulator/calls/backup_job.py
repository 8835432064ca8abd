"""The backup of one VM: what happens to it meanwhile, and every line of its log."""

from __future__ import annotations

import datetime as dt
import re
import uuid

from ..answers import Refusal
from ..http.router import Call
from ..schema.parameters import properties
from ..schema.vm_options import UNUSED_SLOTS
from ..world import pbs, retention
from ..world.disks import drives, is_cdrom, is_cloudinit, slot_volumes
from ..world.locks import config_lock, release, take_config_lock
from ..world.model import Guest, Storage, config_text
from ..world.qemu import power_on
from ..world.storages import check_protected_limit, erase
from ..world.task import Interrupted, Task, TaskError
from ..world.volumes import Archive, Volume
from .backup_data import COMMANDS, MIB, OVERHEAD, BackupData
from .status import agent_enabled

ENDINGS = {"0": "", "1": ".lzo", "lzo": ".lzo", "gzip": ".gz", "zstd": ".zst"}


class Backup:
    """One VM's part of a backup job. `run` says whether it went well."""

    def __init__(self, call: Call, task: Task, vmid: int, storage: Storage) -> None:
        self.call, self.task, self.vmid, self.storage = call, task, vmid, storage
        self.world = call.world
        self.mode = str(call.params.get("mode", "snapshot"))
        self.compress = str(call.params.get("compress", "0"))
        self.started = self.world.now(call.node)
        self.was_running = False
        self.locked = False
        self.ours_to_stop = False
        self.job_began = False
        self.data = BackupData(self.world, task, vmid, storage, call.node, self.compress)

    def run(self) -> bool:
        """Back up; failures are told in the log, only signals go on up."""
        try:
            self._back_up()
        except Interrupted as problem:
            self._give_up(str(problem))
            raise
        except (TaskError, Refusal) as problem:
            text = problem.text if isinstance(problem, Refusal) else str(problem)
            self._give_up(text.strip())
            return False
        return True

    def _info(self, text: str) -> None:
        self.task.log(f"INFO: {text}")

    def _clock(self) -> str:
        moment = dt.datetime.fromtimestamp(self.world.now(self.call.node), dt.UTC)
        return moment.strftime("%Y-%m-%d %H:%M:%S")

    def _back_up(self) -> None:
        guest = self.world.guests.get(self.vmid)
        if guest is None:
            raise TaskError(f"unable to find VM '{self.vmid}'")
        self._check_ha(guest)
        self._check_limits()
        self.was_running = guest.running
        self._info(f"Starting Backup of VM {self.vmid} (qemu)")
        self._info(f"Backup started at {self._clock()}")
        self._info(f"status = {'running' if guest.running else 'stopped'}")
        self._lock(guest)
        self._introduce(guest)
        name = self._archive_name()
        volume = self._write(guest, name)
        self._finish(guest, volume)

    def _check_ha(self, guest: Guest) -> None:
        if guest.ha == "started" and self.mode == "stop":
            raise TaskError(
                "Cannot execute a backup with stop mode on a HA managed and enabled Service."
                " Use snapshot mode or disable the Service."
            )

    def _lock(self, guest: Guest) -> None:
        if not self.world.quorum:
            raise TaskError(f"unable to open file '/etc/pve/nodes/{self.call.node}/qemu-server/{self.vmid}.conf'")
        take_config_lock(self.world, self.task, self.vmid)
        release(self.world, self.task, config_lock(self.vmid))
        if guest.lock:
            raise TaskError(f"VM is locked ({guest.lock})")
        guest.config["lock"] = "backup"
        self.locked = True
        self.world.poke()

    def _check_limits(self) -> None:
        """A finite retention refuses one more if nothing may be removed."""
        rules = self._rules()
        if self.call.params.get("protected"):
            check_protected_limit(self.world, self.call.caller, self.storage, self.call.node, self.vmid)
            return
        if "all" in rules or self.call.params.get("remove", 1):
            return
        place = self.world.place(self.storage.storage, self.call.node)
        there = [one for one in self.world.volumes.at(place, self.vmid, "backup") if not one.protected]
        limit = sum(rules.values())
        if len(there) >= limit:
            raise TaskError(
                f"There is a max backup limit of {limit} enforced by the target storage or the vzdump parameters."
                " Either increase the limit or delete old backups."
            )

    def _rules(self) -> dict[str, int]:
        return retention.parse(str(self.call.params.get("prune-backups") or self.storage.prune or "keep-all=1"))

    def _introduce(self, guest: Guest) -> None:
        """Mode, name and disks: a VM that is off, or is to be stopped, tells its mode first."""
        stopped = not self.was_running or self.mode in ("stop", "suspend")
        mode = "stop" if not self.was_running else self.mode
        if not stopped:
            self._tell_disks(guest)
        self._tell_mode(mode)
        if stopped:
            self._tell_disks(guest)
        if self.was_running and self.mode == "stop":
            self._info("stopping virtual guest")
            self._shut_down(guest)
        if self.was_running and self.mode == "suspend":
            self._info("suspending guest")
        self._tell_left_out(guest)

    def _shut_down(self, guest: Guest) -> None:
        """Stop mode of a running VM: it has `stopwait` minutes to go."""
        if self.world.condition("powerdown-ignored", self.vmid):
            wait = int(self.call.params.get("stopwait", 10)) * 60
            self.task.sleep(self.world.scaled(wait))
            self._info("VM quit/powerdown failed - got timeout")
            command = f"qm shutdown {self.vmid} --skiplock --keepActive --timeout {wait}"
            raise TaskError(f"command '{command}' failed: exit code 255")
        self.task.sleep(self.world.scaled(self.world.pace.get("shutdown", 0)))
        guest.pid, guest.qmpstatus = None, "stopped"

    def _tell_left_out(self, guest: Guest) -> None:
        for slot in [slot for slot in UNUSED_SLOTS if slot in guest.config]:
            self._info(f"skip unused drive '{guest.config[slot]}' (not included into backup)")
        if guest.snapshots:
            self._info("snapshots found (not included into backup)")
        if guest.pending or guest.pending_delete:
            self._info("pending configuration changes found (not included into backup)")

    def _tell_mode(self, mode: str) -> None:
        self._info(f"backup mode: {mode}")
        if self.call.params.get("bwlimit"):
            self._info(f"bandwidth limit: {self.call.params['bwlimit']} KiB/s")
        self._info(f"ionice priority: {self.call.params.get('ionice', 7)}")

    def _tell_disks(self, guest: Guest) -> None:
        if guest.running and guest.backup_job_ends > self.world.now():
            self.task.warn("WARN: left-over backup job still running inside QEMU - canceling now")
            guest.backup_job_ends = 0
        if "name" in guest.config:
            self._info(f"VM Name: {guest.name}")
        for slot, drive in drives(guest.config).items():
            if is_cdrom(drive) and not is_cloudinit(drive):
                continue
            if drive.get("backup") == "0":
                self._info(f"exclude disk '{slot}' '{drive['file']}' (backup=no)")
                continue
            size = drive.get("size", "4M" if is_cloudinit(drive) else "")
            self._info(f"include disk '{slot}' '{drive['file']}' {size}".rstrip())
            if self.world.volume(drive["file"], self.call.node) is None:
                raise TaskError(f"volume '{drive['file']}' does not exist")

    def _archive_name(self) -> str:
        """A name that no archive has: a real backup takes a second at least, so two never share one."""
        place = self.world.place(self.storage.storage, self.call.node)
        moment = int(self.world.now(self.call.node))
        while self.world.volumes.get(place, self._named(moment)) is not None:
            moment += 1
        self.ctime = moment
        return self._named(moment)

    def _named(self, moment: int) -> str:
        at = dt.datetime.fromtimestamp(moment, dt.UTC)
        if self.storage.type == "pbs":
            return f"backup/vm/{self.vmid}/{at.strftime('%Y-%m-%dT%H:%M:%SZ')}"
        at += dt.timedelta(seconds=self.world.nodes[self.call.node].utc_offset)
        return f"backup/vzdump-qemu-{self.vmid}-{at.strftime('%Y_%m_%d-%H_%M_%S')}.vma{ENDINGS[self.compress]}"

    def _write(self, guest: Guest, name: str) -> Volume:
        if self.storage.type == "pbs":
            self._info(f"creating Proxmox Backup Server archive '{name.removeprefix('backup/')}'")
        else:
            self._info(f"creating vzdump archive '{self.storage.file_path(name)}'")
        if not slot_volumes(guest.config):
            self._info("backup contains no disks")
            self._info("starting diskless backup")
            self._info(self._diskless_command(name))
            return self._volume(guest, name)
        self._begin_job(guest)
        self.data.copy(guest)
        return self._volume(guest, name)

    def _diskless_command(self, name: str) -> str:
        """The command that archives a configuration alone."""
        if self.storage.type == "pbs":
            repository = pbs.repository(self.storage)
            return (
                f"/usr/bin/proxmox-backup-client backup --repository {repository} --backup-type vm qemu-server.conf"
            )
        path = self.storage.file_path(name).partition(".vma")[0]
        return (
            f"/usr/bin/vma create -v -c {path}.tmp/qemu-server.conf"
            f" exec:{COMMANDS.get(self.compress, 'cat')} > {path}.vma.dat"
        )

    def _begin_job(self, guest: Guest) -> None:
        if not guest.running or self.mode == "stop":
            self._start_paused(guest)
        frozen = self._freeze(guest) if self.was_running and self.mode != "stop" else False
        if self.world.is_9:
            self._info("starting backup via QMP command")
        if frozen:
            self._info("issuing guest-agent 'fs-thaw' command")
        self._info(f"started backup task '{uuid.uuid4()}'")
        self.job_began = True
        if self.was_running:
            tail = "" if self.mode == "snapshot" else " after 1 seconds"
            self._info(f"resuming VM again{tail}")
            guest.qmpstatus = "running"

    def _start_paused(self, guest: Guest) -> None:
        self._info("starting kvm to execute backup task")
        self.ours_to_stop = not self.was_running
        if text := self.world.condition("start-fail", self.vmid):
            self.task.log(str(text))
            self.ours_to_stop = False
            raise TaskError("start failed: QEMU exited with code 1")
        power_on(self.world, guest, "prelaunch")
        self.world.poke()

    def _freeze(self, guest: Guest) -> bool:
        options = properties(str(guest.config.get("agent", "0")), "enabled")
        off = "0" in (options.get("freeze-fs-on-backup"), options.get("freeze-fs"))
        if not agent_enabled(guest) or off:
            if self.world.is_9:
                self._info("skipping guest filesystem freeze - disabled in VM options")
            elif off and agent_enabled(guest):
                self._info("skipping guest-agent 'fs-freeze', disabled in VM options")
            return False
        if not self.world.condition("agent-answers", self.vmid):
            self._info(
                "skipping guest filesystem freeze - agent configured but not running?"
                if self.world.is_9
                else "skipping guest-agent 'fs-freeze', agent configured but not running?"
            )
            return False
        self._info("issuing guest-agent 'fs-freeze' command")
        return True

    def _volume(self, guest: Guest, name: str) -> Volume:
        """The archive itself; it is not on the storage yet."""
        disks = {
            slot: (size, self.data.data_of(guest, slot), fmt, storage)
            for slot, storage, fmt, size in slot_volumes(guest.config)
        }
        left_out = ("lock", "parent", *UNUSED_SLOTS)
        config = {key: value for key, value in guest.config.items() if key not in left_out}
        data = sum(disk[1] for disk in disks.values())
        pbs = self.storage.type == "pbs"
        size = sum(disk[0] for disk in disks.values()) + OVERHEAD if pbs else self.data.archive_size(data)
        node = self.world.place(self.storage.storage, self.call.node)[1]
        fmt = "pbs-vm" if pbs else f"vma{ENDINGS[self.compress]}"
        volume = Volume(self.storage.storage, name, "backup", fmt, size, self.ctime, self.vmid, node, used=size)
        volume.utc_offset = self.world.nodes[self.call.node].utc_offset
        firewall = (dict(guest.firewall_options), [dict(rule) for rule in guest.firewall_rules])
        volume.archive = Archive(config_text(config), disks, firewall if any(firewall) else None)
        return volume

    def _finish(self, guest: Guest, volume: Volume) -> None:
        self._stop_ours(guest)
        self.world.volumes.add(volume)
        if self.storage.type != "pbs":
            self._info(f"archive file size: {_file_size(volume.size)}")
        if template := self.call.params.get("notes-template"):
            self._info("adding notes to backup")
            volume.notes = _notes(str(template), guest, self.call.node, self.world.cluster_name)
        if self.call.params.get("protected"):
            self._info("marking backup as protected")
            volume.protected = True
        self._prune()
        self._unlock(guest)
        if self.was_running and self.mode == "suspend":
            self._info("resume vm")
        took = int(self.world.now(self.call.node) - self.started)
        self._info(f"Finished Backup of VM {self.vmid} ({took // 3600:02d}:{took // 60 % 60:02d}:{took % 60:02d})")
        self._info(f"Backup finished at {self._clock()}")

    def _stop_ours(self, guest: Guest) -> None:
        """Stop the QEMU that was started for the backup, unless somebody has resumed it meanwhile."""
        guest.backup_job_ends = 0
        if self.ours_to_stop and guest.qmpstatus == "prelaunch":
            self._info("stopping kvm after backup task")
            guest.pid, guest.qmpstatus = None, "stopped"
        elif self.ours_to_stop:
            self._info(f"kvm status changed after backup ('{guest.qmpstatus}') - keep VM running")
        self.ours_to_stop = False

    def _unlock(self, guest: Guest) -> None:
        if self.locked and guest.lock == "backup":
            del guest.config["lock"]
        self.locked = False
        self.world.poke()

    def _prune(self) -> None:
        rules = self._rules()
        if "all" in rules or not self.call.params.get("remove", 1):
            return
        told = retention.print_rules(rules, ", ")
        self._info(f"prune older backups with retention: {told}")
        place = self.world.place(self.storage.storage, self.call.node)
        removed = 0
        for volume, mark in retention.mark(self.world.volumes.at(place, self.vmid, "backup"), rules):
            if mark == "remove":
                self._info(f"removing backup '{volume.volid}'")
                erase(self.world, self.storage, volume)
                removed += 1
        tail = " not covered by keep-retention policy" if removed else ""
        self._info(f"pruned {removed} backup(s){tail}")

    def _give_up(self, text: str) -> None:
        """The end of a backup that failed: the error, the clean-up, the reason for people."""
        guest = self.world.guests.get(self.vmid)
        began = guest is not None and self.locked and (self.job_began or "start failed" in text)
        if began and "wrong exit status" not in text:
            self.task.log(f"ERROR: {text}")
            self._info("aborting backup job")
            if "start failed" in text:
                self.task.log(f"ERROR: VM {self.vmid} not running")
                self.task.log(f"VM {self.vmid} not running")
            elif self.was_running:
                self._info("resuming VM again")
        if guest is not None:
            self._stop_ours(guest)
            if self.locked:
                self._unlock(guest)
        self.task.log(f"ERROR: Backup of VM {self.vmid} failed - {text}")
        self._info(f"Failed at {self._clock()}")


def _notes(template: str, guest: Guest, node: str, cluster: str) -> str:
    values = {"guestname": guest.name, "vmid": str(guest.vmid), "node": node, "cluster": cluster}
    text = re.sub(r"\{\{([^\s{}]+)\}\}", lambda found: values.get(found[1], found[0]), template)
    return re.sub(r"\\(n|\\)", lambda found: "\n" if found[1] == "n" else "\\", text)


def _file_size(size: int) -> str:
    if size < MIB:
        return f"{size // 1024}KB"
    return f"{size // MIB}MB" if size < 1024 * MIB else f"{size / 1024 / MIB:.2f}GB"
