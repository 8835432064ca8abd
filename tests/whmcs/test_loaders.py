"""The choices that a product's form offers: fetched live, as the token may see them."""

from __future__ import annotations

import re

import pytest
from support import world as worlds

from puq_backups.simulator import Simulator

LOADERS = ("LoadStorages", "LoadDiskStorages", "LoadBridges", "LoadTemplates")


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> worlds.World:
    return worlds.make(proxmox, database_url, redis_url)


def test_loaders_fetch_values_and_labels_live(world: worlds.World) -> None:
    storages, disks, bridges, templates = (world.backups.call(name, world.params()) for name in LOADERS)

    assert list(storages) == ["local", "nfs", "nfs-keep2", "offline", "pbs", "tiny"]
    assert re.fullmatch(r"local \(dir, \d+\.\d GiB free\)", storages["local"])
    assert storages["offline"] == "offline (dir, offline)"
    assert list(disks) == ["ceph", "local"]
    assert bridges == {"vmbr0": "vmbr0 (pve1, pve2, pve3)", "vmbr1": "vmbr1 (pve1, pve2, pve3)"}
    assert templates == {"9000": "9000 debian-template (pve1)"}

    world.proxmox.control("node-offline", node="pve3")
    assert world.backups.call("LoadBridges", world.params())["vmbr0"] == "vmbr0 (pve1, pve2)"


def test_loaders_that_cannot_say_why(world: worlds.World) -> None:
    for name in LOADERS:
        assert world.backups.call(name, {}) == "serverhostname is missing: the host name of the Proxmox node."
        wrong = world.params() | {"serverpassword": "not-the-secret"}
        assert world.backups.call(name, wrong).startswith("Proxmox refused the API token: ")


def test_each_loader_that_is_named_exists(world: worlds.World) -> None:
    options = world.backups.call("ConfigOptions", {})

    assert {option["Loader"] for option in options.values() if "Loader" in option} == set(LOADERS)
    assert set(LOADERS) <= set(world.backups.hooks.functions)
