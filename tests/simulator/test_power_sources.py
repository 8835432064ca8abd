"""Starting and stopping where the answer stands on qemu-server: `API2/Qemu.pm`, `QemuServer.pm` (_do_vm_stop)."""

import pytest

STATUS = "/nodes/pve1/qemu/100/status"


def test_a_lock_matters_only_while_the_vm_runs(proxmox, api):
    """_do_vm_stop looks for the process first."""
    proxmox.control("leftover-lock", vmid=100)
    assert api.task("POST", f"{STATUS}/stop") == "VM is locked (backup)"
    proxmox.control("vm-power", vmid=100, status="stopped")
    for action in ("stop", "shutdown"):
        assert api.task("POST", f"{STATUS}/{action}") == "OK"


def test_a_paused_vm_is_stopped_only_by_force(proxmox, api):
    """vm_is_paused"""
    proxmox.control("leftover-lock", vmid=100)
    assert api.task("POST", f"{STATUS}/suspend") == "OK"
    proxmox.control("operator-unlock", vmid=100)
    for action in ("shutdown", "reboot"):
        assert api.ask("POST", f"{STATUS}/{action}").reason == "VM is paused - cannot shutdown"
    assert api.task("POST", f"{STATUS}/shutdown", forceStop=1) == "OK"
    assert not proxmox.vm(100).running


@pytest.mark.parametrize(
    ("action", "key", "value"),
    [
        ("start", "migratedfrom", "pve2"),
        ("start", "stateuri", "tcp"),
        ("stop", "keepActive", 1),
        ("resume", "nocheck", 1),
    ],
)
def test_options_of_root_alone(api, action, key, value):
    errors = api.ask("POST", f"{STATUS}/{action}", **{key: value}).json()["errors"]
    assert errors == {key: "Only root may use this option."}


def test_without_time_to_go_it_is_too_late_at_once(api):
    assert api.task("POST", f"{STATUS}/shutdown", timeout=0) == "VM quit/powerdown failed - got timeout"


def test_start_needs_quorum(proxmox, api):
    proxmox.control("vm-power", vmid=100, status="stopped")
    proxmox.control("quorum", quorate=False)
    assert api.ask("POST", f"{STATUS}/start").reason == "cluster not ready - no quorum?"


def test_stop_overrules_a_shutdown(proxmox, api):
    """abort_guest_tasks; a VM under HA has no such tasks."""
    proxmox.control("powerdown-ignored", vmid=100)
    api.data("POST", f"{STATUS}/shutdown", timeout=600)
    upid = api.data("POST", f"{STATUS}/stop", **{"overrule-shutdown": 1})
    assert api.wait(upid) == "OK"
    proxmox.control("ha", vmid=100, state="started")
    errors = api.ask("POST", f"{STATUS}/stop", **{"overrule-shutdown": 1}).json()["errors"]
    assert errors == {"overrule-shutdown": "Not applicable for HA resources."}
