"""Version, rights, clock and storages of a node."""

import pytest

from puq_backups.errors import ProxmoxError, StorageMissing
from puq_backups.pve import archives, permissions
from puq_backups.pve.client import Proxmox
from puq_backups.pve.version import version
from puq_backups.simulator.simulator import Simulator

from .conftest import RIGHTS
from .steps import make_backup


def test_the_server_says_its_version_and_our_rights(simulator: Simulator, proxmox: Proxmox) -> None:
    assert version(proxmox).startswith(("8.4", "9.2"))
    assert set(RIGHTS) <= set(permissions.permissions(proxmox)["/"])
    assert set(RIGHTS) <= set(permissions.permissions(proxmox, "/vms/100")["/vms/100"])


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
    volid = make_backup(simulator, proxmox)
    simulator.control("storage-offline", storage="nfs")

    assert archives.find(proxmox, "pve1", volid) is None, "attributes are read without activating the storage"
    with pytest.raises(ProxmoxError, match="nfs"):
        archives.listing(proxmox, "pve1", "nfs", 100)
    assert not archives.storage_status(proxmox, "pve1", "nfs").active


def test_the_nodes_clock_is_known(simulator: Simulator, proxmox: Proxmox) -> None:
    simulator.control("clock-skew", seconds=3600)

    version(proxmox)

    assert 3590 < proxmox.clock_offset < 3610
