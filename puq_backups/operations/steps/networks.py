"""The bridges that a VM will use: whether its node has them, and the privileges that they need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...i18n.translator import N_
from ...pve import networks, vms
from ...pve.client import Proxmox
from ...rules.package import Package

ZONE = "/sdn/zones/localnetwork"
NO_BRIDGE = N_(
    "The bridge {bridge} is not on node {node}, or the token may not use it. The provider has to look at it."
)


def cards(config: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The options of the network cards, by `netN`."""
    found = [key for key in config if key.startswith("net") and key[3:].isdigit()]
    return {key: vms.parse_net(str(config[key])).options for key in found}


def wanted_cards(package: Package, before: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The network cards after a restore or reinstallation: those from before, the first one as the package says."""
    found = cards(before)
    if package.bridge:
        tag = str(package.vlan or "") if package.vlan is not None else found.get("net0", {}).get("tag", "")
        found["net0"] = {"bridge": package.bridge, "tag": tag}
    return found


def missing_bridge(there: Mapping[str, str], wanted: Mapping[str, Mapping[str, str]]) -> str | None:
    """The first wanted bridge that the node's `networks.bridges` lack, or None."""
    return next((name for card in wanted.values() if (name := card.get("bridge", "")) not in {"", *there}), None)


def bridges(proxmox: Proxmox, node: str) -> dict[str, str]:
    """The bridges and virtual networks of a node that the token may see."""
    return networks.bridges(proxmox, node)


def sdn_paths(there: Mapping[str, str], *configs: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, ...]]:
    """Groups of paths: the token needs SDN.Use on one path of each. Virtual networks are left out."""
    used = {
        (card["bridge"], card.get("tag", "")) for cards in configs for card in cards.values() if card.get("bridge")
    }
    for bridge, tag in sorted(used):
        if there.get(bridge) != "vnet":
            yield f"{ZONE}/{bridge}", *([f"{ZONE}/{bridge}/{tag}"] if tag else [])
