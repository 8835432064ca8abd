"""Virtual machines: what is asked, and what is made of the answers."""

from collections.abc import Callable
from typing import Any

import pytest
import responses
from responses.matchers import query_param_matcher, urlencoded_params_matcher

from puq_backups.errors import BadInput
from puq_backups.pve import vms
from puq_backups.pve.upid import Upid
from puq_backups.pve.vms import VmPlace, VmStatus

from .answers import UPID, good, proxmox

VM = "nodes/pve1/qemu/100"
RESOURCES: list[dict[str, Any]] = [
    {
        "type": "qemu",
        "vmid": 100,
        "node": "pve1",
        "name": "web",
        "status": "running",
        "lock": "backup",
        "template": 0,
    },
    {"type": "qemu", "vmid": 9000, "node": "pve2", "status": "unknown", "template": 1},
    {"type": "lxc", "vmid": 200, "node": "pve1", "name": "box", "status": "running"},
]


@pytest.fixture(autouse=True)
def mocked() -> Any:
    with responses.mock:
        yield


def test_vms_are_located_without_containers() -> None:
    good("GET", "cluster/resources", RESOURCES, match=[query_param_matcher({"type": "vm"})])

    assert vms.locate(proxmox()) == {
        100: VmPlace("pve1", "web", "running", "backup", template=False),
        9000: VmPlace("pve2", "", "unknown", None, template=True),
    }


@pytest.mark.parametrize(("vmid", "node"), [(100, "pve1"), (9000, "pve2"), (200, None), (999, None)])
def test_a_vms_node_is_found(vmid: int, node: str | None) -> None:
    good("GET", "cluster/resources", RESOURCES)

    assert vms.find_node(proxmox(), vmid) == node


def test_the_configuration_is_handed_out_as_it_is() -> None:
    good("GET", f"{VM}/config", {"memory": "512", "cores": 1})

    assert vms.config(proxmox(), "pve1", 100) == {"memory": "512", "cores": 1}


@pytest.mark.parametrize(
    ("row", "status"),
    [
        (
            {
                "status": "running",
                "qmpstatus": "prelaunch",
                "lock": "backup",
                "name": "web",
                "uptime": 5,
                "ha": {"managed": 1},
            },
            VmStatus("running", "prelaunch", "backup", "web", 5, ha_managed=True),
        ),
        ({"status": "stopped", "ha": {"managed": 0}}, VmStatus("stopped", "stopped", None, "", 0, ha_managed=False)),
        ({"status": "stopped"}, VmStatus("stopped", "stopped", None, "", 0, ha_managed=False)),
    ],
)
def test_the_status_is_read(row: dict[str, Any], status: VmStatus) -> None:
    good("GET", f"{VM}/status/current", row)

    assert vms.status(proxmox(), "pve1", 100) == status


def test_snapshots_are_told_oldest_first_without_the_present() -> None:
    rows = [{"name": "b", "snaptime": 2}, {"name": "current", "parent": "b"}, {"name": "a", "snaptime": 1}]
    good("GET", f"{VM}/snapshot", rows)

    assert vms.snapshots(proxmox(), "pve1", 100) == ["a", "b"]


@pytest.mark.parametrize(
    ("call", "path", "form"),
    [
        (lambda one: vms.start(one, "pve1", 100), "status/start", {}),
        (lambda one: vms.stop(one, "pve1", 100), "status/stop", {}),
        (lambda one: vms.shutdown(one, "pve1", 100, timeout=90), "status/shutdown", {"timeout": "90"}),
        (
            lambda one: vms.set_config(one, "pve1", 100, {"cores": 2, "onboot": True}, delete=["net1"], digest="ab"),
            "config",
            {"cores": "2", "onboot": "1", "delete": "net1", "digest": "ab"},
        ),
        (lambda one: vms.set_config(one, "pve1", 100, {"scsi0": "a:b,size=1G"}), "config", {"scsi0": "a:b,size=1G"}),
        (
            lambda one: vms.clone(one, "pve1", 100, 101, name="web"),
            "clone",
            {"newid": "101", "full": "1", "name": "web"},
        ),
    ],
)
def test_a_change_is_one_post_that_starts_a_task(
    call: Callable[[Any], Upid], path: str, form: dict[str, str]
) -> None:
    good("POST", f"{VM}/{path}", UPID, match=[urlencoded_params_matcher(form)] if form else [])

    assert call(proxmox()).text == UPID


def test_a_disk_is_resized_to_an_absolute_size() -> None:
    good("PUT", f"{VM}/resize", UPID, match=[urlencoded_params_matcher({"disk": "scsi0", "size": "32G"})])

    assert vms.resize(proxmox(), "pve1", 100, "scsi0", "32G").text == UPID


@pytest.mark.parametrize(
    ("disk", "size"), [("scsi0", "+1G"), ("scsi0", "-1G"), ("scsi0", "big"), ("disk0", "1G"), ("scsi31", "1G")]
)
def test_a_relative_size_or_an_unknown_slot_is_refused(disk: str, size: str) -> None:
    with pytest.raises(BadInput):
        vms.resize(proxmox(), "pve1", 100, disk, size)


def test_a_vm_is_destroyed_without_purge() -> None:
    good("DELETE", VM, UPID, match=[query_param_matcher({"purge": "0"})])

    assert vms.destroy(proxmox(), "pve1", 100).text == UPID
