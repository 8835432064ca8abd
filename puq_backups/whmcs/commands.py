"""What goes around a command: hooks that may stop or change it, and hooks that are told what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..accounts.params import service_id
from ..context import Context
from ..errors import BadInput, Message, Refused
from ..inventory import locks

STOPPED = Message("A hook of the provider aborted it.")
HOSTS_VERBS = ("ChangePackage", "Terminate", "ChangePassword", "Custom")


def ask(context: Context, verb: str, params: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Run `PreModule<verb>`: the params as its hooks have them. Refused where one aborts; its own error otherwise.

    The service cannot be replaced: whose it is was looked at before.
    """
    changed = dict(params)
    for answer in context.hooks.run_for_dicts(f"PreModule{verb}", params=dict(params), **more):
        if answer.get("abortcmd"):
            raise Refused("{reason}", reason=answer.get("reason") or STOPPED)
        changed.update(answer)
    return {**changed, **{name: params[name] for name in ("serviceid",) if name in params}}


@contextmanager
def told(context: Context, verb: str, params: Mapping[str, Any], **more: Any) -> Iterator[None]:
    """Run `AfterModule<verb>` after the block, or `AfterModule<verb>Failed` with the error that left it."""
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
    """One command of the host's own on a VM, with all that goes around it; gives the params as hooks have them.

    `verb` is ChangePackage, Terminate, ChangePassword, or Custom with the name of its `function`. The VM is held
    meanwhile. Refused while something of ours or Proxmox's runs, or where a hook aborts.
    """
    if verb not in HOSTS_VERBS:
        raise BadInput("verb", "{verb} is not one of {verbs}.", verb=verb, verbs=", ".join(HOSTS_VERBS))
    more = {"function": function} if verb == "Custom" else {}
    changed = ask(context, verb, params, own=False, **more)
    with told(context, verb, changed, **more), locks.vm_action(context, service_id(params)):
        yield changed
