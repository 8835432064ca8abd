"""The guest agent, as far as asking whether it is there."""

from __future__ import annotations

from typing import Any

from ..answers import failed
from ..http.router import Call, route
from ..world.access import demand_any
from .status import agent_enabled


@route("POST", "/nodes/{node}/qemu/{vmid}/agent/ping")
def ping(call: Call) -> Any:
    """Ask the agent for a sign of life."""
    world = call.world
    wanted = ("VM.GuestAgent.Audit", "VM.GuestAgent.Unrestricted") if world.is_9 else ("VM.Monitor",)
    demand_any(world, call.caller, f"/vms/{call.vmid}", *wanted)
    guest = world.guest(call.vmid, call.node)
    if not guest.running:
        raise failed(f"VM {call.vmid} not running" if world.is_9 else f"VM {call.vmid} is not running")
    if not agent_enabled(guest):
        raise failed("No QEMU guest agent configured")
    if not world.condition("agent-answers", call.vmid):
        raise failed("QEMU guest agent is not running")
    return {"result": {}}
