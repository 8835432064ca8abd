"""The life of a service: what WHMCS calls when an order is paid, suspended, changed or ended."""

from collections.abc import Mapping
from typing import Any

from puq_backups import accounts
from puq_backups.hooking import module_function
from puq_backups.host import Actor
from puq_backups.toolbox import Toolbox

SUCCESS = "success"


@module_function
def CreateAccount(toolbox: Toolbox, params: Mapping[str, Any], actor: Actor) -> str:
    """Register server, VM, owner and package of a service; it makes no VM."""
    accounts.register(toolbox, params, actor)
    return SUCCESS


@module_function
def SuspendAccount(toolbox: Toolbox, params: Mapping[str, Any], actor: Actor) -> str:
    """Pause the schedule; the page refuses actions and says why."""
    accounts.suspend(toolbox, params, actor)
    return SUCCESS


@module_function
def UnsuspendAccount(toolbox: Toolbox, params: Mapping[str, Any], actor: Actor) -> str:
    """Go on with the schedule from this moment; a termination within its grace is called off."""
    accounts.unsuspend(toolbox, params, actor)
    return SUCCESS


@module_function
def TerminateAccount(toolbox: Toolbox, params: Mapping[str, Any], actor: Actor) -> str:
    """End the service; its backups are removed after the grace."""
    accounts.terminate(toolbox, params, actor)
    return SUCCESS


@module_function
def ChangePackage(toolbox: Toolbox, params: Mapping[str, Any], actor: Actor) -> str:
    """Take over a changed package; a changed quota counts at once."""
    accounts.change_package(toolbox, params, actor)
    return SUCCESS
