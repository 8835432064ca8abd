"""The backup of one VM: what happens to it meanwhile, and every line of its log."""

from __future__ import annotations

import datetime as dt
import uuid

from ..answers import Refusal
from ..http.router import Call
from ..schema.parameters import properties
from ..schema.vm_options import UNUSED_SLOTS
from ..world import pbs, retention
from ..world.disks import drives, is_cdrom, slot_volumes
from ..world.locks import config_lock, release, take_config_lock
from ..world.model import Guest, Storage
from ..world.qemu import start_qemu
from ..world.storages import activate, check_protected_limit, erase
from ..world.task import Interrupted, Task, TaskError
from ..world.volumes import Volume
from .backup_archive import NewArchive, filled_notes, shown_file_size
from .backup_data import BackupData
from .status import agent_enabled


class Backup:
    """One VM's part of a backup job. `run` says whether it went well."""

    def __init__(self, call: Call, task: Task, vmid: int, storage: Storage) -> None:
        self.call, self.task, self.vmid, self.storage = call, task, vmid, storage
        self.world = call.world
        self.mode = str(call.params.get("mode", "snapshot"))
        self.compress = str(call.params.get("compress", "0"))
        self.started = self.world.now(call.node)
        self.was_running = False
        self.was_paused = False
        self.locked = False
        self.ours_to_stop = False
        self.in_job = False
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
        self.was_paused = guest.qmpstatus == "paused"
        self._info(f"Starting Backup of VM {self.vmid} (qemu)")
        self._info(f"Backup started at {self._clock()}")
        self._info(f"status = {'running' if guest.running else 'stopped'}")
        self._lock(guest)
        self._introduce(guest)
        volume = self._write(guest, NewArchive(self.world, self.storage, self.call.node, self.vmid, self.compress))
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
        wait = int(self.call.params.get("stopwait", 10)) * 60
        if self.was_paused or self.world.condition("powerdown-ignored", self.vmid):
            self.task.sleep(0 if self.was_paused else self.world.scaled(wait))
            self._info(
                "VM is paused - cannot shutdown" if self.was_paused else "VM quit/powerdown failed - got timeout"
            )
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
        taken = [slot for slot, *_rest in slot_volumes(guest.config)]
        for slot, drive in drives(guest.config).items():
            if is_cdrom(drive):
                continue
            if slot not in taken:
                why = "backup=no" if drive.get("backup") == "0" else "efidisk but no OMVF BIOS"
                self._info(f"exclude disk '{slot}' '{drive['file']}' ({why})")
                continue
            self._info(f"include disk '{slot}' '{drive['file']}' {drive.get('size', '')}".rstrip())
        files = [drives(guest.config)[slot]["file"] for slot in taken]
        for storage in sorted({file.partition(":")[0] for file in files}):
            activate(self.world, storage, self.call.node)
        for file in files:
            if self.world.volume(file, self.call.node) is None:
                raise TaskError(f"volume '{file}' does not exist")

    def _write(self, guest: Guest, archive: NewArchive) -> Volume:
        name = archive.name
        if self.storage.type == "pbs":
            self._info(f"creating Proxmox Backup Server archive '{name.removeprefix('backup/')}'")
            if self.storage.encryption_key:
                self._info("enabling encryption")
        else:
            self._info(f"creating vzdump archive '{self.storage.file_path(name)}'")
        if not slot_volumes(guest.config):
            self._info("backup contains no disks")
            self._info("starting diskless backup")
            self._info(archive.diskless_command())
            return archive.volume(guest, self.data)
        self._begin_job(guest)
        self.data.copy(guest)
        return archive.volume(guest, self.data)

    def _begin_job(self, guest: Guest) -> None:
        self.in_job = True
        if not guest.running or self.mode == "stop":
            self._start_paused(guest)
        if "tpmstate0" in guest.config:
            self._info("attaching TPM drive to QEMU for backup")
        freezes = self.was_running and not self.was_paused and self.mode != "stop"
        frozen = self._freeze(guest) if freezes else False
        if self.world.is_9:
            self._info("starting backup via QMP command")
        if frozen:
            self._info("issuing guest-agent 'fs-thaw' command")
        if self.storage.type == "pbs" and pbs.is_foreign(self.storage, self.vmid):
            raise TaskError(pbs.owner_mismatch(self.storage, self.vmid))
        self._info(f"started backup task '{uuid.uuid4()}'")
        if self.was_running and not self.was_paused:
            tail = "" if self.mode == "snapshot" else " after 1 seconds"
            self._info(f"resuming VM again{tail}")
            guest.qmpstatus = "running"

    def _start_paused(self, guest: Guest) -> None:
        self._info("starting kvm to execute backup task")
        start_qemu(self.world, self.task, guest, "prelaunch")
        self.ours_to_stop = self.data.started_for_it = not self.was_running

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

    def _finish(self, guest: Guest, volume: Volume) -> None:
        self._stop_ours(guest)
        self.world.volumes.add(volume)
        if self.storage.type == "pbs":
            volume.encrypted = self.storage.encryption_key
            pbs.remember(self.world, guest, self.storage, volume)
        if self.storage.type != "pbs":
            self._info(f"archive file size: {shown_file_size(volume.size)}")
        if template := self.call.params.get("notes-template"):
            self._info("adding notes to backup")
            volume.notes = filled_notes(str(template), guest, self.call.node, self.world.cluster_name)
        if self.call.params.get("protected"):
            self._info("marking backup as protected")
            volume.protected = True
        self.world.volumes.report("changed", volume)
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
        if self.storage.type == "pbs":
            self._info(f"running 'proxmox-backup-client prune' for 'vm/{self.vmid}'")
        for volume, mark in retention.mark(self.world.volumes.at(place, self.vmid, "backup"), rules):
            if mark == "remove":
                if self.storage.type != "pbs":
                    self._info(f"removing backup '{volume.volid}'")
                erase(self.world, self.storage, volume)
                removed += 1
        tail = " not covered by keep-retention policy" if removed else ""
        self._info(f"pruned {removed} backup(s){tail}")

    def _give_up(self, text: str) -> None:
        """The end of a backup that failed: the error, the clean-up, the reason for people."""
        guest = self.world.guests.get(self.vmid)
        began = guest is not None and self.locked and self.in_job
        if began and "wrong exit status" not in text:
            self.task.log(f"ERROR: {text}")
            self._info("aborting backup job")
            if not (guest is not None and guest.running):
                self.task.log(f"ERROR: VM {self.vmid} not running")
                if self.was_running:
                    self._info("resuming VM again after 1 seconds")
                    text = f"VM {self.vmid} not running"
                else:
                    self.task.log(f"VM {self.vmid} not running")
            elif self.was_running:
                self._info("resuming VM again")
        if guest is not None:
            self._stop_ours(guest)
            if self.locked:
                self._unlock(guest)
            if self.was_running and not guest.running:
                self._restart(guest)
        self.task.log(f"ERROR: Backup of VM {self.vmid} failed - {text}")
        self._info(f"Failed at {self._clock()}")

    def _restart(self, guest: Guest) -> None:
        """Start a VM again that was stopped for its backup; that it fails is only told."""
        self._info("restarting vm")
        try:
            start_qemu(self.world, self.task, guest)
        except (TaskError, Refusal) as problem:
            self._info(problem.text if isinstance(problem, Refusal) else str(problem))
            self.task.log(f"command 'qm start {self.vmid} --skiplock' failed: exit code 255")
        else:
            self._info("guest is online again after 1 seconds")
