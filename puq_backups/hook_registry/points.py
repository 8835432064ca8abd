"""All hook points: their arguments, and what a return value means.

A hook takes only the arguments that it names. `Pre…` hooks may refuse: an error in one stops the action (fail
closed), except at PreCronJob. All other hooks are told of something that has happened: an error in one is logged and
undoes nothing. Ids are str; `params` is a dict with WHMCS's keys; None as return value means no answer.
"""

from __future__ import annotations

from typing import Any

Answer = dict[str, Any] | None


def PreCronJob() -> None:
    """Before each tick. An error is logged and the tick continues, so that no hook can stop all backups."""


def AfterCronJob(context: Any) -> None:
    """At each tick. The backup task itself is our hook here, with priority -100; the host's hooks run after it."""


def DailyCronJob(context: Any) -> None:
    """Once a day, at the end of the day's first tick (UTC)."""


def PreModuleCreate(params: Any, context: Any) -> Answer:
    """Before CreateAccount. {"abortcmd": True, "reason": "…"} stops it; other entries replace params."""


def AfterModuleCreate(params: Any) -> None:
    """CreateAccount succeeded."""


def AfterModuleCreateFailed(params: Any, failureResponseMessage: str) -> None:
    """CreateAccount failed. `failureResponseMessage` is the error text."""


def PreModuleSuspend(params: Any, context: Any) -> Answer:
    """Before SuspendAccount. {"abortcmd": True, "reason": "…"} stops it; other entries replace params."""


def AfterModuleSuspend(params: Any) -> None:
    """SuspendAccount succeeded."""


def AfterModuleSuspendFailed(params: Any, failureResponseMessage: str) -> None:
    """SuspendAccount failed. `failureResponseMessage` is the error text."""


def PreModuleUnsuspend(params: Any, context: Any) -> Answer:
    """Before UnsuspendAccount. {"abortcmd": True, "reason": "…"} stops it; other entries replace params."""


def AfterModuleUnsuspend(params: Any) -> None:
    """UnsuspendAccount succeeded."""


def AfterModuleUnsuspendFailed(params: Any, failureResponseMessage: str) -> None:
    """UnsuspendAccount failed. `failureResponseMessage` is the error text."""


def PreModuleChangePackage(params: Any, context: Any, own: bool = False) -> Answer:
    """Before ChangePackage (`own` is True), and before the host changes the VM to another package (`own` is False).

    {"abortcmd": True, "reason": "…"} stops it; other entries replace params.
    """


def AfterModuleChangePackage(params: Any) -> None:
    """ChangePackage succeeded, or the host's change of the VM did."""


def AfterModuleChangePackageFailed(params: Any, failureResponseMessage: str) -> None:
    """ChangePackage failed, or the host's change of the VM did."""


def PreModuleTerminate(params: Any, context: Any, own: bool = False) -> Answer:
    """Before TerminateAccount (`own` is True), and before the host destroys the service's VM (`own` is False).

    {"abortcmd": True, "reason": "…"} stops it; other entries replace params.
    """


def AfterModuleTerminate(params: Any) -> None:
    """TerminateAccount succeeded, or the host has destroyed the VM."""


def AfterModuleTerminateFailed(params: Any, failureResponseMessage: str) -> None:
    """TerminateAccount failed, or the host could not destroy the VM."""


def PreModuleChangePassword(params: Any, context: Any, own: bool = False) -> Answer:
    """Before the host sets a new password in the VM (`own` is always False).

    {"abortcmd": True, "reason": "…"} stops it; other entries replace params.
    """


def AfterModuleChangePassword(params: Any) -> None:
    """The host has set a new password in the VM."""


def AfterModuleChangePasswordFailed(params: Any, failureResponseMessage: str) -> None:
    """The host could not set a new password in the VM."""


def PreModuleCustom(params: Any, context: Any, function: str = "", own: bool = False) -> Answer:
    """Before a custom function of ours (`own` is True) or any other action of the host on the VM (`own` is False).

    `function` is its name, such as BackupNow, Start or Stop. {"abortcmd": True, "reason": "…"} stops it; other
    entries replace params.
    """


def AfterModuleCustom(params: Any, function: str = "") -> None:
    """A custom function was accepted, or the host's action on the VM succeeded."""


def AfterModuleCustomFailed(params: Any, failureResponseMessage: str, function: str = "") -> None:
    """A custom function was refused, or the host's action on the VM failed."""


def PreBackup(service_id: str, operation_id: str) -> Answer:
    """Before a backup starts. {"abortcmd": True, "reason": "…"} refuses it."""


def AfterBackup(service_id: str, operation_id: str, backup_id: str) -> None:
    """A backup was made and its archive was seen on the storage."""


def AfterBackupFailed(service_id: str, operation_id: str, state: str, reason: str) -> None:
    """A backup ended in `state` failed, refused, missed or cancelled. Not called for skipped slots."""


def PreRestore(service_id: str, operation_id: str, backup_id: str) -> Answer:
    """Before a restore changes the VM. {"abortcmd": True, "reason": "…"} refuses it."""


def AfterRestore(service_id: str, operation_id: str, backup_id: str) -> None:
    """A VM was restored, its package was applied and it was started."""


def AfterRestoreFailed(service_id: str, operation_id: str, state: str, reason: str) -> None:
    """A restore ended in `state` failed, refused or cancelled."""


def PreReinstall(service_id: str, operation_id: str) -> Answer:
    """Before our own reinstallation changes the VM. {"abortcmd": True, "reason": "…"} refuses it."""


def AfterReinstall(service_id: str, operation_id: str) -> None:
    """A VM was recreated from its template, its package was applied and it was started."""


def AfterReinstallFailed(service_id: str, operation_id: str, state: str, reason: str) -> None:
    """A reinstallation of ours ended in `state` failed, refused or cancelled."""


def PreRemove(service_id: str, operation_id: str, backup_id: str) -> Answer:
    """Before a remove operation deletes a backup. {"abortcmd": True, "reason": "…"} refuses it."""


def AfterRemove(service_id: str, operation_id: str, backup_id: str) -> None:
    """A remove operation has deleted a backup. Not called for rotation."""


def AfterRemoveFailed(service_id: str, operation_id: str, state: str, reason: str) -> None:
    """A remove operation ended in `state` failed, refused or cancelled."""


def EmailPreSend(messagename: str, relid: str, mergefields: dict[str, Any]) -> Answer:
    """Before a mail is sent. {"abortsend": True} stops it; other entries are additional merge fields."""


def EmailTplMergeFields(type: str) -> Answer:  # noqa: A002 - WHMCS's own name
    """When staff edit a mail template. Returns additional merge fields and their labels for the editor's list."""


def EmailPreLog(messagename: str, userid: str, date: Any, to: str, subject: str, message: str) -> Answer:
    """After a mail was sent, before its text is stored for staff.

    {"abortLogging": True} stores no text; `subject` and `message` replace what is stored.
    """


def LogActivity(description: str, user: str, action: str, service_id: str | None, operation_id: str | None) -> None:
    """An entry of the activity log was committed. `user` is the client, staff member, "schedule" or "system"."""


def ClientAreaPage(vars: dict[str, Any]) -> Answer:  # noqa: A002 - WHMCS's own name
    """Before the Backups page is rendered. Returns additional template variables."""


def ClientAreaPageProductDetails(vars: dict[str, Any]) -> Answer:  # noqa: A002 - WHMCS's own name
    """Runs after ClientAreaPage and works the same; its variables win."""


def ClientAreaProductDetailsOutput(service: dict[str, Any], actor: Any) -> str | None:
    """While the Backups page is rendered. Returns text for the page, or `markupsafe.Markup` for HTML."""


def ClientAreaPrimarySidebar(menu: Any, service: dict[str, Any], actor: Any) -> None:
    """While the Backups page is rendered. Changes `menu`, an empty `hook_registry.menus.Menu`, in place."""
