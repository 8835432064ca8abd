"""Tasks: workers with a UPID, a log and an exit status. Each runs in a thread of its own that holds the world's
lock except while it waits, so what a worker does between two waits happens at once for everybody else.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .answers import Refusal

if TYPE_CHECKING:
    from .access import Caller
    from .state import World

UPID = re.compile(
    r"UPID:([a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?):([0-9A-Fa-f]{8}):([0-9A-Fa-f]{8,9}):([0-9A-Fa-f]{8}):"
    r"([^:\s/]+):([^:\s/]*):([^:\s/]+):"
)
PATIENCE = 2.0
"""Seconds that a caller of `start` gives a worker to get to its first wait."""


class TaskError(Exception):
    """The worker dies with this text, which becomes the exit status."""


class Interrupted(TaskError):
    """The worker was told to end (SIGTERM)."""

    def __init__(self) -> None:
        super().__init__("interrupted by signal")


class Killed(BaseException):
    """The worker is gone from one moment to the next (SIGKILL): nothing is cleaned up."""


class Silent(Exception):
    """The worker exits without a last line: its status is `unexpected status`."""


class Task:
    """One task and its worker. `exitstatus` is None while it runs."""

    def __init__(self, world: World, node: str, kind: str, subject: str, caller: Caller) -> None:
        self.world, self.node, self.type, self.id, self.caller = world, node, kind, subject, caller
        here = world.nodes[node]
        here.next_pid += 3
        self.pid = here.next_pid
        self.pstart = int((world.now() - here.booted) * 100)
        self.starttime = int(world.now(node))
        self.order = len(world.tasks)
        self.ended_before: int | None = None  # the order of the first task that began after its end
        self.upid = f"UPID:{node}:{self.pid:08X}:{self.pstart:08X}:{self.starttime:08X}:{kind}:{subject}:{caller.id}:"
        self.lines: list[str] = []
        self.exitstatus: str | None = None
        self.endtime: int | None = None
        self.warnings = 0
        self.signal: str | None = None
        self.lost = False  # its log has been rotated away
        self.generation = world.generation
        self.settled = threading.Event()

    def log(self, line: str) -> None:
        """Add a line to the log."""
        self.lines.append(line)

    def warn(self, line: str) -> None:
        """Add a warning: the task will end with `WARNINGS: n`."""
        self.warnings += 1
        self.lines.append(line)

    @property
    def running(self) -> bool:
        """Whether the worker is still there."""
        return self.exitstatus is None

    def check_signal(self) -> None:
        """Die of a signal that came in."""
        if self.signal == "KILL" or self.generation != self.world.generation:
            raise Killed
        if self.signal == "TERM":
            self.signal = None
            raise Interrupted

    def sleep(self, seconds: float) -> None:
        """Let time pass (already scaled); signals end it."""
        if seconds > 0:
            self.wait_for(lambda: False, seconds)
        self.check_signal()

    def wait_for(self, ready: Callable[[], Any], seconds: float) -> bool:
        """Wait for something, at most so long; signals end it with an exception."""
        if not ready() and seconds > 0:
            self.settled.set()
            self.world.poke()
            self.world.wait_for(lambda: ready() or self.signal or self._outdated, seconds)
        self.check_signal()
        return bool(ready())

    @property
    def _outdated(self) -> bool:
        return self.generation != self.world.generation

    def finish(self, status: str, last_line: str | None) -> None:
        """Write the last line and the exit status."""
        if last_line is not None:
            self.lines.append(last_line)
        self.exitstatus = status
        self.ended_before = len(self.world.tasks)
        self.endtime = int(self.world.now(self.node))
        self.world.last_task_event = self.upid
        release_all(self.world, self)
        self.world.poke()


Worker = Callable[[Task], None]


def start(world: World, node: str, kind: str, subject: str, caller: Caller, worker: Worker) -> str:
    """Start a worker and return its UPID as soon as it waits for something or has ended."""
    task = Task(world, node, kind, subject, caller)
    world.tasks[task.upid] = task
    world.last_task_event = None
    _rotate(world, node)
    threading.Thread(target=_run, args=(task, worker), name=f"{kind}-{subject}", daemon=True).start()
    world.wait_for(lambda: task.settled.is_set() or not task.running, PATIENCE)
    return task.upid


def _rotate(world: World, node: str) -> None:
    """Forget the oldest ended tasks of a node that has more than are kept."""
    if world.tasks_kept is not None:
        ended = [task for task in world.tasks.values() if task.node == node and not task.running and not task.lost]
        for task in ended[: max(0, len(ended) - world.tasks_kept)]:
            task.lost = True


def _run(task: Task, worker: Worker) -> None:
    with task.world.lock:
        try:
            _work(task, worker)
        finally:
            task.settled.set()
            task.world.poke()


def _work(task: Task, worker: Worker) -> None:
    try:
        _hold(task)
        _fail_if_told(task)
        worker(task)
        _leave_differently(task)
    except Killed:
        task.finish("unexpected status", None)
    except Silent:
        task.finish("unexpected status", None)
    except (TaskError, Refusal) as problem:
        text = problem.in_task if isinstance(problem, Refusal) else " ".join(str(problem).split("\n")).strip()
        task.finish(text, f"TASK ERROR: {text}")
    except Exception as problem:  # noqa: BLE001 - a fault of the simulator must end the task and be seen
        task.world.crashes.append(f"{task.type} {task.id}: {problem!r}")
        task.finish("the simulator failed", f"TASK ERROR: the simulator failed: {problem!r}")


def _leave_differently(task: Task) -> None:
    """End a worker that has done its work: well, with warnings, or as a fault says."""
    for fault in list(task.world.faults):
        if fault.name == "task-warnings" and fault.takes_task(task):
            for number in range(int(fault.args.get("count", 1))):
                task.warn(str(fault.args.get("text") or f"WARN: simulated warning {number + 1}"))
        if fault.name == "task-unexpected" and fault.takes_task(task):
            raise Silent
    if task.warnings:
        task.finish(f"WARNINGS: {task.warnings}", f"TASK WARNINGS: {task.warnings}")
    else:
        task.finish("OK", "TASK OK")


def _hold(task: Task) -> None:
    """Wait while a fault holds tasks of this kind."""
    for fault in [one for one in task.world.faults if one.name == "hold-task" and one.matches_task(task)]:
        task.wait_for(fault.is_over(task.world), 3600)


def _fail_if_told(task: Task) -> None:
    for fault in list(task.world.faults):
        if fault.name == "task-fails" and fault.takes_task(task):
            raise TaskError(str(fault.args["text"]))


def stop(world: World, task: Task, signal: str = "TERM") -> None:
    """Send a signal to a worker and give it five seconds to end."""
    if task.running:
        task.signal = signal
        world.poke()
        world.wait_for(lambda: not task.running, 5)


# The locks on files that processes hold: they go with the process that holds them.


def flock(world: World, owner: object, name: str, seconds: float) -> bool:
    """Take the lock on a file, waiting so many seconds (not scaled); False where another one keeps it."""

    def ready() -> bool:
        return _is_free(world, owner, name)

    length = world.scaled(seconds)
    got = owner.wait_for(ready, length) if isinstance(owner, Task) else world.wait_for(ready, length)
    if not got and not world.time_scale:
        got = _pass_time(world, name, seconds)
    if got:
        world.flocks[name] = (owner, None)
    return got


def _pass_time(world: World, name: str, seconds: float) -> bool:
    """With scale 0 nobody waits, but the time that would pass counts against a lock held for a while."""
    holder, until = world.flocks[name]
    if until is None:
        return False
    world.flocks[name] = (holder, until - seconds)
    return until - seconds <= world.now()


def _is_free(world: World, owner: object, name: str) -> bool:
    holder = world.flocks.get(name)
    if holder is not None and holder[1] is not None and holder[1] <= world.now():
        del world.flocks[name]
        holder = None
    return holder is None or holder[0] is owner


def release(world: World, owner: object, name: str) -> None:
    """Give a lock back."""
    if world.flocks.get(name, (None, None))[0] is owner:
        del world.flocks[name]
        world.poke()


def release_all(world: World, owner: object) -> None:
    """Give back what an ended process held."""
    for name in [name for name, holder in world.flocks.items() if holder[0] is owner]:
        del world.flocks[name]
    for node in world.nodes.values():
        if node.vzdump_holder == getattr(owner, "upid", ""):
            node.vzdump_holder = None
