"""Backups: the call, its checks, and the worker that writes the log of a real vzdump."""

from __future__ import annotations

import re
from typing import Any

from ..answers import Refusal, bad_parameters, failed
from ..http.router import Call, needs_any, route
from ..schema.formats import split_list
from ..world import access, pbs, retention, workers
from ..world.archives import archive_inside, readable_archive
from ..world.locks import VZDUMP_LOCK, set_vzdump_holder
from ..world.state import World
from ..world.storages import activate, configured
from ..world.task import Interrupted, Silent, Task, TaskError
from ..world.volumes import name_parts
from .backup_data import slot_name
from .backup_job import Backup

MINUTE = 60
STOP_SECONDS = 15
"""How long a backup that is told to end is waited for."""
ONLY_ROOT = ("tmpdir", "dumpdir", "script", "job-id")
NEEDS_SYS_MODIFY = ("bwlimit", "ionice", "performance")
DEFAULTS: dict[str, Any] = {
    "all": 0,
    "bwlimit": 0,
    "compress": "0",
    "fleecing": {"enabled": 0},
    "ionice": 7,
    "lockwait": 180,
    "mailnotification": "always",
    "mode": "snapshot",
    "notification-mode": "auto",
    "performance": {"max-workers": 16, "pbs-entries-max": 1_048_576},
    "pigz": 0,
    "quiet": 0,
    "remove": 1,
    "stdexcludes": 1,
    "stop": 0,
    "stopwait": 10,
    "zstd": 1,
}
VARIABLES = ("cluster", "guestname", "node", "vmid")


def check_notes(text: str) -> None:
    """Refuse a notes template with a line feed, an unknown variable or an unknown escape."""
    if "\n" in text:
        raise bad_parameters({"notes-template": "contains a line feed\n"})
    problems = [
        f"escape sequence '\\{found[1]}' at char {found.start()}"
        for found in re.finditer(r"\\(.)", text)
        if found[1] not in "n\\"
    ]
    problems += [
        f"variable '{found[1]}' at char {found.start() + 4}"
        for found in re.finditer(r"\{\{([^\s{}]+)\}\}", text)
        if found[1] not in VARIABLES
    ]
    if problems:
        raise bad_parameters({"notes-template": f"found unknown: {', '.join(problems)}\n"})


@route("POST", "/nodes/{node}/vzdump")
def vzdump(call: Call) -> Any:
    """Back VMs up, as a task. For VMs on other nodes the answer is the word OK, and nothing happens."""
    check_call(call)
    vmids = _included(call)
    here = [vmid for vmid in vmids if _is_ours(call, vmid)]
    if call.params.get("stop"):
        access.demand(call.world, call.caller, f"/nodes/{call.node}", "Sys.Modify")
        _stop_running(call)
    if not here and not (call.params.get("all") and not call.params.get("stop")):
        return "OK"
    if storage := call.params.get("storage"):
        access.demand(call.world, call.caller, f"/storage/{storage}", "Datastore.AllocateSpace")
    subject = str(here[0]) if len(here) == 1 else ""

    elsewhere = sorted(vmid for vmid in vmids if vmid not in here)

    def work(task: Task) -> None:
        _job(call, task, here, elsewhere)

    return call.task("vzdump", subject, work)


def _included(call: Call) -> list[int]:
    """The VMs that are to be backed up, on whichever node."""
    world, params = call.world, call.params
    if params.get("pool"):
        if params["pool"] not in world.pools:
            raise failed(f"pool '{params['pool']}' does not exist")
        return sorted(world.pools[str(params["pool"])])
    if params.get("vmid"):
        return sorted(int(one) for one in split_list(str(params["vmid"])))
    if not _takes_all(params):
        return []
    left_out = {int(one) for one in split_list(str(params.get("exclude", "")))}
    return sorted(vmid for vmid in world.guests if vmid not in left_out)


def _takes_all(params: dict[str, Any]) -> bool:
    return bool(params.get("all") or "exclude" in params)


def _stop_running(call: Call) -> None:
    """Tell the backup that holds the node's lock to end."""
    holder = call.world.tasks.get(call.world.nodes[call.node].vzdump_holder or "")
    if holder is not None and holder.running:
        workers.stop(call.world, holder)
        call.world.wait_for(lambda: not holder.running, STOP_SECONDS)


def _is_ours(call: Call, vmid: int) -> bool:
    """VMs of this node, and those that no node has: these fail in the task."""
    guest = call.world.guests.get(vmid)
    return guest is None or guest.node == call.node


def check_call(call: Call) -> None:
    """What is refused at once, in Proxmox's order."""
    world, params, caller = call.world, call.params, call.caller
    if params.get("stdout"):
        raise bad_parameters({"stdout": "option is only allowed on the command line interface."})
    for key in ONLY_ROOT:
        if key in params and caller.id != "root@pam":
            raise bad_parameters({key: "Only root may set this option."})
    if any(key in params for key in NEEDS_SYS_MODIFY):
        access.demand(world, caller, "/", "Sys.Modify")
    if params.get("storage") and "prune-backups" in params:
        access.demand(world, caller, f"/storage/{params['storage']}", "Datastore.Allocate")
    for key in ("all", "exclude", "pool"):
        if params.get(key) and params.get("vmid"):
            raise bad_parameters({key: "option conflicts with option 'vmid'"})
    if "notes-template" in params:
        check_notes(str(params["notes-template"]))
    if not params.get("vmid") and not _takes_all(params) and not params.get("stop") and not params.get("pool"):
        raise bad_parameters({"vmid": "property is missing"})


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def command_line(params: dict[str, Any], vmids: list[int]) -> str:
    """The command that would do the same, as the first line of the log has it."""
    parts = ["vzdump", *map(str, vmids)]
    for key, value in params.items():
        if key not in ("vmid", "id") and str(value) != "":
            text = str(value)
            safe = re.fullmatch(r"[\w!%+,\-./:@^]+", text)
            parts.append(f"--{key} {text if safe else _quoted(text)}")
    return " ".join(parts)


def _job(call: Call, task: Task, vmids: list[int], elsewhere: list[int]) -> None:
    """The worker: storage, the node's lock, then one VM after the other."""
    world = call.world
    storage_name = str(call.params.get("storage", "")) or _default_storage(world)
    _check_storage(call, storage_name)
    _take_global_lock(call, task)
    named = [int(one) for one in split_list(str(call.params.get("vmid", "")))]
    task.log(f"INFO: starting new backup job: {command_line(call.params, named)}")
    if elsewhere:
        task.log(f"INFO: skip external VMs: {', '.join(map(str, elsewhere))}")
    failures = 0
    try:
        for vmid in [vmid for vmid in vmids if vmid in world.guests]:
            if not _takes_all(call.params):
                access.demand(world, call.caller, f"/vms/{vmid}", "VM.Backup")
            elif not access.may(world, call.caller, f"/vms/{vmid}", "VM.Backup"):
                vmids.remove(vmid)
        for vmid in vmids:
            failures += not Backup(call, task, vmid, world.storages[storage_name]).run()
    except Interrupted as problem:
        task.log(f"ERROR: Backup job failed - {problem}")
        raise
    finally:
        _give_global_lock(call, task)
    if failures:
        task.log("INFO: Backup job finished with errors")
        raise TaskError("job errors")
    task.log("INFO: Backup job finished successfully")


def _default_storage(world: World) -> str:
    """The storage whose folder vzdump uses when none is named."""
    return next((name for name, one in world.storages.items() if one.path == "/var/lib/vz"), "local")


def _check_storage(call: Call, name: str) -> None:
    """Activation and kind of the storage, before the lock; errors are the exit status itself."""
    problems = []
    try:
        storage = activate(call.world, name, call.node)
    except Refusal as problem:
        problems.append(f"could not activate storage '{name}': {problem.text}")
        if name not in call.world.storages:
            problems.append(f"could not get storage information for '{name}': {problem.text}")
    else:
        if "backup" not in storage.content:
            why = f"can't use storage '{name}' for backups - wrong content type"
            problems.append(f"could not get storage information for '{name}': {why}")
    if problems:
        raise TaskError(" ".join(problems))


def _take_global_lock(call: Call, task: Task) -> None:
    """One vzdump per node: the others wait here, inside their task."""
    world, node = call.world, call.world.nodes[call.node]
    minutes = int(call.params.get("lockwait", DEFAULTS["lockwait"]))
    if node.vzdump_holder is not None:
        if not minutes:
            task.log(f"ERROR: can't acquire lock '{VZDUMP_LOCK}' (wait = 0)")
            raise Silent
        task.log("INFO: trying to get global lock - waiting...")
        node.vzdump_queue.append(task.upid)
        _wait_for_global_lock(call, task, minutes)
        task.log("INFO: got global lock")
    set_vzdump_holder(world, node, task.upid)


def _wait_for_global_lock(call: Call, task: Task, minutes: int) -> None:
    node = call.world.nodes[call.node]

    def is_our_turn() -> bool:
        return node.vzdump_holder is None and node.vzdump_queue[0] == task.upid

    try:
        if not task.wait_for(is_our_turn, call.world.as_told(minutes * MINUTE)):
            task.log(f"ERROR: can't acquire lock '{VZDUMP_LOCK}' - got timeout")
            raise Silent
    except Interrupted as problem:
        task.log(f"ERROR: can't acquire lock '{VZDUMP_LOCK}' - {problem}")
        raise Silent from problem
    finally:
        node.vzdump_queue.remove(task.upid)


def _give_global_lock(call: Call, task: Task) -> None:
    node = call.world.nodes[call.node]
    if node.vzdump_holder == task.upid:
        set_vzdump_holder(call.world, node, None)


@route("GET", "/nodes/{node}/vzdump/defaults", protected=False)
def defaults(call: Call) -> Any:
    """The node's defaults, with those of a storage."""
    found = dict(DEFAULTS)
    if not call.world.is_9:
        found["notification-policy"] = "always"
    name = str(call.params.get("storage", "local"))
    needs_any(f"/storage/{name}", "Datastore.Audit", "Datastore.AllocateSpace")(call.world, call.caller, {})
    storage = configured(call.world, name)
    if "backup" not in storage.content:
        raise failed(f"can't use storage '{name}' for backups - wrong content type")
    prune = retention.print_rules(retention.parse(storage.prune or "keep-all=1"))
    found |= {"storage": name, "prune-backups": prune}
    if storage.type != "pbs":
        found["dumpdir"] = f"{storage.path}/dump"
    if not access.may(call.world, call.caller, f"/nodes/{call.node}", "Sys.Audit"):
        for key in ("dumpdir", "ionice"):
            found.pop(key, None)
    return found


@route("GET", "/nodes/{node}/vzdump/extractconfig")
def extract_config(call: Call) -> Any:
    """The configuration inside an archive, as it is stored there."""
    world, volid = call.world, str(call.params["volume"])
    storage, name = readable_archive(world, call.caller, volid)
    owner = name_parts(name)[2]
    access.demand(world, call.caller, f"/vms/{owner or ''}", "VM.Backup")
    activate(world, storage.storage, call.node)
    volume = world.volume(volid, call.node)
    if volume is None:
        raise failed(pbs.lost(storage, name) if storage.type == "pbs" else f"volume '{volid}' does not exist")
    inside = archive_inside(world, volume)
    maps = [
        f"#qmdump#map:{slot}:drive-{slot_name(slot)}:{disk[3]}:{disk[2]}:\n"
        for slot, disk in sorted(inside.disks.items())
    ]
    return inside.config + "".join(maps)
