"""Who may call which module function through `Backups.call`.

- OF_THE_HOST, what WHMCS's core calls by itself: staff and the system. Without an actor it runs as the system,
  whoever is signed in.
- OF_STAFF: staff and the system. Without an actor it runs for who is signed in, outside a request for the system.
- Everything else, `ClientArea` and the custom functions: clients and sub-users for their own services, as far as
  their permissions reach; staff and the system for all. Without an actor as OF_STAFF.
"""

from __future__ import annotations

from ..context import Context
from ..errors import BadInput, NotAllowed, NotSignedIn
from ..host import SYSTEM, Actor

LIFECYCLE = {
    "CreateAccount": "Create", "SuspendAccount": "Suspend", "UnsuspendAccount": "Unsuspend",
    "TerminateAccount": "Terminate", "ChangePackage": "ChangePackage",
}  # fmt: skip
"""The functions of a service's life, and the verb in the names of their hook points."""

OF_PRODUCT = frozenset({
    "MetaData", "ConfigOptions", "TestConnection", "LoadStorages", "LoadDiskStorages", "LoadBridges", "LoadTemplates",
    "ClientAreaCustomButtonArray", "ClientAreaAllowedFunctions", "AdminCustomButtonArray",
})  # fmt: skip
"""The functions that are about no service."""

OF_THE_HOST = frozenset({*LIFECYCLE, *OF_PRODUCT})
"""The host's own acts: often called in the request of the very client whose order it carries out."""

OF_STAFF = frozenset({"AdminServicesTabFields"})
"""The functions that show a service to staff."""


def caller(context: Context, name: str, actor: Actor | None) -> Actor:
    """The actor for whom a module function runs.

    NotSignedIn inside a request without anybody signed in: nobody must never become the system. NotAllowed where
    this actor may not call the function. BadInput where `actor` is no Actor.
    """
    if actor is not None and not isinstance(actor, Actor):
        raise BadInput("actor", "actor must be a puq_backups.Actor, not {kind}.", kind=type(actor).__name__)
    if name in OF_THE_HOST:
        found = actor or SYSTEM
    else:
        asked = actor or context.signed_in()
        if asked is None:
            raise NotSignedIn
        found = asked
    if name in OF_THE_HOST | OF_STAFF and not found.is_staff:
        raise NotAllowed
    return found
