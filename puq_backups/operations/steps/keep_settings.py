"""Stores the settings that a restore or reinstallation would revert, and puts them back.

The operation's `data` holds the VM's configuration as `before`, its firewall as `firewall`, and, for a
reinstallation, its pool and HA entry as `made_again`. Options that only came with the backup or the template are
dropped. Settings that Proxmox refuses to put back become warnings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ...errors import ProxmoxRefused
from ...i18n.translator import N_
from ...models import Operation
from ...pve import vms
from ..errors import may_succeed_later
from ..step import GiveUp, GoTo, Outcome, RepeatStep, Start, StepContext
from . import disks, firewall
from .common import require_unlocked
from .refused import is_skipped, skip

GROUPS: dict[str, tuple[re.Pattern[str], str]] = {
    "options": (
        re.compile(r"name|onboot|description|agent"),
        N_("Name, description, agent and start at boot could not all be put back: {proxmox}"),
    ),
    "tags": (
        re.compile(r"tags"),
        N_("The tags could not be put back: {proxmox}"),
    ),
    "addresses": (
        re.compile(r"nameserver|searchdomain|ipconfig\d+"),
        N_("Addresses and name servers could not be put back: {proxmox}"),
    ),
    "cards": (
        re.compile(r"net[1-9]\d*"),
        N_("The further network cards could not be put back: {proxmox}"),
    ),
}
"""Options put back in one call, because the same privilege allows them, and the warning if that is refused."""
PROTECTION = N_("The protection against changes could not be put back: {proxmox}")


def keep(step: StepContext, config: dict[str, Any], failed: Operation | None = None) -> None:
    """Store the VM's settings in the operation, before anything is changed.

    After a failed restore the VM has lost them: those stored by the failed operation are copied.
    """
    if failed is not None and failed.data.get("before"):
        handed_on = {name: failed.data.get(name) for name in ("before", "firewall", "made_again")}
        step.operation.store(**handed_on)
        return
    step.operation.store(before=config, firewall=firewall.read(step))


def group_options(config: dict[str, Any], group: str) -> dict[str, str]:
    """The options of a group in a configuration."""
    pattern = GROUPS[group][0]
    return {key: str(value).strip() for key, value in config.items() if pattern.fullmatch(key)}


def restore_options(before: dict[str, Any]) -> dict[str, Any]:
    """The stored options that are sent with the restore call, so that the VM never lacks them."""
    return {key: value for key, value in before.items() if any(group.fullmatch(key) for group, _ in GROUPS.values())}


def lift_protection(step: StepContext) -> Outcome:
    """Remove the VM's protection, because Proxmox restores over no protected VM."""
    config = _config(step)
    if not _protected(config):
        return None
    return _set_or_refused(step, config, {"protection": 0}, "lift the protection", _lift_refused)


def _lift_refused(step: StepContext, reason: object) -> None:
    text = "The protection of the virtual machine {vmid} could not be lifted: {proxmox}"
    raise GiveUp(text, state="refused", vmid=step.vmid, proxmox=reason)


def put_back_protection(step: StepContext) -> Outcome:
    """Set the VM's protection as it was before the operation."""
    config, wanted = _config(step), _protected(step.operation.data["before"])
    if _protected(config) == wanted or is_skipped(step, "protection"):
        return None
    changes = {"protection": int(wanted)}
    return _set_or_refused(step, config, changes, "put back the protection", _protection_left)


def _protection_left(step: StepContext, reason: object) -> None:
    skip(step, "protection", PROTECTION, reason)


def _protected(config: dict[str, Any]) -> bool:
    return str(config.get("protection") or 0) == "1"


def put_back_settings(step: StepContext) -> Outcome:
    """Put name, description, agent, start at boot, tags, addresses and further cards back where they differ."""
    config, before = _config(step), step.operation.data["before"]
    for group in GROUPS:
        now_it_is, wanted = group_options(config, group), group_options(before, group)
        if now_it_is == wanted or is_skipped(step, group):
            continue
        if step.task_result is not None and step.task_result.ok and step.operation.data.get("putting") == group:
            # Proxmox may store a value in another form than it was given, so it is not set twice.
            skip(step, group)
            continue
        step.operation.store(putting=group)
        changes = {key: before[key] for key, value in wanted.items() if now_it_is.get(key) != value}
        dropped = [key for key in now_it_is if key not in wanted]
        return _set_or_refused(step, config, changes, f"put back {group}", _group_left, dropped)
    return None


def _group_left(step: StepContext, reason: object) -> None:
    group = step.operation.data["putting"]
    skip(step, group, GROUPS[group][1], reason)


def _config(step: StepContext) -> dict[str, Any]:
    config = vms.config(step.proxmox, step.node, step.vmid)
    require_unlocked(config)
    return config


def _set_or_refused(
    step: StepContext, config: dict[str, Any], changes: dict[str, Any], what: str,
    refused: Callable[[StepContext, object], None], dropped: Sequence[str] = (),
) -> Start | GoTo | None:  # fmt: skip
    """Change options. If Proxmox refuses, call `refused` with the reason and run the step again."""
    if step.task_result is not None and step.task_result.ok is False:
        refused(step, step.task_result.reason)
        return GoTo(step.operation.step)
    start = disks.set_options(step, config, changes, what, dropped)
    return replace(start, call=lambda: _or_refused(step, start.call, refused), tolerate=True) if start else None


def _or_refused(step: StepContext, call: Callable[[], Any], refused: Callable[[StepContext, object], None]) -> Any:
    try:
        return call()
    except ProxmoxRefused as error:
        if may_succeed_later(error):
            raise
        refused(step, error)
        raise RepeatStep from error


LABELS: dict[str, str] = {
    "lift_protection": N_("Lifting the protection against changes"),
    "put_back_settings": N_("Putting name, options and addresses back"),
    "put_back_firewall": N_("Putting the firewall back"),
    "put_back_protection": N_("Putting the protection against changes back"),
}
