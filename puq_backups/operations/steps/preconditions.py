"""Proof, before a VM is destroyed, that it can be made again from its template: template, rights, networks, room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...pve import networks, permissions, vms
from ...rules.package import Package
from ..step import GiveUp, Work
from . import placement
from .common import unlocked
from .placement import Site

OF_VMS = (
    "VM.Allocate", "VM.Audit", "VM.PowerMgmt", "VM.Config.CPU", "VM.Config.Memory", "VM.Config.Disk",
    "VM.Config.Network", "VM.Config.Options", "VM.Config.Cloudinit",
)  # fmt: skip
ZONE = "/sdn/zones/localnetwork"


def prove(
    work: Work, package: Package, before: dict[str, Any], present: dict[str, Any] | None, pool: str | None
) -> str | None:  # fmt: skip
    """The storage that takes the new disks (None: each goes where the template's is). GiveUp says what is amiss."""
    template, node = find_template(work, package)
    original = vms.config(work.proxmox, node, template)
    unlocked(original)
    if vms.boot_disk(original) is None:
        raise _no("The template {template} has no system disk. The provider has to look at it.", template=template)
    site = Site(work, package, before, present, pool, template, node, original)
    for paths, privileges in _needed(site):
        demand(work, paths, privileges)
    return _storage(site)


def demand(work: Work, paths: Sequence[str], privileges: Sequence[str]) -> None:
    """GiveUp where the token has one of these privileges on none of these paths."""
    for privilege in permissions.missing_privileges(work.proxmox, paths, privileges):
        raise _no(placement.LACKS, privilege=privilege, path=paths[0])


def _no(text: str, **values: Any) -> GiveUp:
    return GiveUp(text, state="refused", **values)


def find_template(work: Work, package: Package, *, state: str = "refused") -> tuple[int, str]:
    """The package's template and the node where it is now; GiveUp, with that state, where there is none."""
    if not package.template:
        raise GiveUp("Reinstalling is not set up here. Please ask the provider's support.", state=state)
    place = vms.locate(work.proxmox).get(package.template)
    if place is None or not place.template or package.template == work.vmid:
        text = "The template {template} is not there. The provider has to look at it."
        raise GiveUp(text, state=state, template=package.template)
    return package.template, place.node


def _needed(site: Site) -> Iterator[tuple[tuple[str, ...], Sequence[str]]]:
    """Paths, on one of which the token must have each of the privileges beside them."""
    yield ("/vms", *([f"/pool/{site.pool}"] if site.pool else [])), OF_VMS
    yield (f"/vms/{site.template}",), ("VM.Clone",)
    yield from _networks(site)


def _networks(site: Site) -> Iterator[tuple[tuple[str, ...], Sequence[str]]]:
    """The networks of the VM's cards; the template's are asked about by Proxmox too."""
    there = networks.bridges(site.work.proxmox, site.work.node)
    wanted = {key: net.options for key, net in _cards(site.before)}
    if site.package.bridge:
        wanted["net0"] = {"bridge": site.package.bridge, "tag": str(site.package.vlan or "")}
    for card in wanted.values():
        if card.get("bridge", "") not in {"", *there}:
            raise _no(
                "The bridge {bridge} is not on node {node}, or the token may not use it. The provider has to look "
                "at it.",
                bridge=card["bridge"], node=site.work.node,
            )  # fmt: skip
    cards = [*wanted.values(), *(net.options for _, net in (*_cards(site.before), *_cards(site.original)))]
    for bridge, tag in {(card["bridge"], card.get("tag", "")) for card in cards if card.get("bridge")}:
        if there.get(bridge) != "vnet":
            yield (f"{ZONE}/{bridge}", *([f"{ZONE}/{bridge}/{tag}"] if tag else [])), ("SDN.Use",)


def _cards(config: dict[str, Any]) -> list[tuple[str, vms.Net]]:
    return [(key, vms.parse_net(str(config[key]))) for key in config if key.startswith("net") and key[3:].isdigit()]


def _storage(site: Site) -> str | None:
    storage, reason = placement.storage(site)
    if reason is not None:
        raise _no(reason.text, **reason.values)
    return storage
