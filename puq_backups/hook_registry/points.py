"""Every moment at which a hook may run: its arguments, and what an answer means.

A hook takes only the arguments it names. Points beginning with `Pre` may refuse: their errors stop what was
asked (fail closed). All others are told of something that has happened: their errors are logged and undo nothing.
"""

from __future__ import annotations

from typing import Any

Answer = dict[str, Any] | None


def PreCronJob() -> None:
    """Before each tick. An error is logged and the tick goes on: nothing may hold up everybody's backups."""


def AfterCronJob(context: Any) -> None:
    """Each tick: our own hook here runs the backup task; the host's run after it."""


def DailyCronJob(context: Any) -> None:
    """Once a day, at the end of the first tick of the day (UTC)."""


def PreModuleCreate(params: Any, context: Any) -> Answer:
    """Before CreateAccount. {"abortcmd": True, "reason": "…"} stops it; other entries replace params."""


def AfterModuleCreate(params: Any) -> None:
    """CreateAccount succeeded."""


def AfterModuleCreateFailed(params: Any, failureResponseMessage: str) -> None:
    """CreateAccount was not taken."""


def PreModuleSuspend(params: Any, context: Any) -> Answer:
    """Before SuspendAccount. {"abortcmd": True, "reason": "…"} stops it; other entries replace params."""


def AfterModuleSuspend(params: Any) -> None:
    """SuspendAccount succeeded."""


def AfterModuleSuspendFailed(params: Any, failureResponseMessage: str) -> None:
    """SuspendAccount was not taken."""


def PreModuleUnsuspend(params: Any, context: Any) -> Answer:
    """Before UnsuspendAccount. {"abortcmd": True, "reason": "…"} stops it; other entries replace params."""


def AfterModuleUnsuspend(params: Any) -> None:
    """UnsuspendAccount succeeded."""


def AfterModuleUnsuspendFailed(params: Any, failureResponseMessage: str) -> None:
    """UnsuspendAccount was not taken."""


def PreModuleChangePackage(params: Any, context: Any, own: bool = False) -> Answer:
    """Before ChangePackage (`own`), and before the host changes the VM to another package (not `own`).

    {"abortcmd": True, "reason": "…"} stops it; other entries replace params.
    """


def AfterModuleChangePackage(params: Any) -> None:
    """The same succeeded."""


def AfterModuleChangePackageFailed(params: Any, failureResponseMessage: str) -> None:
    """The same was not done."""


def PreModuleTerminate(params: Any, context: Any, own: bool = False) -> Answer:
    """Before TerminateAccount (`own`), and before the host destroys the VM of a service that ends (not `own`).

    {"abortcmd": True, "reason": "…"} stops it; other entries replace params.
    """


def AfterModuleTerminate(params: Any) -> None:
    """The same succeeded."""


def AfterModuleTerminateFailed(params: Any, failureResponseMessage: str) -> None:
    """The same was not done."""


def PreModuleChangePassword(params: Any, context: Any, own: bool = False) -> Answer:
    """Before the host sets a new password in the VM; never `own`.

    {"abortcmd": True, "reason": "…"} stops it; other entries replace params.
    """


def AfterModuleChangePassword(params: Any) -> None:
    """The host has set a new password in the VM."""


def AfterModuleChangePasswordFailed(params: Any, failureResponseMessage: str) -> None:
    """The host could not set a new password in the VM."""


def PreModuleCustom(params: Any, context: Any, function: str = "", own: bool = False) -> Answer:
    """Before a custom function such as BackupNow (`own`), and before another action of the host on the VM: start,
    stop, snapshot, … (not `own`). `function` is its name.

    {"abortcmd": True, "reason": "…"} stops it; other entries replace params.
    """


def AfterModuleCustom(params: Any, function: str = "") -> None:
    """The same succeeded: a custom function of ours was accepted."""


def AfterModuleCustomFailed(params: Any, failureResponseMessage: str, function: str = "") -> None:
    """The same was not done."""


def PreBackup(service_id: str, operation_id: str) -> Answer:
    """Before a backup starts. {"abortcmd": True, "reason": "…"} refuses it."""


def AfterBackup(service_id: str, operation_id: str, backup_id: str) -> None:
    """A backup is there and was seen on its storage."""


def AfterBackupFailed(service_id: str, operation_id: str, state: str, reason: str) -> None:
    """A backup ended otherwise: `state` is failed, refused, missed or cancelled. Skipped slots are not told."""


def PreRestore(service_id: str, operation_id: str, backup_id: str) -> Answer:
    """Before a restore touches the VM. {"abortcmd": True, "reason": "…"} refuses it."""


def AfterRestore(service_id: str, operation_id: str, backup_id: str) -> None:
    """The VM is restored, has its package again and was started."""


def AfterRestoreFailed(service_id: str, operation_id: str, state: str, reason: str) -> None:
    """A restore ended otherwise: `state` is failed, refused or cancelled."""


def PreReinstall(service_id: str, operation_id: str) -> Answer:
    """Before a reinstallation of ours touches the VM. {"abortcmd": True, "reason": "…"} refuses it."""


def AfterReinstall(service_id: str, operation_id: str) -> None:
    """The VM was made again from its template, has its package and was started."""


def AfterReinstallFailed(service_id: str, operation_id: str, state: str, reason: str) -> None:
    """A reinstallation of ours ended otherwise: `state` is failed, refused or cancelled."""


def PreRemove(service_id: str, operation_id: str, backup_id: str) -> Answer:
    """Before a backup is removed by its own operation. {"abortcmd": True, "reason": "…"} refuses it."""


def AfterRemove(service_id: str, operation_id: str, backup_id: str) -> None:
    """A backup was removed by its own operation."""


def AfterRemoveFailed(service_id: str, operation_id: str, state: str, reason: str) -> None:
    """A removal ended otherwise: `state` is failed, refused or cancelled."""


def EmailPreSend(messagename: str, relid: str, mergefields: dict[str, Any]) -> Answer:
    """Before a mail is sent. {"abortsend": True} stops it; other entries are extra merge fields."""


def EmailTplMergeFields(type: str) -> Answer:  # noqa: A002 - WHMCS's own name
    """When staff edits a mail's template. Entries are further merge fields and their labels, for the list."""


def EmailPreLog(messagename: str, userid: str, date: Any, to: str, subject: str, message: str) -> Answer:
    """After a mail was sent, before it is kept for staff to read.

    {"abortLogging": True} keeps no text of it; `subject` and `message` replace what is kept.
    """


def LogActivity(description: str, user: str, action: str, service_id: str | None, operation_id: str | None) -> None:
    """An entry of the activity log was committed. `user` says who: client, staff, schedule or system."""


def ClientAreaPage(vars: dict[str, Any]) -> Answer:  # noqa: A002 - WHMCS's own name
    """Before the Backups page is drawn. Entries are extra template variables."""


def ClientAreaPageProductDetails(vars: dict[str, Any]) -> Answer:  # noqa: A002 - WHMCS's own name
    """The same, after ClientAreaPage: its entries win."""


def ClientAreaProductDetailsOutput(service: dict[str, Any], actor: Any) -> str | None:
    """While the Backups page is drawn. The answer stands on the page: a text, or `markupsafe.Markup` for HTML."""


def ClientAreaPrimarySidebar(menu: Any, service: dict[str, Any], actor: Any) -> None:
    """While the Backups page is drawn: change `menu`, an empty `puq_backups.hook_registry.menus.Menu`, in place."""
