"""Archives: made, listed, looked at, marked, restored, removed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import BadInput, ProxmoxRefused
from . import paths
from .client import Proxmox
from .configuration import parse_config
from .storages import StorageStatus, keeps_all, storage_config, storage_status, storages
from .upid import Upid

__all__ = [
    "Archive", "StorageStatus", "archived_config", "create", "keeps_all", "listing", "one", "remove", "restore",
    "set_notes", "set_protected", "storage_config", "storage_status", "storages",
]  # fmt: skip

OF_A_VM = re.compile(
    r"[^:/]+:backup/(?:vzdump-qemu-(?P<file>\d+)-[\w.-]+\.vma(?:\.(?:gz|lzo|zst))?"
    r"|(?:ns/[\w./-]+/)?vm/(?P<pbs>\d+)/\S+Z)"
)
GONE = re.compile(
    r"^volume_size_info on '.*' failed - no format$|^volume '.*' does not exist$|^can't find file '"
    r"|snapshot .* (?:does not exist|not found)"
)


@dataclass(frozen=True)
class Archive:
    """A backup of a VM on a storage. `size` in bytes: of the file, on PBS of the disks. `created_at` in epoch
    seconds by the listing node; `notes` only their first line; `verification` "ok", "failed" or None (PBS).
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
    """Have a VM on `node` backed up. `lockwait`: minutes the task may wait for the node's other backups.

    Always named: nothing is pruned, nothing protected, nobody mailed; else the node's vzdump.conf would decide.
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
    """Restore an archive over a VM, which must be stopped. `storage` takes all disks; else each goes where it was.

    `overrides` replace options of the archive's configuration; drives cannot be among them. `fresh`: there is no
    such VM; it is made, in `pool`, and refused where there is one after all. That needs VM.Allocate.
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
    """Remove an archive. One that is gone already ends well; a protected one fails in its task."""
    return proxmox.delete_task(*_content(node, volid))


def listing(proxmox: Proxmox, node: str, storage: str, vmid: int | None = None) -> list[Archive]:
    """The VM backups on a storage, of one VM or all.

    Proxmox leaves out what our token may not see and says nothing: a short list proves nothing.
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
    size = row.get("size")
    return Archive(
        volid=volid,
        vmid=int(row.get("vmid") or _vmid_of(volid)),
        # PBS says 1 where it cannot read the manifest.
        size=None if size is None or (int(size) == 1 and "/vm/" in volid) else int(size),
        created_at=int(row["ctime"]) if row.get("ctime") is not None else None,
        notes=str(row.get("notes") or ""),
        protected=bool(int(row.get("protected") or 0)),
        verification=state if state in {"ok", "failed"} else None,
        format=str(row.get("format") or ""),
    )


def one(proxmox: Proxmox, node: str, volid: str) -> Archive | None:
    """What a node says of one archive, asked for by name; None if it is gone.

    The size is rounded up to blocks, the format is "raw" and the notes are whole. A directory that is not
    mounted looks gone too: see that the storage is active.
    """
    try:
        row = proxmox.get_dict(*_content(node, volid))
    except ProxmoxRefused as error:
        if GONE.search(str(error)):
            return None
        raise
    return _listed({**row, "volid": volid})


def set_notes(proxmox: Proxmox, node: str, volid: str, notes: str) -> None:
    """Replace an archive's notes. Proxmox does not notice if the archive is gone."""
    proxmox.put(*_content(node, volid), notes=notes)


def set_protected(proxmox: Proxmox, node: str, volid: str, protected: bool) -> None:
    """Protect an archive from removal, or no longer. Proxmox may cap the protected ones of a VM, at 5 by default."""
    proxmox.put(*_content(node, volid), protected=int(protected))


def archived_config(proxmox: Proxmox, node: str, volid: str) -> dict[str, Any]:
    """The VM's configuration inside an archive; see `configuration.parse_config`."""
    text = proxmox.get("nodes", paths.node(node), "vzdump", "extractconfig", volume=str(_archive(volid)))
    return parse_config(str(text or ""))


def _content(node: str, volid: str) -> tuple[str, ...]:
    archive = _archive(volid)
    return "nodes", paths.node(node), "storage", paths.storage(paths.storage_of(archive)), "content", archive


def _archive(volid: str) -> paths.Part:
    """A volid that can only be a VM's backup: never one of its disks, which the same calls would remove."""
    if not OF_A_VM.fullmatch(volid):
        raise BadInput("volid", "{volid} is not the backup of a virtual machine.", volid=repr(volid))
    return paths.volid(volid)


def _vmid_of(volid: str) -> str:
    match = OF_A_VM.fullmatch(volid)
    return (match["file"] or match["pbs"]) if match else "0"
