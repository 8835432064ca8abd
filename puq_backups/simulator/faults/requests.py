"""Faults of requests and tasks: what waits for a request or a task and changes its outcome."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

from ..answers import ConnectionCut, Garbage, Refusal, Transport, bad_parameters
from ..world.fault import Fault
from ..world.state import Undo, World
from .registry import BadControl, Step, control, known, perform

OF_REQUESTS = ("refuse", "drop", "gateway-timeout", "delay", "hold", "garbage", "meanwhile")
ABOUT_REQUESTS: dict[str, type] = {"method": str, "path": str, "token": str, "nth": int, "label": str}
ABOUT_TASKS: dict[str, type] = {"type": str, "vmid": int, "nth": int, "label": str}
TIMES: dict[str, type] = {"times": int}
PROXY_STATUS = 590
UNAUTHORIZED = 401


def request_faults(world: World, method: str, path: str, token: str | None) -> list[Fault]:
    """The faults that this request meets, each counted."""
    found = [one for one in world.faults if one.name in OF_REQUESTS and one.matches_request(method, path, token)]
    for one in found:
        if one.name != "hold":
            one.take(world.faults)
    return found


def before(world: World, faults: list[Fault]) -> None:
    """What faults do before a request has any effect."""
    for fault in faults:
        if fault.name == "delay":
            world.wait_for(lambda: False, world.as_told(float(fault.args["seconds"])))
        if fault.name == "hold":
            fault.met += 1
            world.poke()
            world.wait_for(partial(_released, world, fault), None)
        if fault.name == "meanwhile":
            # What it is about may be gone by then.
            with suppress(BadControl):
                perform(world, fault.args["step"])
        if fault.name == "refuse":
            _refuse(fault.args)
        if fault.name == "garbage":
            raise Garbage("<!DOCTYPE html><title>Maintenance</title>")
        if fault.name == "drop" and fault.args.get("when", "before") == "before":
            raise ConnectionCut


def _released(world: World, fault: Fault) -> bool:
    return fault not in world.faults


def _refuse(args: dict[str, Any]) -> None:
    status = int(args.get("status", 500))
    if args.get("errors"):
        raise bad_parameters({str(key): str(text) for key, text in args["errors"].items()})
    if status >= PROXY_STATUS or status == UNAUTHORIZED:
        raise Transport(status, str(args.get("reason", "Connection refused")))
    raise Refusal(status, str(args.get("reason", "simulated refusal")))


def after(faults: list[Fault]) -> None:
    """What faults do once the request has had its effect: the client does not learn of it."""
    for fault in faults:
        if fault.name == "drop" and fault.args.get("when") == "after":
            raise ConnectionCut
        if fault.name == "gateway-timeout":
            raise Transport(596, str(fault.args.get("reason", "Connection timed out")))


@control("refuse", may={**ABOUT_REQUESTS, **TIMES, "status": int, "reason": str, "errors": dict})
@control("drop", may={**ABOUT_REQUESTS, **TIMES, "when": str})
@control("gateway-timeout", may={**ABOUT_REQUESTS, **TIMES, "reason": str})
@control("delay", needs={"seconds": float}, may={**ABOUT_REQUESTS, **TIMES})
@control("hold", may={**ABOUT_REQUESTS, **TIMES})
@control("garbage", may={**ABOUT_REQUESTS, **TIMES})
@control("meanwhile", needs={"step": dict}, may={**ABOUT_REQUESTS, **TIMES})
@control("task-fails", may={**ABOUT_TASKS, **TIMES, "text": str})
@control("task-warnings", may={**ABOUT_TASKS, **TIMES, "text": str, "count": int})
@control("task-unexpected", may={**ABOUT_TASKS, **TIMES})
@control("hold-task", may={**ABOUT_TASKS, **TIMES})
def _add_fault(world: World, step: Step) -> Undo:
    args = {key: value for key, value in step.items() if key not in ("control", "do", "times", "label")}
    default: int | None = None if step["control"] in ("hold", "hold-task") else 1
    fault = Fault(step["control"], args, step.get("times", default))
    if step["control"] == "task-fails":
        fault.args.setdefault("text", "simulated failure")
    if step.get("when", "before") not in ("before", "after"):
        raise BadControl("The argument 'when' of 'drop' must be before or after.")
    if "label" in step:
        fault.label = str(step["label"])
    if step["control"] == "meanwhile":
        known(step["step"])
    world.faults.append(fault)
    return partial(_remove_fault, world, fault)


def _remove_fault(world: World, fault: Fault) -> None:
    world.faults = [one for one in world.faults if one is not fault]


@control("release", may={"of": str, "label": str})
def _release(world: World, step: Step) -> None:
    """End faults: all that wait, or those of one name or label."""
    world.faults = [
        one
        for one in world.faults
        if step.get("of") not in (None, one.name) or step.get("label") not in (None, one.label)
    ]
