"""Hooks around a module command: `PreModule…` may abort or change it, `AfterModule…` and `…Failed` get the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..accounts.params import service_id
from ..context import Context
from ..errors import BadInput, Message, Refused
from ..inventory import locks

ABORTED = Message("A hook of the provider aborted it.")
VM_VERBS = ("ChangePackage", "Terminate", "ChangePassword", "Custom")


def run_pre_hooks(context: Context, verb: str, params: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Run `PreModule<verb>` and return the params as changed by its hooks. Raises Refused if one answers `abortcmd`.

    `serviceid` cannot be changed by a hook, because the owner was checked before.
    """
    changed = dict(params)
    for answer in context.hooks.run_for_dicts(f"PreModule{verb}", params=dict(params), **more):
        if answer.get("abortcmd"):
            raise Refused("{reason}", reason=answer.get("reason") or ABORTED)
        changed.update(answer)
    return {**changed, **{name: params[name] for name in ("serviceid",) if name in params}}


@contextmanager
def after_hooks(context: Context, verb: str, params: Mapping[str, Any], **more: Any) -> Iterator[None]:
    """Context manager: run `AfterModule<verb>` after the block, or `AfterModule<verb>Failed` if it raises."""
    try:
        yield
    except Exception as error:
        said = str(error) or type(error).__name__
        context.hooks.run(f"AfterModule{verb}Failed", params=params, failureResponseMessage=said, **more)
        raise
    context.hooks.run(f"AfterModule{verb}", params=params, **more)


@contextmanager
def vm_command(
    context: Context, verb: str, params: Mapping[str, Any], function: str = ""
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Context manager for a host's own command on a VM: runs the hooks around it and yields the changed params.

    `verb` is one of VM_VERBS; for Custom, `function` is its name. The VM is locked for our operations meanwhile.
    Raises BadInput for another verb; Refused while an operation or a Proxmox lock holds the VM, or if a hook aborts.
    """
    if verb not in VM_VERBS:
        raise BadInput("verb", "{verb} is not one of {verbs}.", verb=verb, verbs=", ".join(VM_VERBS))
    more = {"function": function} if verb == "Custom" else {}
    changed = run_pre_hooks(context, verb, params, own=False, **more)
    with after_hooks(context, verb, changed, **more), locks.vm_action(context, service_id(params)):
        yield changed
