"""Errors by kind: busy, unreachable, denied; and reads that are tried again."""

import pytest

from puq_backups.errors import ProxmoxBusy, ProxmoxDenied, ProxmoxUnreachable
from puq_backups.pve import archives, vms
from puq_backups.pve.client import Access, Proxmox
from puq_backups.pve.version import version
from puq_backups.simulator.simulator import Simulator

from .conftest import RIGHTS
from .steps import finish, make_backup, start_backup


def test_a_locked_vm_is_busy(simulator: Simulator, proxmox: Proxmox) -> None:
    volid = make_backup(simulator, proxmox)
    simulator.control("leftover-lock", vmid=100)

    with pytest.raises(ProxmoxBusy, match="VM is locked"):
        vms.set_config(proxmox, "pve1", 100, {"cores": 2})
    with pytest.raises(ProxmoxBusy, match="VM is locked"):
        archives.restore(proxmox, "pve1", 100, archive=volid)
    assert vms.status(proxmox, "pve1", 100).lock == "backup"
    assert vms.config(proxmox, "pve1", 100)["lock"] == "backup"
    assert vms.locate(proxmox)[100].lock == "backup"


def test_a_cluster_without_quorum_is_busy(simulator: Simulator, proxmox: Proxmox) -> None:
    volid = make_backup(simulator, proxmox)
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
        start_backup(proxmox)
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
    volid = make_backup(simulator, proxmox)
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


def test_a_host_that_is_down_is_passed_over(simulator: Simulator, proxmox: Proxmox) -> None:
    given = proxmox.access
    one = Proxmox(
        Access(("::1", *given.hosts), given.token_id, given.secret, port=given.port, fingerprint=given.fingerprint)
    )

    upid = start_backup(one)

    assert finish(simulator, one, upid).ok
    assert simulator.count("POST", "/nodes/pve1/vzdump") == 1
    for line in one._connections.open.values():
        line.session.close()
