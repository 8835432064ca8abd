"""Tasks by the API: lists, status, log, stop."""

from __future__ import annotations

from typing import Any

from ..answers import bad_parameters, forbidden
from ..http.router import Call, route
from ..schema.formats import split_list
from ..world import access, workers
from ..world.model import Caller
from ..world.state import World
from ..world.task import UPID, Task

KINDS = ("ok", "error", "warning", "unknown")
KEPT_PER_NODE = 25


def _owned(caller: Caller, task: Task) -> bool:
    """A token owns what it started; a user also what his tokens started."""
    return task.caller.id == caller.id or (caller.token is None and task.caller.user == caller.user)


def _found(call: Call) -> Task:
    """The task that the path names, if the caller may see it."""
    task = _parsed(call)
    if task is None or task.lost:
        raise bad_parameters({"upid": "no such task"})
    return task


def _parsed(call: Call) -> Task | None:
    upid = str(call.params["upid"])
    if not (found := UPID.fullmatch(upid)):
        raise bad_parameters({"upid": "unable to parse worker upid"})
    task = call.world.tasks.get(upid)
    owner = found[7]
    mine = owner == call.caller.id or (call.caller.token is None and owner.split("!")[0] == call.caller.user)
    if not mine and not access.may(call.world, call.caller, f"/nodes/{call.node}", "Sys.Audit"):
        raise forbidden(f"/nodes/{call.node}", "Sys.Audit")
    return task


def described(task: Task) -> dict[str, Any]:
    """A task's fields: the owner without its token, the token beside it."""
    found: dict[str, Any] = {
        "upid": task.upid,
        "node": task.node,
        "pid": task.pid,
        "pstart": task.pstart,
        "starttime": task.starttime,
        "type": task.type,
        "id": task.id,
        "user": task.caller.user,
    }
    if task.caller.token:
        found["tokenid"] = task.caller.token
    return found


def _listed(task: Task) -> dict[str, Any]:
    found = described(task)
    if task.running:
        found.pop("tokenid", None)
        return found | {"user": task.caller.id, "status": "RUNNING", "saved": "0"}
    return found | {"status": task.exitstatus, "endtime": task.endtime}


def kind_of(exitstatus: str | None) -> str:
    """The word by which statusfilter knows an exit status; a task that runs is unknown."""
    if exitstatus is None:
        return "unknown"
    if exitstatus == "OK":
        return "ok"
    if exitstatus.startswith("WARNINGS: "):
        return "warning"
    return "unknown" if exitstatus == "unexpected status" else "error"


def _listed_for(caller: Caller, task: Task) -> bool:
    """While a task runs, its list entry bears the whole token id: a user does not see those of his tokens."""
    return task.caller.id == caller.id if task.running else _owned(caller, task)


def _visible(call: Call) -> list[Task]:
    """Running ones first, then ended ones, newest first."""
    world = call.world
    everything = access.may(world, call.caller, f"/nodes/{call.node}", "Sys.Audit")
    found = [
        task
        for task in world.tasks.values()
        if task.node == call.node and not task.lost and (everything or _listed_for(call.caller, task))
    ]
    return sorted(found, key=lambda task: (not task.running, -task.starttime, -task.order))


def _wanted(call: Call, task: Task) -> bool:
    params = call.params
    source = params.get("source", "archive")
    if source == "active" and not (task.running or _just_ended(call.world, task)):
        return False
    if source == "archive" and task.running:
        return False
    if params.get("typefilter") and params["typefilter"] != task.type:
        return False
    if "vmid" in params and str(params["vmid"]) != task.id:
        return False
    shown = task.caller.id if task.running else task.caller.user
    if params.get("userfilter") and str(params["userfilter"]).lower() not in shown.lower():
        return False
    if task.starttime < params.get("since", 0) or task.starttime > params.get("until", task.starttime):
        return False
    return _status_wanted(params, task)


def _just_ended(world: World, task: Task) -> bool:
    return task.endtime is not None and world.now() - task.endtime < world.active_lag


def _status_wanted(params: dict[str, Any], task: Task) -> bool:
    """`errors` leaves out what ended OK, and then `statusfilter` does not count."""
    kind = kind_of(task.exitstatus)
    if params.get("errors"):
        return kind != "ok"
    return kind in (split_list(str(params["statusfilter"]).lower()) if "statusfilter" in params else KINDS)


@route("GET", "/nodes/{node}/tasks", protected=False)
def task_list(call: Call) -> Any:
    """The tasks of a node that the caller may see."""
    found = [_listed(task) for task in _visible(call) if _wanted(call, task)]
    start, limit = call.params.get("start", 0), call.params.get("limit", 50)
    call.total = len(found)
    return found[start : start + limit]


@route("GET", "/nodes/{node}/tasks/{upid}", protected=False)
def task_index(_call: Call) -> Any:
    """What lies below a task."""
    return [{"name": "log"}, {"name": "status"}]


@route("GET", "/nodes/{node}/tasks/{upid}/status")
def status(call: Call) -> Any:
    """Whether a task runs, or how it ended."""
    task = _found(call)
    found = described(task) | {"status": "running" if task.running else "stopped"}
    return found if task.running else found | {"exitstatus": task.exitstatus}


@route("GET", "/nodes/{node}/tasks/{upid}/log")
def log(call: Call) -> Any:
    """A task's log, line by line."""
    task = _parsed(call)
    if task is None or task.lost:
        line = {"n": 1, "t": "unable to open file - No such file or directory"}
        return [line] if call.world.is_9 else line
    lines = task.lines or ["no content"]
    start, limit = call.params.get("start", 0), call.params.get("limit", 50)
    call.total = len(lines)
    shown = lines[start : start + limit] if limit else lines[start:]
    return [{"n": number, "t": text} for number, text in enumerate(shown, start + 1)]


@route("DELETE", "/nodes/{node}/tasks/{upid}")
def stop(call: Call) -> Any:
    """Tell a task to end. Its owner may, else Sys.Modify is needed."""
    upid = str(call.params["upid"])
    if not UPID.fullmatch(upid):
        raise bad_parameters({"upid": "unable to parse worker upid"})
    task = call.world.tasks.get(upid)
    if task is None or task.lost:
        raise bad_parameters({"upid": "no such task"})
    if not _owned(call.caller, task):
        access.demand(call.world, call.caller, f"/nodes/{call.node}", "Sys.Modify")
    workers.stop(call.world, task)


@route("GET", "/cluster/tasks", protected=False)
def cluster_tasks(call: Call) -> Any:
    """Recent tasks of all nodes: running ones and 25 ended ones per node. Tokens see none of their own here."""
    world = call.world
    everything = access.may(world, call.caller, "/", "Sys.Audit")
    found = []
    for name in world.nodes:
        here = [task for task in world.tasks.values() if task.node == name and not task.lost]
        here.sort(key=lambda task: (task.starttime, task.order), reverse=True)
        ended = [task for task in here if not task.running][:KEPT_PER_NODE]
        shown = [task for task in here if task.running] + ended
        found += [_broadcast(world, task) for task in shown if everything or task.caller.id == call.caller.user]
    return sorted(found, key=lambda item: -int(item["starttime"]))


def _broadcast(world: World, task: Task) -> dict[str, Any]:
    """The entry that was broadcast: a number where it is fresh, text once it was read from the list again."""
    found = described(task)
    for key in ("pid", "pstart"):
        del found[key]
    if task.running:
        found.pop("tokenid", None)
        return found | {"user": task.caller.id, "saved": "0"}
    fresh = world.last_task_event == task.upid
    return found | {"status": task.exitstatus, "endtime": task.endtime, "saved": 1 if fresh else "1"}
