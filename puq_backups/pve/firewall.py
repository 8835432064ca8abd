"""Firewall options and rules of a VM. None of these calls starts a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import paths
from .client import Proxmox

Rule = dict[str, str]
RULE = (
    "type", "action", "enable", "macro", "source", "dest", "proto", "sport", "dport", "icmp-type", "iface", "log",
    "comment",
)  # fmt: skip
"""The fields of a rule that can be set; Proxmox's answers hold more."""


@dataclass(frozen=True)
class Rules:
    """The rules in their order, and the digest that guards against concurrent changes."""

    rules: list[Rule]
    digest: str | None = None


def options(proxmox: Proxmox, node: str, vmid: int) -> dict[str, str]:
    """Read the options that are set. Needs VM.Audit."""
    found = proxmox.get_dict(*_of(node, vmid), "options")
    return {name: str(value) for name, value in found.items() if name != "digest"}


def set_options(
    proxmox: Proxmox, node: str, vmid: int, changes: Mapping[str, str], *, delete: Sequence[str] = ()
) -> None:
    """Set options and delete others. Needs VM.Config.Network."""
    proxmox.put(*_of(node, vmid), "options", **changes, delete=list(delete) or None)


def rules(proxmox: Proxmox, node: str, vmid: int) -> Rules:
    """Read the rules. Needs VM.Audit."""
    rows = sorted(proxmox.get_list(*_of(node, vmid), "rules"), key=lambda row: int(row.get("pos") or 0))
    return Rules([_rule(row) for row in rows], next((str(row["digest"]) for row in rows if "digest" in row), None))


def _rule(row: Mapping[str, Any]) -> Rule:
    rule = {name: str(row[name]).strip() for name in RULE if row.get(name) not in (None, "")}
    # A missing `enable` means 0 when reading and when writing.
    return {**rule, "enable": rule.get("enable", "0")}


def put_first(proxmox: Proxmox, node: str, vmid: int, rule: Rule) -> None:
    """Add a rule at the top, where Proxmox inserts new rules. Needs VM.Config.Network."""
    proxmox.post(*_of(node, vmid), "rules", **rule)


def remove_first(proxmox: Proxmox, node: str, vmid: int, digest: str | None) -> None:
    """Remove the first rule; refused if the rules no longer match `digest`. Needs VM.Config.Network."""
    proxmox.delete(*_of(node, vmid), "rules", paths.position(0), digest=digest)


def _of(node: str, vmid: int) -> tuple[str, ...]:
    return "nodes", paths.node(node), "qemu", paths.vmid(vmid), "firewall"
