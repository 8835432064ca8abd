"""Parts of a path: what may stand in one."""

from collections.abc import Callable

import pytest

from puq_backups.errors import BadInput
from puq_backups.pve import paths
from puq_backups.pve.upid import Upid

from .answers import UPID

HOSTILE = [
    "../access/users",
    "..",
    ".",
    "/etc",
    "pve?x=1",
    "pve#x",
    "pve1\n",
    "pve%2fx",
    "a b",
    "",
    "-",
    "é",
    "pve\x00",
]


@pytest.mark.parametrize("check", [paths.node, paths.vmid, paths.storage, paths.volid, paths.upid])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_parts_are_refused(check: Callable[[str], paths.Part], text: str) -> None:
    with pytest.raises(BadInput) as raised:
        check(text)

    assert raised.value.field == check.__name__


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (paths.node, "pve"),
        (paths.node, "a"),
        (paths.node, "Node-01"),
        (paths.vmid, "100"),
        (paths.vmid, "999999999"),
        (paths.storage, "local-lvm"),
        (paths.storage, "nfs_2.backup"),
        (paths.volid, "nfs:backup/vzdump-qemu-100-2026_01_02-03_04_05.vma.zst"),
        (paths.volid, "pbs:backup/vm/100/2026-01-02T03:04:05Z"),
        (paths.upid, UPID),
        (paths.upid, "UPID:pve:000013F5:0008796A:6B03DA7B:imgdel:100@local:svc@pve!tok:"),
    ],
)
def test_good_parts_are_taken_as_they_are(check: Callable[[str], paths.Part], text: str) -> None:
    assert paths.join(("nodes", check(text))) == f"nodes/{text}"


@pytest.mark.parametrize("number", [99, 0, -1, 10**9, "1e3", "٣٠٠", "100 ", "0x64"])
def test_a_vmid_is_a_number_in_proxmoxs_range(number: int | str) -> None:
    with pytest.raises(BadInput):
        paths.vmid(number)


@pytest.mark.parametrize(
    "volume",
    [
        "nfs:backup/../../etc", "nfs:backup//x", "nfs:/backup/x", "nfs:backup/x/", "nfs", "nfs:", ":backup/x",
        "nfs:backup/x?y", "nfs:backup/x\n", "nfs:backup/.x", "n/fs:backup/x",
    ],
)  # fmt: skip
def test_a_volid_cannot_leave_its_storage(volume: str) -> None:
    with pytest.raises(BadInput):
        paths.volid(volume)


@pytest.mark.parametrize(
    "text", [UPID[:-1], UPID.replace("vzdump", "vz?dump"), UPID.replace("pve1", "p/1"), f" {UPID}"]
)
def test_a_malformed_upid_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        paths.upid(text)
    with pytest.raises(ValueError, match="is not a UPID"):
        Upid.parse(text)


def test_a_upid_is_taken_apart() -> None:
    upid = Upid.parse(UPID)

    assert (upid.node, upid.pid, upid.started_at) == ("pve1", 0x1C20, 0x6B03DABF)
    assert (upid.type, upid.id, upid.user, str(upid)) == ("vzdump", "100", "backup@pve!panel", UPID)


def test_the_storage_of_a_volid_is_its_head() -> None:
    assert paths.storage_of("pbs:backup/vm/100/2026-01-02T03:04:05Z") == "pbs"
