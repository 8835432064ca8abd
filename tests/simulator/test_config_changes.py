"""Changes of a VM's configuration where the answer stands on qemu-server's sources.

`src/PVE/API2/Qemu.pm` ($update_vm_api, $check_drive_param, $check_vm_modify_config_perm), `src/PVE/QemuServer.pm`
(vmconfig_hotplug_pending, write_vm_config).
"""

import pytest

STOPPED = "/nodes/pve2/qemu/103/config"
RUNNING = "/nodes/pve1/qemu/100/config"


@pytest.fixture(autouse=True)
def vms(proxmox):
    assert proxmox.vm(100).running
    proxmox.control("vm-power", vmid=103, status="stopped")
    proxmox.control("migrate", vmid=103, node="pve2")


@pytest.fixture
def panel(caller):
    return caller("panel")


def test_what_a_running_vm_takes_at_once(proxmox, api):
    """$fast_plug_option and vmconfig_hotplug_pending: all else is pending."""
    at_once = {"description": "x", "ciuser": "anna", "ipconfig0": "ip=dhcp", "cpuunits": 200, "cpulimit": "0.5"}
    later = {"autostart": 1, "keyboard": "de", "acpi": 0, "agent": "1", "balloon": 0}
    api.data("PUT", RUNNING, **at_once, **later)
    config = proxmox.vm(100).config
    assert {key: config.get(key) for key in at_once} == at_once
    assert not set(later) & set(config)
    assert set(proxmox.vm(100).pending) == set(later)


def test_a_boot_disk_stays_plugged_in(proxmox, api):
    """vm_deviceunplug"""
    refused = api.ask("PUT", RUNNING, delete="scsi0")
    assert refused.json()["errors"] == {"scsi0": "hotplug problem - can't unplug bootdisk 'scsi0'\n"}
    assert proxmox.vm(100).pending_delete == ["scsi0"]
    assert "scsi0" in proxmox.vm(100).config


def test_drive_options_that_need_a_restart(proxmox, api):
    """vmconfig_update_disk"""
    drive = proxmox.vm(100).config["scsi0"]
    api.data("PUT", RUNNING, scsi0=f"{drive},serial=abc,mbps_rd=5")
    assert "serial=abc" in proxmox.vm(100).config["scsi0"]
    api.data("PUT", RUNNING, scsi0=f"{drive},ssd=1")
    assert "ssd=1" in proxmox.vm(100).pending["scsi0"]


def test_a_pending_disk_that_is_given_up_becomes_unused(proxmox, api):
    """vmconfig_register_unused_drive; an unused disk that is to be attached is unused no more (write_vm_config)."""
    api.data("PUT", RUNNING, sata0="ceph:1")
    api.data("PUT", RUNNING, revert="sata0")
    assert not proxmox.vm(100).pending
    volid = proxmox.vm(100).config["unused0"]
    api.data("PUT", RUNNING, sata1=volid)
    assert "unused0" not in proxmox.vm(100).config


@pytest.mark.parametrize(
    ("given", "kept"),
    [({"description": "a\n\nb \n\n"}, "a\n\nb"), ({"description": " "}, None), ({"description": "0"}, None)],
)
def test_how_a_description_is_kept(api, given, kept):
    """parse_vm_config, write_vm_config"""
    api.data("PUT", STOPPED, **given)
    assert api.data("GET", STOPPED).get("description") == kept


def test_how_numbers_are_kept(api):
    """check_type: a number stays text; PVE::CGroup::clamp_cpu_shares"""
    api.data("PUT", STOPPED, cpulimit="1.50", cpuunits=20_000)
    found = api.data("GET", STOPPED)
    assert (found["cpulimit"], found["cpuunits"]) == ("1.50", 10_000)


@pytest.mark.parametrize(
    ("drive", "error"),
    [
        ("local:iso/x.iso", "explicit 'media=cdrom' is required for iso images"),
        ("local:backup/vzdump-qemu-100-2026_01_01-00_00_00.vma", "content type needs to be 'images' or 'iso'"),
        ("/etc/passwd", "unable to associate path '/etc/passwd' to any storage"),
    ],
)
def test_drives_that_are_none(api, drive, error):
    """$check_drive_param, cleanup_drive_path, $check_storage_access"""
    assert api.ask("PUT", STOPPED, scsi5=drive).json()["errors"] == {"scsi5": error}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"scsi5": "local:foo"}, "unable to parse directory volume name 'foo'\n"),
        ({"scsi5": "local:103/foo"}, "unable to parse volume filename 'foo'\n"),
        ({"usb0": "host=1234:5678"}, "only root can set 'usb0' config for real devices\n"),
        ({"serial0": "/dev/ttyS0"}, "only root can modify 'serial0' config for real devices\n"),
        ({"hostpci0": "00:02.0"}, "only root can set 'hostpci0' config for non-mapped devices\n"),
        ({"vmgenid": "1"}, "only root can set 'vmgenid' config\n"),
        ({"affinity": "0"}, "only root can set 'affinity' config\n"),
        ({"sshkeys": "nonsense"}, "SSH public key validation error\n"),
    ],
)
def test_texts_of_refused_values(api, given, text):
    answer = api.ask("PUT", STOPPED, **given)
    assert (answer.status_code, answer.json()["message"]) == (500, text)


def test_right_on_the_storage_is_asked_before_the_lock_and_that_on_the_drive_after_it(proxmox, api, panel):
    """$check_storage_access, $check_drive_perms"""
    proxmox.control("acl", path="/storage/ceph", user="panel@pve!puq", role="NoAccess")
    proxmox.control("leftover-lock", vmid=103)
    refused = panel.ask("PUT", STOPPED, scsi5="ceph:1")
    assert refused.reason == "Permission check failed (/storage/ceph, Datastore.AllocateSpace)"
    proxmox.control("acl", path="/vms/103", user="panel@pve!puq", role="Cdroms", privileges=["VM.Config.CDROM"])
    assert panel.ask("PUT", STOPPED, ide2="none").reason == "VM is locked (backup)"
    proxmox.control("operator-unlock", vmid=103)
    assert panel.ask("PUT", STOPPED, delete="scsi0").reason == "Permission check failed (/vms/103, VM.Config.Disk)"
    assert panel.ask("PUT", STOPPED, ide2="none").status_code == 200


@pytest.mark.parametrize(("pve", "status"), [("8.4", 500), ("9.2", 200)])
def test_a_task_meets_the_configurations_lock_before_or_after_it_is_made(proxmox, api, pve, status):
    """$update_vm_api: PVE 8 forks inside the lock, PVE 9 locks inside the fork."""
    proxmox.reset(pve=pve)
    proxmox.control("config-lock-held", vmid=100)
    answer = api.ask("POST", RUNNING, description="x")
    assert answer.status_code == status
    text = "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout"
    assert text == (answer.reason if status == 500 else api.wait(answer.json()["data"]))


def test_cdrom_is_another_name_of_ide2(api):
    """$resolve_cdrom_alias"""
    api.data("PUT", STOPPED, cdrom="none")
    assert api.data("GET", STOPPED)["ide2"] == "none,media=cdrom"
    api.data("PUT", STOPPED, delete="cdrom")
    assert "ide2" not in api.data("GET", STOPPED)


@pytest.mark.parametrize(
    ("drive", "text"),
    [
        ("none,media=cdrom", "unable to parse volume ID 'none'"),
        ("local:103/vm-103-cloudinit.qcow2,media=cdrom", "you can't resize a cdrom"),
        ("local:103/vm-103-disk-9.raw", "volume 'local:103/vm-103-disk-9.raw' does not exist"),
    ],
)
def test_drives_that_do_not_grow(proxmox, api, drive, text):
    """resize_vm"""
    proxmox.control("vm-config", vmid=103, set={"ide2": drive})
    assert api.task("PUT", "/nodes/pve2/qemu/103/resize", disk="ide2", size="+1G") == text


def test_a_disk_grows_by_whole_kib_but_says_what_was_asked_for(proxmox, api):
    """volume_resize pads, the configuration does not."""
    assert api.task("PUT", "/nodes/pve2/qemu/103/resize", disk="scsi0", size="+100") == "OK"
    assert proxmox.vm(103).config["scsi0"].endswith(f"size={20 * 1024**3 + 100}")
    [volume] = [one for one in proxmox.volumes("ceph", None) if one.vmid == 103]
    assert volume.size == 20 * 1024**3 + 1024


def test_a_forced_deletion_that_waits_takes_the_image_when_the_vm_stops(proxmox, api):
    """add_to_pending_delete keeps the force: config_with_pending_array says 2."""
    api.data("PUT", RUNNING, sata0="ceph:1")
    api.task("POST", "/nodes/pve1/qemu/100/status/stop")
    volid = proxmox.vm(100).config["sata0"].split(",")[0]
    api.task("POST", "/nodes/pve1/qemu/100/status/start")
    api.data("PUT", RUNNING, delete="sata0", force=1)
    [item] = [one for one in api.data("GET", "/nodes/pve1/qemu/100/pending") if one["key"] == "sata0"]
    assert item["delete"] == 2
    api.task("POST", "/nodes/pve1/qemu/100/status/stop")
    assert "unused0" not in proxmox.vm(100).config
    assert volid not in [volume.volid for volume in proxmox.volumes("ceph", None)]


def test_an_empty_description_of_a_clone_is_none(proxmox, api):
    """parse_vm_config, for every configuration that is written."""
    assert api.task("POST", "/nodes/pve1/qemu/9000/clone", newid=150, description="kept \n") == "OK"
    assert proxmox.vm(150).config["description"] == "kept"
    assert api.task("POST", "/nodes/pve1/qemu", vmid=151, description=" ") == "OK"
    assert "description" not in proxmox.vm(151).config
