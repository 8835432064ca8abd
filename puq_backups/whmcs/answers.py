"""Types of what the module functions return, by their names, for type checkers of host applications."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

Accepted = Literal[
    "CreateAccount", "SuspendAccount", "UnsuspendAccount", "TerminateAccount", "ChangePackage",
    "BackupNow", "SaveSchedule", "RestoreBackup", "RemoveBackup", "UndoRemove", "DeleteBackup", "ReleaseBackup",
    "EditNote", "KeepBackup", "RetryRestore", "BackToBefore", "Reinstall", "CancelOperation",
]  # fmt: skip
"""Functions that return "success" or an error text."""

Loaders = Literal["LoadStorages", "LoadDiskStorages", "LoadBridges", "LoadTemplates"]
"""Functions that return labels by value, or an error text."""

Texts = Literal[
    "ClientAreaCustomButtonArray", "ClientAreaAllowedFunctions", "AdminCustomButtonArray", "AdminServicesTabFields",
]  # fmt: skip
"""Functions that return texts by names."""


class Connection(TypedDict):
    """Answer of TestConnection: `error` is empty on success."""

    success: bool
    error: str


class Area(TypedDict):
    """Answer of ClientArea: a template and its variables."""

    templatefile: str
    vars: dict[str, Any]
