"""The data phase of a backup: QEMU's backup job with its progress lines, sizes and failures."""

from __future__ import annotations

from ..world import pbs, storages
from ..world.disks import drives, slot_volumes
from ..world.model import Guest, Storage
from ..world.state import World
from ..world.task import Task, TaskError

COMMANDS = {"1": "lzop", "lzo": "lzop", "gzip": "gzip --rsyncable", "zstd": "zstd --threads=1"}
KIB = 1024
MIB = KIB**2
STEP_SECONDS = 3
OVERHEAD = 3900
"""Bytes of an archive beside its data."""
COMPRESSED_TO = 0.45
INCOMPRESSIBLE = 64 * MIB
PIPED = 16 * MIB
"""Bytes that still fit between QEMU and a compressor that has died; beyond them QEMU notices the broken pipe."""
NO_SPACE = {
    "zstd": "zstd: error 70 : Write error : cannot write block : No space left on device ",
    "gzip": "gzip: stdout: No space left on device",
    "lzop": "lzop: No space left on device: <stdout>",
}


def shown_size(size: float) -> str:
    """A size as a log shows it: 64.0 MiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < KIB:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= KIB
    return f"{size:.1f} TiB"


def shown_bytes(size: float) -> str:
    """A size as the totals show it: two decimals."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < KIB:
            return f"{size:.2f} {unit}"
        size /= KIB
    return f"{size:.2f} TiB"


def slot_name(slot: str) -> str:
    """A disk as a backup names it: the TPM's state is attached for the backup only."""
    return "tpmstate0-backup" if slot == "tpmstate0" else slot


def shown_duration(seconds: int) -> str:
    """A duration as a log shows it: 1m 38s."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    return " ".join(
        f"{value}{unit}" for value, unit in ((hours, "h"), (minutes, "m"), (left, "s")) if value or unit == "s"
    )


class BackupData:
    """Copies the disks of one VM. Room on the storage, the rate and faults decide how it ends."""

    def __init__(self, world: World, task: Task, vmid: int, storage: Storage, node: str, compress: str) -> None:
        self.world, self.task, self.vmid = world, task, vmid
        self.storage, self.node, self.compress = storage, node, compress
        self.to_read: int | None = None  # bytes, where a dirty bitmap says so
        self.started_for_it = False  # QEMU runs for the backup alone

    def _info(self, text: str) -> None:
        self.task.log(f"INFO: {text}")

    def copy(self, guest: Guest) -> None:
        """QEMU's backup job: progress every three seconds, until done, failed or out of space."""
        disks = slot_volumes(guest.config)
        total = sum(size for *_rest, size in disks)
        data = sum(self.data_of(guest, slot) for slot, *_rest in disks)
        if self.storage.type == "pbs":
            self.to_read = self._tell_bitmaps(guest, {slot: size for slot, *_rest, size in disks})
        seconds = self._seconds(total if self.to_read is None else self.to_read)
        stop_at, text = self._stumbling_block(data, total)
        told = self._is_told()
        guest.backup_job_ends = self.world.now() + (
            self.world.as_told(seconds) if told else self.world.scaled(seconds)
        )
        self._progress(total if self.to_read is None else self.to_read, data, seconds, stop_at)
        if text is not None:
            raise TaskError(text)
        self._tell_totals(total, data, max(1, round(seconds)))

    def _tell_bitmaps(self, guest: Guest, sizes: dict[str, int]) -> int:
        """Log the dirty bitmaps. Returns the bytes that have to be read."""
        found = pbs.dirty_bitmaps(self.world, guest, self.storage, sizes, started_for_it=self.started_for_it)
        for one in found:
            status = one.status.format(dirty=shown_size(one.dirty), size=shown_size(one.size))
            if not guest.is_template:
                self._info(f"{slot_name(one.slot)}: dirty-bitmap status: {status}")
        dirty, total = sum(one.dirty for one in found), sum(one.size for one in found)
        if dirty < total:
            words = f"{shown_size(dirty)} dirty of {shown_size(total)} total"
            self._info(f"using fast incremental mode (dirty-bitmap), {words}")
        return dirty

    def data_of(self, guest: Guest, slot: str) -> int:
        """Bytes of data on the disk `slot`; 0 where its volume is missing."""
        volume = self.world.volume(drives(guest.config)[slot]["file"], self.node)
        return min(volume.data, volume.size) if volume else 0

    def _seconds(self, total: int) -> float:
        """How long the job takes by the VM's own clock (not scaled)."""
        told = self.world.condition("slow-backup", self.vmid)
        if told is not None:
            return float(told)
        rate = self.world.pace.get("backup_mib_per_second", 0)
        return max(self.world.pace.get("backup_seconds", 0), total / MIB / rate if rate else 0)

    def _stumbling_block(self, data: int, total: int) -> tuple[float, str | None]:
        """At which share of the data the job fails, and with which text; (1, None) if it does not."""
        text = self.world.condition("backup-error", self.vmid)
        if text is not None:
            return 0.5, str(text)
        room = self._room()
        needed = self.archive_size(data)
        if room is None or needed <= room:
            return 1.0, None
        if self.storage.type == "pbs":
            return 1.0, None
        share = min(max(0.01, room / max(total if self.compress == "0" else needed, 1)), 0.99)
        if self.compress == "0":
            return share, "vma_queue_write: write error - No space left on device"
        if needed - room > PIPED:
            return share, "vma_queue_write: write error - Broken pipe"
        return 1.0, None

    def _room(self) -> int | None:
        return storages.room(self.world, self.storage, self.node)

    def archive_size(self, data: int) -> int:
        """Bytes of the archive: small amounts of random data do not compress, large ones are half text."""
        if self.compress == "0":
            return data + OVERHEAD * 4
        rest = max(0, data - INCOMPRESSIBLE)
        return int(min(data, INCOMPRESSIBLE) + rest * COMPRESSED_TO) + OVERHEAD

    def _progress(self, total: int, data: int, seconds: float, stop_at: float) -> None:
        scaled = self.world.as_told(seconds) if self._is_told() else self.world.scaled(seconds)
        passed, last = 0.0, 0
        while passed + STEP_SECONDS < seconds * stop_at and scaled:
            self.task.sleep(scaled * STEP_SECONDS / seconds)
            passed += STEP_SECONDS
            last = self._tell_progress(total, data, passed / seconds, int(passed), last)
        if scaled:
            self.task.sleep(scaled * (seconds * stop_at - passed) / seconds)
        if self._out_of_room(data) and self.storage.type != "pbs" and self.compress != "0":
            self.task.log(NO_SPACE[COMMANDS[self.compress].split()[0]])
        self._tell_progress(total, data, stop_at, max(1, round(seconds * stop_at)), last)

    def _is_told(self) -> bool:
        return self.world.condition("slow-backup", self.vmid) is not None

    def _out_of_room(self, data: int) -> bool:
        room = self._room()
        return room is not None and self.archive_size(data) > room

    def _tell_progress(self, total: int, data: int, share: float, seconds: int, last: int) -> int:
        done = int(total * share)
        rate = (done - last) / max(1, min(seconds, STEP_SECONDS))
        write = rate * data / total if total else 0
        self.task.log(
            "INFO: "
            f"{int(share * 100):3d}% ({shown_size(done)} of {shown_size(total)}) in {shown_duration(seconds)},"
            f" read: {shown_size(rate)}/s, write: {shown_size(write)}/s"
        )
        return done

    def _tell_totals(self, total: int, data: int, seconds: int) -> None:
        zero = total - data
        if self.storage.type == "pbs":
            self._info("Waiting for server to finish backup validation...")
        target = total if self.to_read is None else self.to_read
        zero = zero * target // max(total, 1)
        if zero > 0 and target:
            self._info(f"backup is sparse: {zero / MIB:.2f} MiB ({zero * 100 // target}%) total zero data")
        reused = total - target + zero
        if self.storage.type == "pbs" and reused:
            self._info(f"backup was done incrementally, reused {shown_bytes(reused)} ({reused * 100 // total}%)")
        total = target
        self._info(f"transferred {total / MIB:.2f} MiB in {seconds} seconds ({total / MIB / seconds:.1f} MiB/s)")
        if self._out_of_room(data) and self.storage.type != "pbs":
            code = 70 if self.compress == "zstd" else 1
            raise TaskError(f"{COMMANDS[self.compress]} failed - wrong exit status {code}")
        if self._out_of_room(data):
            raise TaskError("backup write data failed: command error: ENOSPC: No space left on device")
