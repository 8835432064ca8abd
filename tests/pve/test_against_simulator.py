"""Every function of the folder against the simulator, over real HTTPS, in both versions."""

from collections.abc import Iterator
from typing import Any

import pytest

from puq_backups.errors import (
    NotStarted,
    ProxmoxBusy,
    ProxmoxDenied,
    ProxmoxError,
    ProxmoxRefused,
    ProxmoxUnreachable,
    StorageMissing,
    UnknownOutcome,
    VmMissing,
)
from puq_backups.pve import archives, notes, permissions, tasks, vms
from puq_backups.pve.client import Access, Proxmox
from puq_backups.pve.version import version
from puq_backups.simulator.simulator import Simulator, start

MARKER = notes.marker("svc", "op")
DIR = {"type": "dir", "active": True, "prune-backups": "keep-all=1"}
RIGHTS = [
    "Datastore.AllocateSpace", "Datastore.Audit", "SDN.Use", "VM.Allocate", "VM.Audit", "VM.Backup", "VM.Clone",
    "VM.Config.CPU", "VM.Config.Cloudinit", "VM.Config.Disk", "VM.Config.Memory", "VM.Config.Network",
    "VM.Config.Options", "VM.PowerMgmt",
]  # fmt: skip
STATE: dict[str, Any] = {
    "nodes": ["pve1", "pve2"],
    "bridges": [{"iface": "vmbr0"}],
    "storages": [
        DIR | {"storage": "local", "path": "/var/lib/vz", "content": ["backup", "images"]},
        DIR | {"storage": "nfs", "path": "/mnt/nfs", "content": ["backup"], "shared": 1, "type": "nfs"},
        DIR | {"storage": "away", "path": "/mnt/away", "content": ["backup"], "active": False, "prune-backups": None},
    ],
    "vms": {
        "100": {
            "node": "pve1",
            "status": "running",
            "config": {
                "name": "web", "cores": 1, "memory": "512", "boot": "order=scsi0", "scsihw": "virtio-scsi-single",
                "smbios1": "uuid=cbcfde9e-5a8e-4305-920d-90169ca15153",
                "net0": "virtio=BC:24:11:00:01:00,bridge=vmbr0,firewall=1",
                "scsi0": "local:100/vm-100-disk-0.raw,iothread=1,size=64M",
            },
        },
        "101": {
            "node": "pve2",
            "status": "stopped",
            "config": {"name": "db", "cores": 1, "memory": "256", "net0": "virtio=BC:24:11:00:01:01,bridge=vmbr0"},
        },
    },
    "volumes": [
        {"volid": "local:100/vm-100-disk-0.raw", "node": "pve1", "vmid": 100, "size": 64 << 20, "used": 8 << 20}
    ],
    "tokens": {
        "panel": {
            "user": "panel@pve", "token": "panel@pve!backups", "secret": "5d0c9a1e-0000-4000-8000-000000000009",
            "privsep": 0, "grants": {"/": {"role": "Panel", "propagate": True, "privileges": RIGHTS}},
        },
    },
}  # fmt: skip


@pytest.fixture(scope="module", params=["9.2", "8.4"])
def shared_simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    with start(request.param, STATE) as simulator:
        yield simulator


@pytest.fixture
def simulator(shared_simulator: Simulator) -> Iterator[Simulator]:
    shared_simulator.reset()
    yield shared_simulator
    assert shared_simulator.crashes == []


@pytest.fixture
def proxmox(simulator: Simulator) -> Iterator[Proxmox]:
    token_id, secret = simulator.tokens["panel"]
    access = Access(
        hosts=(simulator.host,),
        port=simulator.port,
        token_id=token_id,
        secret=secret,
        fingerprint=simulator.fingerprint,
    )
    proxmox = Proxmox(access)
    yield proxmox
    for line in proxmox._connections.open.values():
        line.session.close()


def ended(simulator: Simulator, proxmox: Proxmox, upid: tasks.Upid) -> tasks.Task:
    """How a task ended, after it has."""
    assert simulator.idle()
    task = tasks.status(proxmox, upid.text)
    assert task is not None
    assert not task.running
    return task


def reason(proxmox: Proxmox, task: tasks.Task) -> str:
    return tasks.failure_reason(tasks.log(proxmox, task.upid), task.exitstatus)


def ask_backup(proxmox: Proxmox, note: str = "night", storage: str = "nfs") -> tasks.Upid:
    template = notes.template(note, MARKER)
    return archives.create(proxmox, "pve1", 100, storage=storage, notes_template=template, lockwait=5)


def a_backup(simulator: Simulator, proxmox: Proxmox, storage: str = "nfs") -> str:
    upid = ask_backup(proxmox, storage=storage)
    assert ended(simulator, proxmox, upid).ok
    return tasks.archive_target(tasks.log(proxmox, upid.text), storage) or ""


def switched_off(simulator: Simulator, proxmox: Proxmox) -> None:
    assert ended(simulator, proxmox, vms.stop(proxmox, "pve1", 100)).ok


def test_the_server_says_its_version_and_our_rights(simulator: Simulator, proxmox: Proxmox) -> None:
    assert version(proxmox).startswith(("8.4", "9.2"))
    assert set(RIGHTS) <= set(permissions.permissions(proxmox)["/"])
    assert set(RIGHTS) <= set(permissions.permissions(proxmox, "/vms/100")["/vms/100"])


def test_vms_are_located_and_read(proxmox: Proxmox) -> None:
    assert {vmid: (place.node, place.name) for vmid, place in vms.locate(proxmox).items()} == {
        100: ("pve1", "web"),
        101: ("pve2", "db"),
    }
    assert (vms.find_node(proxmox, 101), vms.find_node(proxmox, 999)) == ("pve2", None)
    config = vms.config(proxmox, "pve1", 100)
    assert vms.identity(config) == "uuid:cbcfde9e-5a8e-4305-920d-90169ca15153"
    assert (vms.boot_disk(config), vms.memory_mib(config)) == ("scsi0", 512)
    status = vms.status(proxmox, "pve1", 100)
    assert (status.status, status.qmpstatus, status.lock, status.name) == ("running", "running", None, "web")


def test_a_vm_that_is_not_there_is_missing(proxmox: Proxmox) -> None:
    for call in (vms.config, vms.status, vms.snapshots):
        with pytest.raises(VmMissing):
            call(proxmox, "pve2", 100)


@pytest.mark.parametrize("storage", ["nfs", "local"])
def test_a_backups_life(simulator: Simulator, proxmox: Proxmox, storage: str) -> None:
    upid = ask_backup(proxmox, note="{{vmid}} C:\\new ключ", storage=storage)
    task = ended(simulator, proxmox, upid)
    lines = tasks.log(proxmox, upid.text)
    assert (upid.type, upid.id, task.ok, task.warnings) == ("vzdump", "100", True, 0)
    assert (tasks.progress(lines), tasks.included_disks(lines), tasks.warnings(lines)) == (100, ["scsi0"], [])
    volid = tasks.archive_target(lines, storage) or ""

    listed = archives.listing(proxmox, "pve1", storage, 100)
    assert [archive.volid for archive in listed] == [volid]
    assert listed[0].size
    assert notes.find_marker(listed[0].notes) == ("svc", "op")
    assert listed[0].notes.startswith("{ {vmid}} C:\\new ключ")
    assert archives.listing(proxmox, "pve1", storage, 101) == []
    assert "scsi0" in archives.archived_config(proxmox, "pve1", volid)

    archives.set_notes(proxmox, "pve1", volid, notes.plain("other", MARKER))
    archives.set_protected(proxmox, "pve1", volid, protected=True)
    one = archives.find(proxmox, "pve1", volid)
    assert one is not None
    assert (one.notes, one.protected) == (f"other {MARKER}", True)

    failed = ended(simulator, proxmox, archives.remove(proxmox, "pve1", volid))
    assert not failed.ok
    assert "cannot remove protected volume" in reason(proxmox, failed)

    archives.set_protected(proxmox, "pve1", volid, protected=False)
    gone = archives.remove(proxmox, "pve1", volid)
    assert (gone.type, gone.id, ended(simulator, proxmox, gone).ok) == ("imgdel", f"100@{storage}", True)
    assert archives.find(proxmox, "pve1", volid) is None
    assert ended(simulator, proxmox, archives.remove(proxmox, "pve1", volid)).ok


def test_a_restore_brings_the_backups_configuration_back(simulator: Simulator, proxmox: Proxmox) -> None:
    volid = a_backup(simulator, proxmox)
    switched_off(simulator, proxmox)
    assert ended(simulator, proxmox, vms.set_config(proxmox, "pve1", 100, {"cores": 4, "memory": 1024})).ok
    simulator.control_step({"control": "snapshot-taken", "vmid": 100, "name": "before"})
    assert vms.snapshots(proxmox, "pve1", 100) == ["before"]

    upid = archives.restore(proxmox, "pve1", 100, archive=volid)
    assert (upid.type, upid.id) == ("qmrestore", "100")
    assert ended(simulator, proxmox, upid).ok

    config = vms.config(proxmox, "pve1", 100)
    assert (config["cores"], vms.memory_mib(config), vms.snapshots(proxmox, "pve1", 100)) == (1, 512, [])
    assert tasks.progress(tasks.log(proxmox, upid.text)) == 100


def test_a_restore_takes_overrides_and_a_storage(simulator: Simulator, proxmox: Proxmox) -> None:
    volid = a_backup(simulator, proxmox)
    switched_off(simulator, proxmox)

    upid = archives.restore(proxmox, "pve1", 100, archive=volid, storage="local", overrides={"cores": 3})

    assert ended(simulator, proxmox, upid).ok
    assert vms.config(proxmox, "pve1", 100)["cores"] == 3


def test_a_restore_over_a_running_vm_fails_in_its_task(simulator: Simulator, proxmox: Proxmox) -> None:
    task = ended(simulator, proxmox, archives.restore(proxmox, "pve1", 100, archive=a_backup(simulator, proxmox)))

    assert not task.ok
    assert reason(proxmox, task) == "unable to restore VM 100 - vm is running"


def test_a_restore_of_a_damaged_archive_says_what_the_tools_said(simulator: Simulator, proxmox: Proxmox) -> None:
    volid = a_backup(simulator, proxmox)
    switched_off(simulator, proxmox)
    simulator.control("archive-damaged", volid=volid)

    task = ended(simulator, proxmox, archives.restore(proxmox, "pve1", 100, archive=volid))

    assert not task.ok
    said = reason(proxmox, task)
    assert "pipefail" not in said
    assert "exit code" not in said
    assert vms.disks(vms.config(proxmox, "pve1", 100)) == {}


def test_a_restore_of_a_missing_archive_is_refused(simulator: Simulator, proxmox: Proxmox) -> None:
    volid = a_backup(simulator, proxmox)
    simulator.control("archive-gone", volid=volid)

    with pytest.raises(ProxmoxRefused, match="does not exist"):
        archives.restore(proxmox, "pve1", 100, archive=volid)


def test_power(simulator: Simulator, proxmox: Proxmox) -> None:
    assert ended(simulator, proxmox, vms.shutdown(proxmox, "pve1", 100, timeout=30)).ok
    assert vms.status(proxmox, "pve1", 100).status == "stopped"
    assert ended(simulator, proxmox, vms.start(proxmox, "pve1", 100)).ok
    assert vms.status(proxmox, "pve1", 100).status == "running"
    assert ended(simulator, proxmox, vms.stop(proxmox, "pve1", 100)).ok
    assert vms.status(proxmox, "pve1", 100).status == "stopped"


def test_a_configuration_is_changed_unless_somebody_else_did(simulator: Simulator, proxmox: Proxmox) -> None:
    switched_off(simulator, proxmox)
    digest = vms.config(proxmox, "pve1", 100)["digest"]
    changed = vms.set_config(proxmox, "pve1", 100, {"cores": 2, "onboot": True}, delete=["name"], digest=digest)
    assert (changed.type, ended(simulator, proxmox, changed).ok) == ("qmconfig", True)
    config = vms.config(proxmox, "pve1", 100)
    assert (config["cores"], config["onboot"], "name" in config) == (2, 1, False)

    with pytest.raises(ProxmoxRefused, match="checksum mismatch"):
        vms.set_config(proxmox, "pve1", 100, {"cores": 3}, digest=digest)


def test_a_disk_grows_and_never_shrinks(simulator: Simulator, proxmox: Proxmox) -> None:
    assert ended(simulator, proxmox, vms.resize(proxmox, "pve1", 100, "scsi0", "96M")).ok
    assert vms.disks(vms.config(proxmox, "pve1", 100))["scsi0"].options["size"] == "96M"

    task = ended(simulator, proxmox, vms.resize(proxmox, "pve1", 100, "scsi0", "32M"))

    assert reason(proxmox, task) == "shrinking disks is not supported"


def test_a_disk_is_made_left_unused_and_attached_again(simulator: Simulator, proxmox: Proxmox) -> None:
    switched_off(simulator, proxmox)
    assert ended(simulator, proxmox, vms.set_config(proxmox, "pve1", 100, {"scsi1": "local:1"})).ok
    made = vms.disks(vms.config(proxmox, "pve1", 100))["scsi1"]
    assert made.options["size"] == "1G"

    assert ended(simulator, proxmox, vms.set_config(proxmox, "pve1", 100, {}, delete=["scsi1"])).ok
    left = vms.unused(vms.config(proxmox, "pve1", 100))
    assert [drive.volid for drive in left.values()] == [made.volid]

    assert ended(simulator, proxmox, vms.set_config(proxmox, "pve1", 100, {"scsi1": made.format()})).ok
    assert vms.disks(vms.config(proxmox, "pve1", 100))["scsi1"] == made


def test_a_vm_is_destroyed_and_cloned_from_another(simulator: Simulator, proxmox: Proxmox) -> None:
    switched_off(simulator, proxmox)
    copy = vms.clone(proxmox, "pve1", 100, 102, name="copy")
    assert (copy.type, ended(simulator, proxmox, copy).ok) == ("qmclone", True)
    assert vms.config(proxmox, "pve1", 102)["name"] == "copy"

    gone = vms.destroy(proxmox, "pve1", 102)

    assert (gone.type, ended(simulator, proxmox, gone).ok) == ("qmdestroy", True)
    with pytest.raises(VmMissing):
        vms.config(proxmox, "pve1", 102)


def test_a_backup_on_the_wrong_node_is_not_started(simulator: Simulator, proxmox: Proxmox) -> None:
    with pytest.raises(NotStarted):
        archives.create(proxmox, "pve2", 100, storage="nfs", notes_template="x", lockwait=5)

    assert simulator.tasks() == []


@pytest.mark.parametrize("fault", [{"control": "gateway-timeout"}, {"control": "drop", "when": "after"}])
def test_a_backup_whose_answer_is_lost_is_found_by_its_marker(
    simulator: Simulator, proxmox: Proxmox, fault: dict[str, str]
) -> None:
    version(proxmox)
    since = int(simulator.world.now()) - 2
    simulator.control_step(fault | {"method": "POST", "path": "/nodes/pve1/vzdump"})
    with pytest.raises(UnknownOutcome):
        ask_backup(proxmox)
    assert simulator.idle()

    found = tasks.find(proxmox, "pve1", type="vzdump", id="100", since=since, marker=MARKER)

    assert [upid.text for upid in found] == [task.upid for task in simulator.tasks("vzdump")]
    other = notes.marker("svc", "other")
    assert tasks.find(proxmox, "pve1", type="vzdump", id="100", since=since, marker=other) == []
    assert tasks.find(proxmox, "pve1", type="vzdump", id="100", since=since + 3600) == []


def test_a_lost_backup_that_waits_for_the_node_is_found_and_cancelled(simulator: Simulator, proxmox: Proxmox) -> None:
    simulator.control("vzdump-lock-held", node="pve1")
    upid = ask_backup(proxmox)

    found = tasks.find(proxmox, "pve1", type="vzdump", id="100", since=upid.started_at, marker=MARKER)
    assert found == [upid]
    assert tasks.active(proxmox, "pve1") == {upid.text}
    assert tasks.progress(tasks.log(proxmox, upid.text)) is None

    tasks.stop(proxmox, upid.text)
    task = ended(simulator, proxmox, upid)
    assert task.exitstatus == "unexpected status"
    assert reason(proxmox, task) == "can't acquire lock '/var/run/vzdump.lock' - interrupted by signal"
    assert tasks.active(proxmox, "pve1") == set()


def test_a_running_backup_is_stopped(simulator: Simulator, proxmox: Proxmox) -> None:
    simulator.control("hold-task", type="vzdump", vmid=100)
    upid = ask_backup(proxmox)
    task = tasks.status(proxmox, upid.text)
    assert task is not None
    assert task.running

    tasks.stop(proxmox, upid.text)

    assert not ended(simulator, proxmox, upid).ok
    tasks.stop(proxmox, upid.text)


def test_a_task_whose_log_is_gone_is_known_no_more(simulator: Simulator, proxmox: Proxmox) -> None:
    upid = ask_backup(proxmox)
    assert simulator.idle()
    simulator.control("task-lost", upid=upid.text)

    assert tasks.status(proxmox, upid.text) is None
    assert tasks.log(proxmox, upid.text) == []
    tasks.stop(proxmox, upid.text)


def test_warnings_are_an_end_that_is_well(simulator: Simulator, proxmox: Proxmox) -> None:
    simulator.control("task-warnings", type="vzdump")

    task = ended(simulator, proxmox, ask_backup(proxmox))

    assert task.ok
    assert task.warnings == len(tasks.warnings(tasks.log(proxmox, task.upid))) == 1


def test_a_failed_backup_says_why(simulator: Simulator, proxmox: Proxmox) -> None:
    simulator.control("backup-error", vmid=100, text="job failed with err -5 - Input/output error")

    task = ended(simulator, proxmox, ask_backup(proxmox))

    assert (task.ok, task.exitstatus) == (False, "job errors")
    assert reason(proxmox, task) == "job failed with err -5 - Input/output error"


def test_a_full_storage_says_so(simulator: Simulator, proxmox: Proxmox) -> None:
    simulator.control("storage-full", storage="nfs")

    assert "No space left on device" in reason(proxmox, ended(simulator, proxmox, ask_backup(proxmox)))


def test_a_locked_vm_is_busy(simulator: Simulator, proxmox: Proxmox) -> None:
    volid = a_backup(simulator, proxmox)
    simulator.control("leftover-lock", vmid=100)

    with pytest.raises(ProxmoxBusy, match="VM is locked"):
        vms.set_config(proxmox, "pve1", 100, {"cores": 2})
    with pytest.raises(ProxmoxBusy, match="VM is locked"):
        archives.restore(proxmox, "pve1", 100, archive=volid)
    assert vms.status(proxmox, "pve1", 100).lock == "backup"
    assert vms.config(proxmox, "pve1", 100)["lock"] == "backup"
    assert vms.locate(proxmox)[100].lock == "backup"


def test_a_cluster_without_quorum_is_busy(simulator: Simulator, proxmox: Proxmox) -> None:
    volid = a_backup(simulator, proxmox)
    simulator.control("quorum", quorate=False)

    with pytest.raises(ProxmoxBusy, match="quorum"):
        archives.restore(proxmox, "pve1", 100, archive=volid)
    assert vms.config(proxmox, "pve1", 100)["cores"] == 1


def test_a_node_that_is_offline_is_unreachable(simulator: Simulator, proxmox: Proxmox) -> None:
    simulator.control("node-offline", node="pve2")

    with pytest.raises(ProxmoxUnreachable):
        vms.config(proxmox, "pve2", 101)
    with pytest.raises(ProxmoxUnreachable):
        archives.create(proxmox, "pve2", 101, storage="nfs", notes_template="x", lockwait=5)
    assert vms.config(proxmox, "pve1", 100)["cores"] == 1


def test_a_daemon_that_is_down_is_unreachable(simulator: Simulator, proxmox: Proxmox) -> None:
    simulator.control("daemon-down")

    with pytest.raises(ProxmoxUnreachable):
        ask_backup(proxmox)
    assert version(proxmox)


@pytest.mark.parametrize("fault", [{"control": "drop", "when": "before"}, {"control": "gateway-timeout"}])
def test_a_read_is_asked_again_after_a_cut(simulator: Simulator, proxmox: Proxmox, fault: dict[str, str]) -> None:
    simulator.control_step(fault | {"method": "GET", "path": "/version"})

    assert version(proxmox)
    assert simulator.count("GET", "/version") == 2


def test_a_token_that_was_revoked_is_refused(simulator: Simulator, proxmox: Proxmox) -> None:
    simulator.control("token-revoked", token="panel")

    with pytest.raises(ProxmoxDenied, match="refused the API token"):
        version(proxmox)


def test_a_missing_right_is_named_or_hides_the_backups(simulator: Simulator, proxmox: Proxmox) -> None:
    volid = a_backup(simulator, proxmox)
    without = [right for right in RIGHTS if right not in {"VM.Backup", "VM.Config.CPU", "Datastore.Audit"}]
    simulator.control("acl", path="/", user="panel@pve", role="Panel", privileges=without)

    assert archives.listing(proxmox, "pve1", "nfs", 100) == []
    with pytest.raises(ProxmoxDenied, match=r"VM\.Backup"):
        archives.find(proxmox, "pve1", volid)
    with pytest.raises(ProxmoxDenied, match=r"VM\.Config\.CPU"):
        vms.set_config(proxmox, "pve1", 100, {"cores": 2})
    without.remove("Datastore.AllocateSpace")
    simulator.control("acl", path="/", user="panel@pve", role="Panel", privileges=without)
    assert archives.storage_config(proxmox, "nfs") is None


def test_storages_are_told(simulator: Simulator, proxmox: Proxmox) -> None:
    shared, away = archives.storage_status(proxmox, "pve1", "nfs"), archives.storage_status(proxmox, "pve1", "away")

    assert (shared.type, shared.active, shared.shared, shared.content) == ("nfs", True, True, {"backup"})
    assert shared.total >= shared.avail > 0
    assert (away.active, away.enabled, away.shared, away.avail) == (False, True, False, 0)
    assert {one.storage for one in archives.storages(proxmox, "pve2")} == {"local", "nfs", "away"}
    assert archives.keeps_all(str((archives.storage_config(proxmox, "nfs") or {}).get("prune-backups", "")))
    with pytest.raises(StorageMissing):
        archives.storage_status(proxmox, "pve1", "nope")


def test_a_storage_that_is_offline_hides_no_archive_as_gone(simulator: Simulator, proxmox: Proxmox) -> None:
    volid = a_backup(simulator, proxmox)
    simulator.control("storage-offline", storage="nfs")

    assert archives.find(proxmox, "pve1", volid) is None, "attributes are read without activating the storage"
    with pytest.raises(ProxmoxError, match="nfs"):
        archives.listing(proxmox, "pve1", "nfs", 100)
    assert not archives.storage_status(proxmox, "pve1", "nfs").active


def test_the_nodes_clock_is_known(simulator: Simulator, proxmox: Proxmox) -> None:
    simulator.control("clock-skew", seconds=3600)

    version(proxmox)

    assert 3590 < proxmox.clock_offset < 3610


def test_a_host_that_is_down_is_passed_over(simulator: Simulator, proxmox: Proxmox) -> None:
    given = proxmox.access
    one = Proxmox(
        Access(("::1", *given.hosts), given.token_id, given.secret, port=given.port, fingerprint=given.fingerprint)
    )

    upid = ask_backup(one)

    assert ended(simulator, one, upid).ok
    assert simulator.count("POST", "/nodes/pve1/vzdump") == 1
    for line in one._connections.open.values():
        line.session.close()
