"""The firewall of a VM, as far as keeping its options and rules goes: it is lost when the VM is destroyed."""

from __future__ import annotations

import hashlib
from typing import Any

from ..answers import bad_parameters, failed
from ..http.router import Call, needs, route
from ..schema.formats import split_list

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


MODIFIED = "detected modified configuration - file changed by other user? Try again."


def digest(*objects: dict[str, Any]) -> str:
    """SHA-1 of firewall settings, as Proxmox writes them for it."""
    text = "".join(f"{key}:{one[key]}\n" for one in objects for key in sorted(one))
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _refuse_modified(call: Call, *objects: dict[str, Any]) -> None:
    if call.params.get("digest") not in (None, "", digest(*objects)):
        raise failed(MODIFIED)


def _options(call: Call) -> dict[str, Any]:
    """The options of a VM. They are a file of its own: nobody looks whether there is a VM."""
    guest = call.world.guests.get(call.vmid)
    return guest.firewall_options if guest is not None else {}


def _rules(call: Call) -> list[dict[str, Any]]:
    guest = call.world.guests.get(call.vmid)
    return guest.firewall_rules if guest is not None else []


@route("GET", f"{PATH}/options", READ, protected=False)
def options(call: Call) -> Any:
    """The firewall's options."""
    found = _options(call)
    return {**found, "digest": digest(found)}


@route("PUT", f"{PATH}/options", WRITE)
def set_options(call: Call) -> Any:
    """Change the firewall's options."""
    found = _options(call)
    _refuse_modified(call, found)
    gone = split_list(str(call.params.get("delete", "")))
    for key in [key for key in gone if key not in OPTIONS]:
        raise bad_parameters({"delete": f"no such option '{key}'"})
    for key in gone:
        found.pop(key, None)
    found.update({key: call.params[key] for key in OPTIONS if key in call.params})


@route("GET", f"{PATH}/rules", READ, protected=False)
def rules(call: Call) -> Any:
    """The rules in their order."""
    found = _rules(call)
    mark = digest(*found)
    return [{**rule, "pos": position, "digest": mark} for position, rule in enumerate(found)]


@route("POST", f"{PATH}/rules", WRITE)
def add_rule(call: Call) -> Any:
    """Add a rule as the first one, off unless it is said to be on."""
    for key in ("action", "type"):
        if key not in call.params:
            raise bad_parameters({key: "property is missing and it is not optional"})
    given = {key: call.params[key] for key in RULE if key in call.params}
    _rules(call).insert(0, {"enable": 0, **given})


@route("DELETE", f"{PATH}/rules/{{pos}}", WRITE)
def remove_rule(call: Call) -> Any:
    """Remove a rule."""
    found = _rules(call)
    _refuse_modified(call, *found)
    if call.params["pos"] >= len(found):
        raise failed(f"no rule at position {call.params['pos']}")
    del found[call.params["pos"]]


@route("GET", f"{PATH}/ipset", READ, protected=False)
def ip_sets(_call: Call) -> Any:
    """IP sets: there are none."""
    return []


@route("GET", f"{PATH}/aliases", READ, protected=False)
def aliases(_call: Call) -> Any:
    """Aliases: there are none."""
    return []
