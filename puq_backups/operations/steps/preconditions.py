"""Preconditions of a reinstallation, checked before the VM is destroyed: template, privileges, networks, space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...i18n.translator import N_
from ...pve import permissions, vms
from ...rules.package import Package
from ..step import GiveUp, StepContext
from . import networks, placement
from .common import require_unlocked
from .placement import ReinstallFacts

VM_PRIVILEGES = (
    "VM.Allocate", "VM.Audit", "VM.PowerMgmt", "VM.Config.CPU", "VM.Config.Memory", "VM.Config.Disk",
    "VM.Config.Network", "VM.Config.Options", "VM.Config.Cloudinit",
)  # fmt: skip


def check_all(
    step: StepContext, package: Package, before: dict[str, Any], present: dict[str, Any] | None, pool: str | None
) -> str | None:  # fmt: skip
    """Check all preconditions; raises GiveUp for the first that fails.

    Returns the storage for the new disks; None: each goes to the storage of the template's disk.
    """
    template, node = find_template(step, package)
    original = vms.config(step.proxmox, node, template)
    require_unlocked(original)
    if vms.boot_disk(original) is None:
        raise _refused(
            N_("The template {template} has no system disk. The provider has to look at it."), template=template
        )
    facts = ReinstallFacts(step, package, before, present, pool, template, node, original)
    for paths, privileges in _required_privileges(facts):
        require_privileges(step, paths, privileges)
    return _storage(facts)


def require_privileges(step: StepContext, paths: Sequence[str], privileges: Sequence[str]) -> None:
    """Raise GiveUp if the token lacks one of the privileges on all of these paths."""
    for privilege in permissions.missing_privileges(step.proxmox, paths, privileges):
        raise _refused(placement.LACKS, privilege=privilege, path=paths[0])


def _refused(text: str, **values: Any) -> GiveUp:
    return GiveUp(text, state="refused", **values)


def find_template(step: StepContext, package: Package, *, state: str = "refused") -> tuple[int, str]:
    """The VMID of the package's template and its current node; raises GiveUp with `state` if there is none."""
    if not package.template:
        raise GiveUp("Reinstalling is not set up here. Please ask the provider's support.", state=state)
    place = vms.locate(step.proxmox).get(package.template)
    if place is None or not place.template or package.template == step.vmid:
        text = N_("The template {template} is not there. The provider has to look at it.")
        raise GiveUp(text, state=state, template=package.template)
    return package.template, place.node


def _required_privileges(facts: ReinstallFacts) -> Iterator[tuple[tuple[str, ...], Sequence[str]]]:
    """Pairs of paths and privileges: the token needs each privilege on one of the paths."""
    yield ("/vms", *([f"/pool/{facts.pool}"] if facts.pool else [])), VM_PRIVILEGES
    yield (f"/vms/{facts.template}",), ("VM.Clone",)
    yield from _networks(facts)


def _networks(facts: ReinstallFacts) -> Iterator[tuple[tuple[str, ...], Sequence[str]]]:
    """The SDN paths of the networks of VM and template; raises GiveUp if a bridge is missing."""
    there = networks.bridges(facts.step.proxmox, facts.step.node)
    wanted = networks.wanted_cards(facts.package, facts.before)
    if missing := networks.missing_bridge(there, wanted):
        raise _refused(networks.NO_BRIDGE, bridge=missing, node=facts.step.node)
    cards = wanted, networks.cards(facts.before), networks.cards(facts.original)
    yield from ((paths, ("SDN.Use",)) for paths in networks.sdn_paths(there, *cards))


def _storage(facts: ReinstallFacts) -> str | None:
    storage, reason = placement.choose_storage(facts)
    if reason is not None:
        raise _refused(reason.text, **reason.values)
    return storage
