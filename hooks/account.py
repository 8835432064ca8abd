"""The life of a service: what WHMCS calls when an order is paid, suspended, changed or ended."""

from collections.abc import Mapping
from typing import Any

from puq_backups.accounts import lifecycle, register
from puq_backups.context import Context
from puq_backups.hook_registry.decorators import module_function
from puq_backups.host import Actor

SUCCESS = "success"


@module_function
def CreateAccount(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Register server, VM, owner and package of a service; it makes no VM."""
    register.register(context, params, actor)
    return SUCCESS


@module_function
def SuspendAccount(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Pause the schedule; the page refuses actions and says why."""
    lifecycle.suspend(context, params, actor)
    return SUCCESS


@module_function
def UnsuspendAccount(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Go on with the schedule from this moment; a termination within its grace is called off."""
    lifecycle.unsuspend(context, params, actor)
    return SUCCESS


@module_function
def TerminateAccount(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """End the service; its backups are removed after the grace."""
    lifecycle.terminate(context, params, actor)
    return SUCCESS


@module_function
def ChangePackage(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Take over a changed package; a changed quota counts at once."""
    lifecycle.change_package(context, params, actor)
    return SUCCESS
