"""Lifecycle module functions: create, suspend, unsuspend, terminate, change package."""

from collections.abc import Mapping
from typing import Any

from puq_backups.accounts import lifecycle, register
from puq_backups.context import Context
from puq_backups.hook_registry.decorators import module_function
from puq_backups.host import Actor

SUCCESS = "success"


@module_function
def CreateAccount(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Register server, VM, owner and package of a service. Makes no VM; a repeated call updates them."""
    register.register(context, params, actor)
    return SUCCESS


@module_function
def SuspendAccount(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Pause the schedule. The page refuses actions and shows the reason."""
    lifecycle.suspend(context, params, actor)
    return SUCCESS


@module_function
def UnsuspendAccount(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Resume the schedule from now on. Within the grace period it cancels a termination."""
    lifecycle.unsuspend(context, params, actor)
    return SUCCESS


@module_function
def TerminateAccount(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Terminate the service. Its backups are removed after `PUQ_BACKUPS_TERMINATION_GRACE`."""
    lifecycle.terminate(context, params, actor)
    return SUCCESS


@module_function
def ChangePackage(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Store a changed package. A changed quota applies at once, the VM settings at the next restore."""
    lifecycle.change_package(context, params, actor)
    return SUCCESS
