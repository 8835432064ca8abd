"""What a restore or a reinstallation reverts: kept just before, and put back, or told where rights do not reach.

An operation keeps the VM's configuration as `before`, its firewall as `firewall`, and its pool and HA entry, where it
is destroyed, as `made_again` among its data. What was not there before but came with the backup or the template is
dropped again.
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
from ..errors import passes
from ..step import GiveUp, Hop, LookAgain, Outcome, Start, Work
from . import disks, firewall
from .common import unlocked
from .refused import is_left, leave

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
"""What is put back together, since one privilege allows it; and what is said where it cannot be."""
PROTECTION = N_("The protection against changes could not be put back: {proxmox}")


def keep(work: Work, config: dict[str, Any], failed: Operation | None = None) -> None:
    """Keep what the VM is like, before anything is touched.

    After a failed restore the VM has lost all that: what the first operation kept stands.
    """
    if failed is not None and failed.data.get("before"):
        handed_on = {name: failed.data.get(name) for name in ("before", "firewall", "made_again")}
        work.operation.store(**handed_on)
        return
    work.operation.store(before=config, firewall=firewall.read(work))


def settings(config: dict[str, Any], group: str) -> dict[str, str]:
    """The options of a group."""
    pattern = GROUPS[group][0]
    return {key: str(value).strip() for key, value in config.items() if pattern.fullmatch(key)}


def beforehand(before: dict[str, Any]) -> dict[str, Any]:
    """The kept options that go with a restore, so that the VM is never without them."""
    return {key: value for key, value in before.items() if any(group.fullmatch(key) for group, _ in GROUPS.values())}


def lift_protection(work: Work) -> Outcome:
    """Take the protection against changes away: Proxmox restores over no VM that has it."""
    config = _config(work)
    if not _protected(config):
        return None
    return _setting(work, config, {"protection": 0}, "lift the protection", _not_lifted)


def _not_lifted(work: Work, reason: object) -> None:
    text = "The protection of the virtual machine {vmid} could not be lifted: {proxmox}"
    raise GiveUp(text, state="refused", vmid=work.vmid, proxmox=reason)


def put_back_protection(work: Work) -> Outcome:
    """Protect the VM again as it was; one that only the backup protected is no longer."""
    config, wanted = _config(work), _protected(work.operation.data["before"])
    if _protected(config) == wanted or is_left(work, "protection"):
        return None
    changes = {"protection": int(wanted)}
    return _setting(work, config, changes, "put back the protection", _protection_left)


def _protection_left(work: Work, reason: object) -> None:
    leave(work, "protection", PROTECTION, reason)


def _protected(config: dict[str, Any]) -> bool:
    return str(config.get("protection") or 0) == "1"


def put_back_settings(work: Work) -> Outcome:
    """Put name, description, agent, start at boot, tags, addresses and further cards back, where different."""
    config, before = _config(work), work.operation.data["before"]
    for group in GROUPS:
        now_it_is, wanted = settings(config, group), settings(before, group)
        if now_it_is == wanted or is_left(work, group):
            continue
        if work.ended is not None and work.ended.ok and work.operation.data.get("putting") == group:
            # Proxmox writes a value otherwise than it was given: once is enough.
            leave(work, group)
            continue
        work.operation.store(putting=group)
        changes = {key: before[key] for key, value in wanted.items() if now_it_is.get(key) != value}
        dropped = [key for key in now_it_is if key not in wanted]
        return _setting(work, config, changes, f"put back {group}", _group_left, dropped)
    return None


def _group_left(work: Work, reason: object) -> None:
    group = work.operation.data["putting"]
    leave(work, group, GROUPS[group][1], reason)


def _config(work: Work) -> dict[str, Any]:
    config = vms.config(work.proxmox, work.node, work.vmid)
    unlocked(config)
    return config


def _setting(
    work: Work, config: dict[str, Any], changes: dict[str, Any], what: str, refused: Callable[[Work, object], None],
    dropped: Sequence[str] = (),
) -> Start | Hop | None:  # fmt: skip
    """Change options; where Proxmox refuses, `refused` says what becomes of it, and the step looks again."""
    if work.ended is not None and work.ended.ok is False:
        refused(work, work.ended.reason)
        return Hop(work.operation.step)
    start = disks.change(work, config, changes, what, dropped)
    return replace(start, call=lambda: _or_refused(work, start.call, refused), tolerate=True) if start else None


def _or_refused(work: Work, call: Callable[[], Any], refused: Callable[[Work, object], None]) -> Any:
    try:
        return call()
    except ProxmoxRefused as error:
        if passes(error):
            raise
        refused(work, error)
        raise LookAgain from error


LABELS: dict[str, str] = {
    "lift_protection": N_("Lifting the protection against changes"),
    "put_back_settings": N_("Putting name, options and addresses back"),
    "put_back_firewall": N_("Putting the firewall back"),
    "put_back_protection": N_("Putting the protection against changes back"),
}
