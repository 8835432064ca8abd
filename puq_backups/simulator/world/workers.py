"""Workers of tasks: one thread each, which holds the world's lock except while it waits.

What a worker does between two waits is therefore atomic for everybody else.
"""

from __future__ import annotations

from functools import partial

from ..answers import Refusal
from .fault import Fault
from .locks import release_all
from .model import Caller
from .state import World
from .task import Killed, Silent, Task, TaskError, Worker


def start(
    world: World, node: str, kind: str, subject: str, caller: Caller, worker: Worker, abandon: Worker | None = None
) -> str:
    """Start a worker. Returns its UPID once it waits for something or has ended.

    `abandon` does what the worker does when it fails before it has done anything, such as taking away its locks.
    """
    task = Task(world.clock, world.nodes[node], kind, subject, caller, _next_order(world))
    world.tasks[task.upid] = task
    world.last_task_event = None
    world.journal.add("started", task.upid)
    _rotate(world, node)
    settled = world.clock.spawn(partial(_work, world, task, worker, abandon), f"{kind}-{subject}")
    world.clock.wait_for_threads(settled.is_set)
    return task.upid


def _next_order(world: World) -> int:
    """The order of the next task. Old tasks may have been forgotten, so it is not their number."""
    return next(reversed(world.tasks.values())).order + 1 if world.tasks else 0


def _rotate(world: World, node: str) -> None:
    """Drop the logs of the oldest ended tasks of a node that has more than `tasks_kept`."""
    if world.tasks_kept is not None:
        ended = [task for task in world.tasks.values() if task.node == node and not task.running and not task.lost]
        for task in ended[: max(0, len(ended) - world.tasks_kept)]:
            task.lost = True


def finish(world: World, task: Task, status: str, last_line: str | None) -> None:
    """End a task with its exit status and last line, and release its locks."""
    if last_line is not None:
        task.lines.append(last_line)
    task.exitstatus = status
    task.ended_before = _next_order(world)
    task.endtime = int(world.now(task.node))
    world.last_task_event = task.upid
    world.journal.add("ended", task.upid, exitstatus=status)
    release_all(world, task)
    world.poke()


def _work(world: World, task: Task, worker: Worker, abandon: Worker | None) -> None:
    with world.journal.acting(task.upid):
        _work_to_the_end(world, task, worker, abandon)


def _work_to_the_end(world: World, task: Task, worker: Worker, abandon: Worker | None) -> None:
    try:
        _hold(world, task)
        _fail_on_request(world, task, abandon)
        worker(task)
        _end(world, task)
    except (Killed, Silent):
        finish(world, task, "unexpected status", None)
    except (TaskError, Refusal) as problem:
        text = problem.in_task if isinstance(problem, Refusal) else " ".join(str(problem).split("\n")).strip()
        finish(world, task, text, f"TASK ERROR: {text}")
    except Exception as problem:  # noqa: BLE001 - a defect of the simulator must end the task and be reported
        world.crashes.append(f"{task.type} {task.id}: {problem!r}")
        finish(world, task, "the simulator failed", f"TASK ERROR: the simulator failed: {problem!r}")


def _end(world: World, task: Task) -> None:
    """End a worker that has done its work: OK, with warnings, or as a fault says."""
    for fault in list(world.faults):
        if fault.name == "task-warnings" and fault.takes_task(task, world.faults):
            for number in range(int(fault.args.get("count", 1))):
                task.warn(str(fault.args.get("text") or f"WARN: simulated warning {number + 1}"))
        if fault.name == "task-unexpected" and fault.takes_task(task, world.faults):
            raise Silent
    if task.warnings:
        finish(world, task, f"WARNINGS: {task.warnings}", f"TASK WARNINGS: {task.warnings}")
    else:
        finish(world, task, "OK", "TASK OK")


def _hold(world: World, task: Task) -> None:
    """Wait while a fault holds tasks of this kind."""
    for fault in [one for one in world.faults if one.name == "hold-task" and one.matches_task(task)]:
        task.wait_for(partial(_released, world, fault), None)


def _released(world: World, fault: Fault) -> bool:
    return fault not in world.faults


def _fail_on_request(world: World, task: Task, abandon: Worker | None) -> None:
    for fault in list(world.faults):
        if fault.name == "task-fails" and fault.takes_task(task, world.faults):
            if abandon is not None:
                abandon(task)
            raise TaskError(str(fault.args["text"]))


def stop(world: World, task: Task, signal: str = "TERM") -> None:
    """Send a signal to a worker and wait for its end."""
    if task.running:
        task.signal = signal
        world.poke()
        world.clock.wait_for_threads(lambda: not task.running)
