"""Archives and storages: the very call of vzdump and restore, and what listings mean."""

import re
from typing import Any

import pytest
import responses
from responses.matchers import query_param_matcher, urlencoded_params_matcher

from puq_backups.errors import BadInput, ProxmoxDenied, ProxmoxRefused
from puq_backups.pve import archives
from puq_backups.pve.archives import Archive, StorageStatus

from .answers import API, UPID, good, proxmox, refused

NAME = "backup/vzdump-qemu-100-2026_01_02-03_04_05.vma.zst"
VOLID = f"nfs:{NAME}"
PBS = "pbs:backup/vm/100/2026-01-02T03:04:05Z"
CONTENT = "nodes/pve1/storage/nfs/content"
ROW: dict[str, Any] = {
    "volid": VOLID, "vmid": 100, "size": 8392452, "ctime": 1767323045, "content": "backup", "format": "vma.zst",
    "subtype": "qemu",
}  # fmt: skip


@pytest.fixture(autouse=True)
def mocked() -> Any:
    with responses.mock:
        yield


def test_a_backup_leaves_nothing_to_the_nodes_defaults() -> None:
    form = {
        "vmid": "100", "storage": "nfs", "mode": "snapshot", "compress": "zstd", "remove": "0", "protected": "0",
        "notification-mode": "legacy-sendmail", "notes-template": "a [puqb:b.c]", "lockwait": "30",
    }  # fmt: skip
    good("POST", "nodes/pve1/vzdump", UPID, match=[urlencoded_params_matcher(form)])

    upid = archives.create(proxmox(), "pve1", 100, storage="nfs", notes_template="a [puqb:b.c]", lockwait=30)

    assert upid.text == UPID


def test_a_restore_goes_over_the_vm() -> None:
    form = {"vmid": "100", "archive": VOLID, "force": "1"}
    good("POST", "nodes/pve1/qemu", UPID, match=[urlencoded_params_matcher(form)])

    assert archives.restore(proxmox(), "pve1", 100, archive=VOLID).text == UPID


def test_a_restore_takes_a_storage_and_overrides_but_no_other_vm() -> None:
    form = {"vmid": "100", "archive": PBS, "force": "1", "storage": "local-lvm", "cores": "2"}
    good("POST", "nodes/pve1/qemu", UPID, match=[urlencoded_params_matcher(form)])
    overrides = {"cores": 2, "vmid": 101, "force": 0}

    upid = archives.restore(proxmox(), "pve1", 100, archive=PBS, storage="local-lvm", overrides=overrides)

    assert upid.text == UPID


@pytest.mark.parametrize("volid", [VOLID, PBS])
def test_a_removal_names_the_whole_volume(volid: str) -> None:
    storage = volid.partition(":")[0]
    good("DELETE", f"nodes/pve1/storage/{storage}/content/{volid}", UPID)

    assert archives.remove(proxmox(), "pve1", volid).text == UPID


@pytest.mark.parametrize(
    "volid",
    [
        "local:100/vm-100-disk-0.raw", "local-lvm:vm-100-disk-0", "local:iso/debian.iso", "nfs:backup/notes.txt",
        "nfs:backup/vzdump-lxc-100-2026_01_02-03_04_05.tar.zst", "nfs:backup/../100/vm-100-disk-0.raw", "",
        "nfs:backup/vzdump-qemu-100-/../x.vma", f"{VOLID}\n", f"{VOLID}?delay=1", "pbs:backup/vm/100/../ct/1Z",
    ],
)  # fmt: skip
def test_only_a_vms_backup_is_removed_restored_or_marked(volid: str) -> None:
    one = proxmox()
    for call in (
        lambda: archives.remove(one, "pve1", volid),
        lambda: archives.restore(one, "pve1", 100, archive=volid),
        lambda: archives.set_notes(one, "pve1", volid, "x"),
        lambda: archives.set_protected(one, "pve1", volid, protected=True),
        lambda: archives.archived_config(one, "pve1", volid),
        lambda: archives.find(one, "pve1", volid),
    ):
        with pytest.raises(BadInput):
            call()


def test_a_listing_is_asked_for_one_vm() -> None:
    good("GET", CONTENT, [ROW], match=[query_param_matcher({"content": "backup", "vmid": "100"})])

    assert archives.listing(proxmox(), "pve1", "nfs", 100) == [
        Archive(VOLID, 100, 8392452, 1767323045, "", protected=False, verification=None, format="vma.zst")
    ]


def test_a_listing_of_all_vms_leaves_out_what_is_no_vms_backup() -> None:
    other = ROW | {"volid": VOLID.replace("100", "101"), "vmid": 101}
    without_subtype = {key: value for key, value in ROW.items() if key != "subtype"}
    rows = [
        other, without_subtype, ROW | {"subtype": "lxc"},
        {"volid": "nfs:backup/vzdump-lxc-100-2026_01_02-03_04_05.tar.zst", "vmid": 100},
        {"volid": "nfs:iso/x.iso"}, {},
    ]  # fmt: skip
    good("GET", CONTENT, rows, match=[query_param_matcher({"content": "backup"})])

    assert [archive.vmid for archive in archives.listing(proxmox(), "pve1", "nfs")] == [101, 100]


def test_a_listing_of_one_vm_holds_no_other_that_proxmox_let_through() -> None:
    good("GET", CONTENT, [ROW | {"volid": "nfs:backup/vzdump-qemu-7-100-x.vma.zst", "vmid": 7}, ROW])

    assert [archive.volid for archive in archives.listing(proxmox(), "pve1", "nfs", 100)] == [VOLID]


@pytest.mark.parametrize(
    ("row", "facts"),
    [
        ({"notes": "night [puqb:a.b]", "protected": 1}, ("night [puqb:a.b]", True, None, 8392452)),
        ({"volid": PBS, "size": 1, "verification": {"state": "failed"}}, ("", False, "failed", None)),
        ({"volid": PBS, "verification": {"state": "ok"}, "protected": 0}, ("", False, "ok", 8392452)),
        ({"verification": {"state": "running"}, "notes": None, "size": None}, ("", False, None, None)),
        ({"size": 1}, ("", False, None, 1)),
    ],
)
def test_an_archives_facts_are_read(row: dict[str, Any], facts: tuple[Any, ...]) -> None:
    good("GET", CONTENT, [ROW | row])

    archive = archives.listing(proxmox(), "pve1", "nfs", 100)[0]

    assert (archive.notes, archive.protected, archive.verification, archive.size) == facts


def test_one_archive_is_asked_for_by_name() -> None:
    row = {"path": "/mnt/x", "size": 8392704, "notes": "two\nlines", "protected": 1, "format": "raw"}
    good("GET", f"{CONTENT}/{VOLID}", row)

    assert archives.find(proxmox(), "pve1", VOLID) == Archive(
        VOLID, 100, 8392704, None, "two\nlines", protected=True, verification=None, format="raw"
    )


@pytest.mark.parametrize(
    "reason",
    [
        f"volume_size_info on '{VOLID}' failed - no format",
        f"volume '{VOLID}' does not exist",
        f"can't find file '/mnt/pve/nfs/dump/{NAME}'",
    ],
)
def test_an_archive_that_is_gone_is_none(reason: str) -> None:
    refused("GET", f"{CONTENT}/{VOLID}", 500, reason)

    assert archives.find(proxmox(), "pve1", VOLID) is None


@pytest.mark.parametrize(
    "reason",
    [
        "storage 'nfs' does not exist",
        "storage 'nfs' is not online",
        "unable to activate storage 'nfs' - directory '/mnt/pve/nfs' does not exist or is unreachable",
        "hostname lookup 'pve1' failed - failed to get address info for: pve1",
    ],
)
def test_a_storage_that_is_away_is_not_taken_for_a_missing_archive(reason: str) -> None:
    refused("GET", f"{CONTENT}/{VOLID}", 500, reason)

    with pytest.raises(ProxmoxRefused, match=re.escape(reason)):
        archives.find(proxmox(), "pve1", VOLID)


def test_notes_and_protection_are_set() -> None:
    good("PUT", f"{CONTENT}/{VOLID}", None, match=[urlencoded_params_matcher({"notes": "a {{b}} \\"})])
    good("PUT", f"{CONTENT}/{VOLID}", None, match=[urlencoded_params_matcher({"protected": "1"})])
    good("PUT", f"{CONTENT}/{VOLID}", None, match=[urlencoded_params_matcher({"protected": "0"})])

    archives.set_notes(proxmox(), "pve1", VOLID, "a {{b}} \\")
    archives.set_protected(proxmox(), "pve1", VOLID, protected=True)
    archives.set_protected(proxmox(), "pve1", VOLID, protected=False)

    assert [call.request.url for call in responses.calls] == [f"{API}/{CONTENT}/{VOLID}"] * 3


def test_the_configuration_inside_an_archive_is_read() -> None:
    asked = query_param_matcher({"volume": VOLID})
    good("GET", "nodes/pve1/vzdump/extractconfig", "cores: 1\nname: web\n", match=[asked])

    assert archives.archived_config(proxmox(), "pve1", VOLID) == {"cores": "1", "name": "web"}


def test_a_storages_status_is_read() -> None:
    row = {"type": "nfs", "active": 1, "enabled": 1, "shared": 1, "avail": 5, "total": 9, "content": "backup,iso"}
    good("GET", "nodes/pve1/storage/nfs/status", row)
    good("GET", "nodes/pve1/storage", [row | {"storage": "nfs"}])
    status = StorageStatus(
        "nfs", "nfs", active=True, enabled=True, shared=True, avail=5, total=9, content=frozenset({"backup", "iso"})
    )

    assert archives.storage_status(proxmox(), "pve1", "nfs") == status
    assert archives.storages(proxmox(), "pve1") == [status]


def test_a_storage_that_is_offline_is_not_active() -> None:
    good("GET", "nodes/pve1/storage/nfs/status", {"type": "dir", "active": 0, "enabled": 1, "content": "backup"})

    status = archives.storage_status(proxmox(), "pve1", "nfs")

    assert (status.active, status.enabled, status.avail) == (False, True, 0)


def test_a_storages_configuration_may_be_hidden_from_us() -> None:
    good("GET", "storage", [{"storage": "nfs", "prune-backups": "keep-last=2"}])

    assert (archives.storage_config(proxmox(), "nfs") or {})["prune-backups"] == "keep-last=2"
    assert archives.storage_config(proxmox(), "other") is None


def test_a_refused_token_does_not_hide_in_a_missing_configuration() -> None:
    refused("GET", "storage", 401, "Authentication failed!", body=False)

    with pytest.raises(ProxmoxDenied, match="Authentication failed!"):
        archives.storage_config(proxmox(), "nfs")


@pytest.mark.parametrize(
    ("prune", "all_kept"),
    [
        ("", True), ("keep-all=1", True), ("keep-last=0,keep-daily=0", True), ("keep-all=0", True),
        ("keep-last=2", False), ("keep-all=0,keep-last=10", False), ("keep-daily=7,keep-weekly=0", False),
    ],
)  # fmt: skip
def test_a_storage_keeps_all_unless_a_limit_is_set(prune: str, all_kept: bool) -> None:
    assert archives.keeps_all(prune) is all_kept
