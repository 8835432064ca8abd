"""Backup archives on Proxmox storages: create, list, find, annotate, protect, restore, remove."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import BadInput, ProxmoxRefused
from . import paths, values
from .client import Proxmox
from .storages import StorageStatus, keeps_all, other_node, readable_from, storage_config, storage_status, storages
from .upid import Upid
from .vm_config import parse_config

__all__ = [
    "Archive",
    "StorageStatus",
    "archived_config",
    "create",
    "find",
    "keeps_all",
    "listing",
    "other_node",
    "readable_from",
    "remove",
    "restore",
    "set_notes",
    "set_protected",
    "storage_config",
    "storage_status",
    "storages",
]  # fmt: skip

OF_A_VM = re.compile(
    r"[^:/]+:backup/(?:vzdump-qemu-(?P<file>\d+)-[\w.-]+\.vma(?:\.(?:gz|lzo|zst))?"
    r"|(?:ns/[\w./-]+/)?vm/(?P<pbs>\d+)/\S+Z)"
)
GONE = re.compile(
    r"^volume_size_info on '.*' failed - no format$|^volume '.*' does not exist$|^can't find file '"
    r"|snapshot .* (?:does not exist|not found)|unable to load blob '.*index\.json\.blob.*No such file"
)


@dataclass(frozen=True)
class Archive:
    """A VM's archive on a storage.

    `size` is in bytes: of the file, or of the disks on PBS. `created_at` is in epoch seconds of the node that listed
    it. `notes` is the first line only. `verification` (PBS) is "ok", "failed" or None.
    """

    volid: str
    vmid: int
    size: int | None
    created_at: int | None
    notes: str
    protected: bool
    verification: str | None
    format: str


def create(
    proxmox: Proxmox, node: str, vmid: int, *, storage: str, mode: str = "snapshot", compress: str = "zstd",
    notes_template: str, lockwait: int,
) -> Upid:  # fmt: skip
    """Start vzdump of a VM on `node`. `lockwait`: minutes that the task may wait for the node's other backups.

    Pruning, protection and mail are switched off explicitly, because vzdump.conf of the node would apply otherwise.
    """
    return proxmox.post_task(
        "nodes", paths.node(node), "vzdump",
        **{
            "vmid": int(paths.vmid(vmid)), "storage": str(paths.storage(storage)), "mode": mode, "compress": compress,
            "remove": 0, "protected": 0, "notification-mode": "legacy-sendmail", "notes-template": notes_template,
            "lockwait": int(lockwait),
        },
    )  # fmt: skip


def restore(
    proxmox: Proxmox, node: str, vmid: int, *, archive: str, storage: str | None = None,
    overrides: Mapping[str, Any] | None = None, fresh: bool = False, pool: str | None = None,
) -> Upid:  # fmt: skip
    """Start a restore over a VM, which must be stopped.

    storage: for all disks. Default None: each disk goes to the storage it was on.
    overrides: options that replace those of the archive's configuration; drives are not allowed.
    fresh: create the VM, in `pool`; Proxmox refuses if it exists. Needs VM.Allocate. Default False.
    """
    return proxmox.post_task(
        "nodes", paths.node(node), "qemu",
        **{
            **(overrides or {}), "vmid": int(paths.vmid(vmid)), "archive": str(_archive(archive)),
            "force": 0 if fresh else 1, "pool": pool,
            "storage": storage and str(paths.storage(storage)),
        },
    )  # fmt: skip


def remove(proxmox: Proxmox, node: str, volid: str) -> Upid:
    """Start the removal of an archive. The task succeeds for a missing archive and fails for a protected one."""
    return proxmox.delete_task(*_content(node, volid))


def listing(proxmox: Proxmox, node: str, storage: str, vmid: int | None = None) -> list[Archive]:
    """List the VM archives on a storage, of one VM or of all.

    Proxmox silently leaves out what the token may not see, so a missing archive in the list proves nothing.
    """
    rows = proxmox.get_list(
        "nodes", paths.node(node), "storage", paths.storage(storage), "content",
        content="backup", vmid=int(paths.vmid(vmid)) if vmid is not None else None,
    )  # fmt: skip
    found = [
        _listed(row)
        for row in rows
        if row.get("subtype", "qemu") == "qemu" and OF_A_VM.fullmatch(str(row.get("volid")))
    ]
    return [archive for archive in found if vmid is None or archive.vmid == int(vmid)]


def _listed(row: dict[str, Any]) -> Archive:
    volid = str(row["volid"])
    verification = row.get("verification")
    state = verification.get("state") if isinstance(verification, dict) else None
    size = values.size(row.get("size"))
    return Archive(
        volid=volid,
        vmid=values.number(row.get("vmid")) or int(_vmid_of(volid)),
        # PBS reports 1 if it cannot read the manifest.
        size=None if size == 1 and "/vm/" in volid else size,
        created_at=values.size(row.get("ctime")),
        notes=str(row.get("notes") or ""),
        protected=values.flag(row.get("protected")),
        verification=state if state in {"ok", "failed"} else None,
        format=str(row.get("format") or ""),
    )


def find(proxmox: Proxmox, node: str, volid: str) -> Archive | None:
    """Read one archive by its volid; None if it does not exist.

    Here the size is rounded up to blocks, the format is "raw" and the notes are complete. Check that the storage is
    active before: in an unmounted directory nothing exists.
    """
    try:
        row = proxmox.get_dict(*_content(node, volid))
    except ProxmoxRefused as error:
        if GONE.search(str(error)):
            return None
        raise
    return _listed({**row, "volid": volid})


def set_notes(proxmox: Proxmox, node: str, volid: str, notes: str) -> None:
    """Replace an archive's notes. No error is raised if the archive is gone."""
    proxmox.put(*_content(node, volid), notes=notes)


def set_protected(proxmox: Proxmox, node: str, volid: str, protected: bool) -> None:
    """Set or clear an archive's protection. Proxmox allows 5 protected archives per VM by default."""
    proxmox.put(*_content(node, volid), protected=int(protected))


def archived_config(proxmox: Proxmox, node: str, volid: str) -> dict[str, Any]:
    """Read the VM's configuration from an archive, as a dict (see `vm_config.parse_config`)."""
    text = proxmox.get("nodes", paths.node(node), "vzdump", "extractconfig", volume=str(_archive(volid)))
    return parse_config(str(text or ""))


def _content(node: str, volid: str) -> tuple[str, ...]:
    archive = _archive(volid)
    return "nodes", paths.node(node), "storage", paths.storage(paths.storage_of(archive)), "content", archive


def _archive(volid: str) -> paths.Part:
    """Check that a volid is a VM's archive and not a disk, which the same calls would remove; raises BadInput."""
    if not OF_A_VM.fullmatch(volid):
        raise BadInput("volid", "{volid} is not the backup of a virtual machine.", volid=repr(volid))
    return paths.volid(volid)


def _vmid_of(volid: str) -> str:
    match = OF_A_VM.fullmatch(volid)
    return (match["file"] or match["pbs"]) if match else "0"
