"""The life of a service: what WHMCS calls when an order is paid, suspended, changed or ended."""

from collections.abc import Mapping
from typing import Any

from puq_backups import accounts
from puq_backups.errors import Refused
from puq_backups.hooking import module_function
from puq_backups.toolbox import Toolbox


def _ask(toolbox: Toolbox, point: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Let `Pre…` hooks abort or replace params."""
    changed = dict(params)
    for answer in toolbox.hooks.ask(point, params=params):
        if answer.get("abortcmd"):
            raise Refused("{reason}", reason=answer.get("reason") or "A hook of the provider aborted it.")
        changed.update(answer)
    return changed


@module_function
def CreateAccount(toolbox: Toolbox, params: Mapping[str, Any]) -> str:
    """Register server, VM, owner and package of a service; it makes no VM."""
    accounts.register(toolbox, _ask(toolbox, "PreModuleCreate", params))
    toolbox.hooks.run("AfterModuleCreate", params=params)
    return "success"


@module_function
def SuspendAccount(toolbox: Toolbox, params: Mapping[str, Any]) -> str:
    """Pause the schedule; the page refuses actions and says why."""
    accounts.refresh(toolbox, params, status="suspended")
    return "success"


@module_function
def UnsuspendAccount(toolbox: Toolbox, params: Mapping[str, Any]) -> str:
    """Go on with the schedule from this moment; a termination within its grace is called off."""
    accounts.refresh(toolbox, params, status="active")
    return "success"


@module_function
def TerminateAccount(toolbox: Toolbox, params: Mapping[str, Any]) -> str:
    """End the service; its backups are removed after the grace."""
    accounts.refresh(toolbox, params, status="terminated")
    return "success"


@module_function
def ChangePackage(toolbox: Toolbox, params: Mapping[str, Any]) -> str:
    """Take over a changed package; a changed quota counts at once."""
    accounts.refresh(toolbox, params)
    return "success"
