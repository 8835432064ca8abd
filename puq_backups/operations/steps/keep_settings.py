"""Stores the settings that a restore or reinstallation would revert, and puts them back.

The operation's `data` holds the VM's configuration as `before`, its firewall as `firewall`, and, for a
reinstallation, its pool and HA entry as `made_again`. Options that only came with the backup or the template are
dropped. Settings that Proxmox refuses to put back become warnings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ...errors import ProxmoxRefused
from ...i18n.translator import N_
from ...models import Operation
from ...pve import vms
from ...rules import vm_options
from ...rules.package import Package
from ..errors import may_succeed_later
from ..step import GiveUp, GoTo, Outcome, RepeatStep, Start, StepContext
from . import disks, firewall
from .common import own_config
from .refused import is_skipped, skip

PROTECTION = N_("The protection against changes could not be put back: {proxmox}")


def keep(step: StepContext, config: dict[str, Any], failed: Operation | None = None) -> None:
    """Store the VM's settings in the operation, before anything is changed.

    After a failed restore the VM has lost them: those stored by the failed operation are copied.
    """
    if failed is not None and failed.data.get("before"):
        handed_on = {name: failed.data.get(name) for name in ("before", "firewall", "made_again")}
        step.operation.store(**handed_on, added=_added_disks(config, failed))
        return
    step.operation.store(before=config, firewall=firewall.read(step))


def _added_disks(config: dict[str, Any], failed: Operation) -> dict[str, str]:
    """The disks that failed attempts added for the package, by slot; they are attached again instead of another one.

    Disks of the backup that the last attempt restored are none of them.
    """
    known = {*vms.disks(failed.data["before"]), *failed.data.get("preflight", {}).get("sizes", {})}
    found = {slot: drive.format() for slot, drive in vms.disks(config).items() if slot not in known}
    return {**(failed.data.get("added") or {}), **found}


def restore_options(before: dict[str, Any], package: Package) -> dict[str, Any]:
    """The kept options that are sent with the restore call, so that the VM never lacks them."""
    sent = [group for group, facts in vm_options.GROUPS.items() if facts.sent]
    return {key: value for group in sent for key, value in vm_options.kept(before, package, group).items()}


def lift_protection(step: StepContext) -> Outcome:
    """Remove the VM's protection, because Proxmox restores over no protected VM."""
    config = own_config(step)
    if not _protected(config):
        return None
    return set_or_refused(step, config, {"protection": 0}, "lift the protection", _lift_refused)


def _lift_refused(step: StepContext, reason: object) -> None:
    text = N_("The protection of the virtual machine {vmid} could not be lifted: {proxmox}")
    raise GiveUp(text, state="refused", vmid=step.vmid, proxmox=reason)


def put_back_protection(step: StepContext) -> Outcome:
    """Set the VM's protection as it was before the operation."""
    config, wanted = own_config(step), _protected(step.operation.data["before"])
    if _protected(config) == wanted or is_skipped(step, "protection"):
        return None
    changes = {"protection": int(wanted)}
    return set_or_refused(step, config, changes, "put back the protection", _protection_left)


def _protection_left(step: StepContext, reason: object) -> None:
    skip(step, "protection", PROTECTION, reason)


def _protected(config: dict[str, Any]) -> bool:
    return str(config.get("protection") or 0) == "1"


def put_back_settings(step: StepContext) -> Outcome:
    """Put the kept options back where they differ, group by group, and drop those that came with the backup."""
    config, data = own_config(step), step.operation.data
    package = Package.from_json(data["package"])
    for group in vm_options.GROUPS:
        if group == "boot" and step.operation.kind == "reinstall":
            # The template's disks are not the old VM's.
            continue
        changes, dropped = _differences(config, data["before"], package, group)
        if not (changes or dropped) or is_skipped(step, group):
            continue
        if step.task_result is not None and step.task_result.ok and data.get("putting") == group:
            # Proxmox may store a value in another form than it was given, so it is not set twice.
            skip(step, group)
            continue
        step.operation.store(putting=group)
        return set_or_refused(step, config, changes, f"put back {group}", _group_left, dropped)
    return None


def _differences(
    config: dict[str, Any], before: dict[str, Any], package: Package, group: str
) -> tuple[dict[str, Any], list[str]]:
    """The options of a group to change and to drop."""
    package_sets = vm_options.set_by_package(package)
    now_it_is, wanted = vm_options.group_options(config, group), vm_options.kept(before, package, group)
    if group == "boot" and not (wanted and vm_options.bootable(wanted, config)):
        return {}, []
    raw = {key: before[key] if str(before.get(key)).strip() == value else value for key, value in wanted.items()}
    changes = {key: value for key, value in raw.items() if now_it_is.get(key) != wanted[key]}
    return changes, [key for key in now_it_is if key not in wanted and key not in package_sets]


def _group_left(step: StepContext, reason: object) -> None:
    group = step.operation.data["putting"]
    skip(step, group, vm_options.GROUPS[group].refusal, reason)


def set_or_refused(
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
    "put_back_protection": N_("Finishing the restore"),
}
