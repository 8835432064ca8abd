"""VMs under high availability."""

from __future__ import annotations

from typing import Any

from ..answers import failed
from ..http.router import Call, needs, route
from ..world.model import Guest

HA_STATES = ("started", "stopped", "enabled", "disabled", "ignored")
HA_OPTIONS = ("comment", "failback", "group", "max_relocate", "max_restart")


def _ha_vmid(call: Call) -> int:
    return int(str(call.params["sid"]).removeprefix("vm:"))


def _ha_entry(guest: Guest) -> dict[str, Any]:
    found = {"sid": f"vm:{guest.vmid}", "type": "vm", "state": guest.ha, **guest.ha_options}
    return {**found, "digest": guest.digest()}


@route("GET", "/cluster/ha/resources", needs("/", "Sys.Audit"), protected=False)
def ha_resources(call: Call) -> Any:
    """The VMs under HA."""
    return [_ha_entry(guest) for guest in call.world.guests.values() if guest.ha]


@route("GET", "/cluster/ha/resources/{sid}", needs("/", "Sys.Audit"), protected=False)
def ha_resource(call: Call) -> Any:
    """One VM under HA."""
    guest = call.world.guests.get(_ha_vmid(call))
    if guest is None or not guest.ha:
        raise failed(f"no such resource '{call.params['sid']}'")
    return _ha_entry(guest)


@route("POST", "/cluster/ha/resources", needs("/", "Sys.Console"))
def add_ha_resource(call: Call) -> Any:
    """Put a VM under HA."""
    guest = call.world.guests.get(_ha_vmid(call))
    if guest is None:
        raise failed(f"unable to add resource: VM {_ha_vmid(call)} does not exist")
    if guest.ha:
        raise failed(f"resource ID 'vm:{guest.vmid}' already defined")
    guest.ha = str(call.params.get("state", "started"))
    guest.ha_options = {key: call.params[key] for key in HA_OPTIONS if key in call.params}


@route("DELETE", "/cluster/ha/resources/{sid}", needs("/", "Sys.Console"))
def remove_ha_resource(call: Call) -> Any:
    """Take a VM out of HA."""
    guest = call.world.guests.get(_ha_vmid(call))
    if guest is None or not guest.ha:
        raise failed(f"cannot delete service '{call.params['sid']}', not HA managed!")
    guest.ha, guest.ha_options = None, {}
