"""Who may call which module function through `Backups.call`.

- HOST_FUNCTIONS, what WHMCS's core calls by itself: staff and the system. Without an actor they run as the system,
  whoever is signed in.
- STAFF_FUNCTIONS: staff and the system. Without an actor they run for the signed-in actor, outside a request for the
  system.
- Everything else, `ClientArea` and the custom functions: clients and sub-users for their own services, as far as
  their permissions reach; staff and the system for all. Without an actor as STAFF_FUNCTIONS.
"""

from __future__ import annotations

from ..context import Context
from ..errors import BadInput, NotAllowed, NotSignedIn
from ..host import SYSTEM, Actor

LIFECYCLE = {
    "CreateAccount": "Create", "SuspendAccount": "Suspend", "UnsuspendAccount": "Unsuspend",
    "TerminateAccount": "Terminate", "ChangePackage": "ChangePackage",
}  # fmt: skip
"""Lifecycle functions, and the verb in the names of their hook points."""

PRODUCT_FUNCTIONS = frozenset({
    "MetaData", "ConfigOptions", "TestConnection", "LoadStorages", "LoadDiskStorages", "LoadBridges", "LoadTemplates",
    "ClientAreaCustomButtonArray", "ClientAreaAllowedFunctions", "AdminCustomButtonArray",
})  # fmt: skip
"""Functions that need no service."""

HOST_FUNCTIONS = frozenset({*LIFECYCLE, *PRODUCT_FUNCTIONS})
"""Functions that only the host's own code calls, often within the request of the client who ordered."""

CLIENT_PERMISSIONS = {
    "ClientArea": "view", "BackupNow": "create", "EditNote": "create", "CancelOperation": "create",
    "SaveSchedule": "schedule", "RestoreBackup": "restore", "RetryRestore": "restore", "BackToBefore": "restore",
    "Reinstall": "restore", "RemoveBackup": "remove", "UndoRemove": "remove", "DeleteBackup": "remove",
    "ReleaseBackup": "remove", "KeepBackup": "keep",
}  # fmt: skip
"""Our functions for clients, and the permission, beside `view`, that a sub-user needs. A host's own need `view`."""

RATE_LIMITED = {
    "BackupNow": "create", "RestoreBackup": "restore", "RetryRestore": "restore", "BackToBefore": "restore",
    "Reinstall": "restore", "KeepBackup": "keep", "EditNote": "note",
}  # fmt: skip
"""Functions with a rate limit, and the action of `PUQ_BACKUPS_RATE_LIMITS` that they count as."""

STAFF_FUNCTIONS = frozenset({"AdminServicesTabFields"})
"""Read-only functions that show a service to staff."""


def caller(context: Context, name: str, actor: Actor | None) -> Actor:
    """Return the actor for whom a module function runs.

    Raises NotSignedIn within a request where nobody is signed in (this must never become the system), NotAllowed if
    the actor may not call the function, BadInput if `actor` is not an Actor.
    """
    if actor is not None and not isinstance(actor, Actor):
        raise BadInput("actor", "actor must be a puq_backups.Actor, not {kind}.", kind=type(actor).__name__)
    if name in HOST_FUNCTIONS:
        found = actor or SYSTEM
    else:
        asked = actor or context.signed_in()
        if asked is None:
            raise NotSignedIn
        found = asked
    if name in HOST_FUNCTIONS | STAFF_FUNCTIONS and not found.is_staff:
        raise NotAllowed
    return found
