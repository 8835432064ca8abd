"""Every moment at which a hook may run: its arguments, and what an answer means.

A hook takes only the arguments it names. Points beginning with `Pre` may refuse: their errors stop what was
asked (fail closed). All others are told of something that has happened: their errors are logged and undo nothing.
"""

from __future__ import annotations

from typing import Any


def PreCronJob() -> None:
    """Before each tick. An error is logged and the tick goes on: nothing may hold up everybody's backups."""


def AfterCronJob(toolbox: Any) -> None:
    """Each tick: our own hook here runs the backup task; the host's run after it."""


def DailyCronJob(toolbox: Any) -> None:
    """Once a day, at the end of the first tick of the day (UTC)."""


def PreModuleCreate(params: Any) -> dict[str, Any] | None:
    """Before CreateAccount. {"abortcmd": True} stops it; other entries replace params of the same name."""


def AfterModuleCreate(params: Any) -> None:
    """CreateAccount succeeded."""


def PreModuleChangePackage(params: Any, toolbox: Any) -> dict[str, Any] | None:
    """Before the host changes a package. {"abortcmd": True} stops the host's own change to the VM."""


def PreModuleTerminate(params: Any, toolbox: Any) -> dict[str, Any] | None:
    """Before the host destroys the VM of a service that ends. {"abortcmd": True} stops that."""


def PreModuleChangePassword(params: Any, toolbox: Any) -> dict[str, Any] | None:
    """Before the host sets a new password in the VM. {"abortcmd": True} stops it."""


def PreModuleCustom(params: Any, toolbox: Any) -> dict[str, Any] | None:
    """Before another function of the host acts on the VM: start, stop, snapshot, … {"abortcmd": True} stops it."""


def PreBackup(service_id: str, operation_id: str) -> dict[str, Any] | None:
    """Before a backup starts. {"abortcmd": True, "reason": "…"} refuses it."""


def AfterBackup(service_id: str, operation_id: str, backup_id: str) -> None:
    """A backup is there and was seen on its storage."""


def AfterBackupFailed(service_id: str, operation_id: str, reason: str) -> None:
    """A backup ended without success."""


def PreRestore(service_id: str, operation_id: str, backup_id: str) -> dict[str, Any] | None:
    """Before a restore touches the VM. {"abortcmd": True, "reason": "…"} refuses it."""


def AfterRestore(service_id: str, operation_id: str, backup_id: str) -> None:
    """The VM is restored, has its package again and was started."""


def AfterRestoreFailed(service_id: str, operation_id: str, reason: str) -> None:
    """A restore ended without success."""


def AfterRemove(service_id: str, operation_id: str, backup_id: str) -> None:
    """A backup was removed."""


def EmailPreSend(messagename: str, relid: str, mergefields: dict[str, Any]) -> dict[str, Any] | None:
    """Before a mail is written. {"abortsend": True} stops it; other entries are extra merge fields."""


def ClientAreaPage(vars: dict[str, Any]) -> dict[str, Any] | None:  # noqa: A002 - WHMCS's own name
    """Before the Backups page is drawn. Entries are extra template variables."""
