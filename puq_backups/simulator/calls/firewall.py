"""The firewall of a VM, as far as keeping its options and rules goes: it is lost when the VM is destroyed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ..answers import bad_parameters, failed
from ..http.router import Call, needs, route

PATH = "/nodes/{node}/qemu/{vmid}/firewall"
OPTIONS = (
    *("enable", "dhcp", "ipfilter", "macfilter", "ndp", "radv"),
    *("policy_in", "policy_out", "log_level_in", "log_level_out"),
)
RULE = (
    *("type", "action", "enable", "comment", "dest", "dport", "icmp-type", "iface", "log", "macro", "proto"),
    *("source", "sport"),
)
READ = needs("/vms/{vmid}", "VM.Audit")
WRITE = needs("/vms/{vmid}", "VM.Config.Network")


def digest(value: Any) -> str:
    """SHA-1 of firewall settings."""
    return hashlib.sha1(json.dumps(value, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


@route("GET", f"{PATH}/options", READ, protected=False)
def options(call: Call) -> Any:
    """The firewall's options."""
    found = call.world.guest(call.vmid, call.node).firewall_options
    return {**found, "digest": digest(found)}


@route("PUT", f"{PATH}/options", WRITE)
def set_options(call: Call) -> Any:
    """Change the firewall's options."""
    guest = call.world.guest(call.vmid, call.node)
    for key in str(call.params.get("delete", "")).split(","):
        guest.firewall_options.pop(key, None)
    guest.firewall_options.update({key: call.params[key] for key in OPTIONS if key in call.params})


@route("GET", f"{PATH}/rules", READ, protected=False)
def rules(call: Call) -> Any:
    """The rules in their order."""
    found = call.world.guest(call.vmid, call.node).firewall_rules
    mark = digest(found)
    return [{**rule, "pos": position, "digest": mark} for position, rule in enumerate(found)]


@route("POST", f"{PATH}/rules", WRITE)
def add_rule(call: Call) -> Any:
    """Add a rule, as the first one unless `pos` says otherwise."""
    for key in ("action", "type"):
        if key not in call.params:
            raise bad_parameters({key: "property is missing and it is not optional"})
    found = call.world.guest(call.vmid, call.node).firewall_rules
    found.insert(call.params.get("pos", 0), {key: call.params[key] for key in RULE if key in call.params})


@route("DELETE", f"{PATH}/rules/{{pos}}", WRITE)
def remove_rule(call: Call) -> Any:
    """Remove a rule."""
    found = call.world.guest(call.vmid, call.node).firewall_rules
    if call.params["pos"] >= len(found):
        raise failed(f"no rule at position {call.params['pos']}")
    del found[call.params["pos"]]


@route("GET", f"{PATH}/ipset", READ, protected=False)
def ip_sets(call: Call) -> Any:
    """IP sets: there are none."""
    call.world.guest(call.vmid, call.node)
    return []


@route("GET", f"{PATH}/aliases", READ, protected=False)
def aliases(call: Call) -> Any:
    """Aliases: there are none."""
    call.world.guest(call.vmid, call.node)
    return []
