"""Texts and names of a Proxmox Backup Server as a store."""

from __future__ import annotations

from .model import Storage


def repository(storage: Storage) -> str:
    """The repository as the client is given it: user@realm@server:datastore."""
    return f"backup@pbs@{storage.storage}:store"


def lost(storage: Storage, name: str) -> str:
    """What the client says of a snapshot that is not there."""
    del storage
    snapshot = name.removeprefix("backup/")
    return f"proxmox-backup-client failed: Error: unable to open snapshot {snapshot}: No such file or directory"
