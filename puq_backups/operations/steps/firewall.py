"""Puts the VM's firewall options and rules back after a restore, one call at a time. None of the calls is a task."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ...errors import Message, ProxmoxDenied, ProxmoxRefused
from ...i18n.translator import N_
from ...pve import firewall
from ...pve.firewall import Rule, Rules
from ..errors import may_succeed_later
from ..step import Change, StepContext
from .refused import is_skipped, skip

FIREWALL = N_("The firewall's rules could not all be put back: {proxmox}")
UNREAD = N_("The firewall could not be read, so its rules cannot be put back: {proxmox}")
UNSTEADY = N_("The firewall's rules changed again and again while they were put back; please look at them.")
CHANGES = 2
"""Calls allowed per rule before the firewall is left as it is."""


def read(step: StepContext) -> dict[str, Any] | None:
    """Read options and rules. Returns None, with a warning, if the token may not read them."""
    try:
        return {
            "options": firewall.options(step.proxmox, step.node, step.vmid),
            "rules": firewall.rules(step.proxmox, step.node, step.vmid).rules,
        }
    except ProxmoxRefused as error:
        if may_succeed_later(error):
            raise
        step.operation.add_warning(Message(UNREAD, proxmox=error))
        return None


def put_back_firewall(step: StepContext) -> Change | None:
    """Put the firewall's options and rules back where they differ; rules one by one, the last one first."""
    kept = step.operation.data.get("firewall")
    if not kept or is_skipped(step, "firewall"):
        return None
    options = firewall.options(step.proxmox, step.node, step.vmid)
    found = firewall.rules(step.proxmox, step.node, step.vmid)
    wanted = [rule for at, rule in enumerate(kept["rules"]) if not is_skipped(step, f"rule {at}")]
    call = _options_call(step, options, kept["options"]) or _rules_call(step, found, wanted)
    if call is None:
        return None
    left = _changes_left(step, found.rules, wanted)
    if left <= 0:
        skip(step, "firewall", UNSTEADY)
        return None
    step.operation.store(firewall_changes_left=left - 1)
    return Change(call=call, audit=f"put back the firewall of VM {step.vmid}")


def _changes_left(step: StepContext, rules: list[Rule], wanted: list[Rule]) -> int:
    """The number of calls left. A limit is needed, because somebody else may change rules at the same time."""
    known = step.operation.data.get("firewall_changes_left")
    return CHANGES * (len(rules) + len(wanted) + 1) if known is None else int(known)


def _options_call(step: StepContext, options: dict[str, str], wanted: dict[str, str]) -> Callable[[], None] | None:
    if options == wanted or is_skipped(step, "firewall options"):
        return None
    changes = {name: value for name, value in wanted.items() if options.get(name) != value}
    dropped = [name for name in options if name not in wanted]
    call = partial(firewall.set_options, step.proxmox, step.node, step.vmid, changes, delete=dropped)
    return partial(_record_refusal, step, "firewall options", call)


def _rules_call(step: StepContext, found: Rules, wanted: list[Rule]) -> Callable[[], None] | None:
    """The next call towards the wanted rules: remove those before the common tail, then add the missing ones."""
    if found.rules == wanted:
        return None
    common = _common_end(found.rules, wanted)
    if common < len(found.rules):
        call = partial(firewall.remove_first, step.proxmox, step.node, step.vmid, found.digest)
        return partial(_record_refusal, step, "firewall", call)
    return partial(_put_first, step, wanted[-common - 1])


def _common_end(one: list[Rule], other: list[Rule]) -> int:
    same = 0
    while same < min(len(one), len(other)) and one[-same - 1] == other[-same - 1]:
        same += 1
    return same


def _put_first(step: StepContext, rule: Rule) -> None:
    """Add one rule. A rule that Proxmox refuses (its alias may be gone) is skipped, the others go on."""
    at = next(
        at for at, one in enumerate(step.operation.data["firewall"]["rules"])
        if one == rule and not is_skipped(step, f"rule {at}")
    )  # fmt: skip
    _record_refusal(step, f"rule {at}", partial(firewall.put_first, step.proxmox, step.node, step.vmid, rule))


def _record_refusal(step: StepContext, what: str, call: Callable[[], None]) -> None:
    try:
        call()
    except ProxmoxRefused as error:
        if may_succeed_later(error):
            raise
        skip(step, "firewall" if isinstance(error, ProxmoxDenied) else what, FIREWALL, error)
