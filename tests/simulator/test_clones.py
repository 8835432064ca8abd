"""Clones of a template: what Proxmox refuses at once, what is left of one that fails, and HA entries beside it."""

import pytest

CLONE = "/nodes/pve1/qemu/9000/clone"


def test_clone_for_another_node_needs_shared_storages_at_both_ends(proxmox, api):
    assert api.ask("POST", CLONE, newid=120, target="pve9").reason == "no such cluster node 'pve9'"
    assert api.ask("POST", CLONE, newid=120, full=1, storage="nfs").json()["errors"] == {
        "storage": "storage 'nfs' does not support vm images"
    }
    refused = api.ask("POST", CLONE, newid=120, full=1, target="pve2", storage="local")
    assert refused.reason == "can't clone to non-shared storage 'local'"
    assert api.task("POST", CLONE, newid=120, full=1, target="pve2") == "OK"
    assert proxmox.vm(120).node == "pve2"
    proxmox.control("vm-config", vmid=9000, set={"scsi1": "local:100/vm-100-disk-0.raw"})
    refused = api.ask("POST", CLONE, newid=121, full=1, target="pve2")
    assert refused.reason == "can't clone VM to node 'pve2' (VM uses local storage)"


def test_clone_that_finds_no_room_leaves_nothing(proxmox, api):
    before = [volume.name for volume in proxmox.volumes("ceph", None)]
    proxmox.control("storage-full", storage="local")
    upid = api.data("POST", CLONE, newid=120, full=1, storage="local")
    assert api.wait(upid).startswith("clone failed: unable to create image: No space left on device")
    assert 120 not in proxmox.vms
    assert [volume.name for volume in proxmox.volumes("ceph", None)] == before
    assert not [volume for volume in proxmox.volumes("local", None) if volume.vmid == 120]


def test_clone_needs_the_bridge_of_the_template(proxmox, caller):
    path = "/sdn/zones/localnetwork/vmbr0"
    proxmox.control("acl", path=path, user="panel@pve!reinstall", role="NoAccess")
    refused = caller("reinstall").ask("POST", CLONE, newid=120, full=1)
    assert refused.reason == f"Permission check failed ({path}, SDN.Use)"


def test_clone_takes_the_templates_firewall_along(proxmox, api):
    proxmox.vm(9000).firewall_rules.append({"type": "in", "action": "DROP"})
    assert api.task("POST", CLONE, newid=120, full=1) == "OK"
    [rule] = api.data("GET", "/nodes/pve1/qemu/120/firewall/rules")
    assert rule["action"] == "DROP"


@pytest.mark.parametrize("pve", ["8.4", "9.2"])
def test_ha_entry_keeps_what_it_was_given(proxmox, api, pve):
    proxmox.reset(pve=pve)
    api.data("POST", "/cluster/ha/resources", sid="vm:100", state="stopped", max_restart=3, comment="ours")
    entry = api.data("GET", "/cluster/ha/resources/vm:100")
    assert (entry["state"], entry["max_restart"], entry["comment"]) == ("stopped", 3, "ours")
    assert api.ask("DELETE", "/cluster/ha/resources/vm:100", purge=0).status_code == (200 if pve == "9.2" else 400)
    api.ask("DELETE", "/cluster/ha/resources/vm:100")
    gone = api.ask("DELETE", "/cluster/ha/resources/vm:100")
    assert gone.reason == "cannot delete service 'vm:100', not HA managed!"
