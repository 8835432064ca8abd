"""Faults of Proxmox, its storages and the clock. Each begins, and ends by itself or by the step that undoes it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from puq_backups.simulator.faults.registry import BadControl

if TYPE_CHECKING:
    from .run import Run

PATHS = (
    ("POST", "*/vzdump"), ("POST", "*/qemu"), ("DELETE", "*/content/*"), ("GET", "*/content"), ("GET", "*/status"),
    ("GET", "*/log*"), ("PUT", "*/config"), ("GET", "*/config"), ("*", "*"),
)  # fmt: skip
TASKS = ("vzdump", "vzdump", "imgdel", "imgdel", "qmrestore", "qmstop", "qmstart")


def requests(run: Run) -> None:
    """A request is refused, lost before or after its effect, late, or answered with nonsense."""
    method, path = run.dice.choice(PATHS)
    where: dict[str, Any] = {"path": path, "times": run.dice.choice((1, 1, 2, 5)), "nth": run.dice.choice((1, 1, 2))}
    if method != "*":
        where["method"] = method
    kind = run.dice.choice(("refuse", "drop", "drop", "gateway-timeout", "delay", "garbage"))
    more: dict[str, dict[str, Any]] = {
        "refuse": {"status": run.dice.choice((500, 500, 595, 596, 403)), "reason": "simulated"},
        "drop": {"when": run.dice.choice(("before", "after"))},
        "delay": {"seconds": run.dice.choice((5, 40, 100))},
    }
    run.control(kind, **where, **more.get(kind, {}))


def task(run: Run) -> None:
    """A task fails, warns, or ends without a last line."""
    kind = run.dice.choice(("task-fails", "task-fails", "task-warnings", "task-unexpected"))
    more = {"text": "simulated failure"} if kind == "task-fails" else {}
    run.control(kind, type=run.dice.choice(TASKS), times=run.dice.choice((1, 1, 3)), **more)


def running_task(run: Run) -> None:
    """A running worker of Proxmox is killed, or the log of one that ended is gone."""
    running = [one.upid for one in run.world.proxmox.tasks() if one.running]
    if running and run.dice.random() < 0.5:
        run.control("worker-killed", upid=running[-1])
        run.later(run.dice.randrange(60, 7200), "operator-unlock", vmid=run.some_vmid())
    else:
        run.control("task-lost")


def held_task(run: Run) -> None:
    """A task hangs for a while."""
    run.control("hold-task", type=run.dice.choice(TASKS))
    run.later(run.dice.randrange(60, 20_000), "release", of="hold-task")


def storage(run: Run) -> None:
    """A storage goes offline, is full, slow, or not mounted; all of it passes."""
    name, until = run.dice.choice(("nfs", "pbs", "local")), run.dice.randrange(60, 30_000)
    kind = run.dice.choice(("storage-offline", "storage-full", "storage-slow", "storage-empty"))
    run.control(kind, storage=name, **({"seconds": run.dice.choice((5, 40))} if kind == "storage-slow" else {}))
    run.later(until, "undo", of=kind, storage=name)


def node(run: Run) -> None:
    """A node or its daemon is away, reboots, or the cluster has no quorum."""
    name, until = run.dice.choice(("pve1", "pve2", "pve3")), run.dice.randrange(60, 10_000)
    kind = run.dice.choice(("node-offline", "daemon-down", "node-rebooted", "quorum"))
    run.control(kind, **({"quorate": False} if kind == "quorum" else {"node": name}))
    if kind != "node-rebooted":
        run.later(until, "undo", of=kind)


def vm(run: Run) -> None:
    """A VM moves, is locked by somebody, is edited, or its archive takes long."""
    vmid = run.some_vmid()
    kind = run.dice.choice(
        ("migrate", "leftover-lock", "config-lock-held", "slow-backup", "slow-restore", "vm-power")
    )
    more: dict[str, dict[str, Any]] = {
        "config-lock-held": {"seconds": run.dice.choice((5, 60, 900))},
        "slow-backup": {"seconds": run.dice.choice((60, 3600, 20_000))},
        "slow-restore": {"seconds": run.dice.choice((60, 3600))},
        "vm-power": {"status": run.dice.choice(("running", "stopped"))},
    }
    run.control(kind, vmid=vmid, **more.get(kind, {}))
    if kind == "leftover-lock":
        run.later(run.dice.randrange(60, 20_000), "operator-unlock", vmid=vmid)


def archive(run: Run) -> None:
    """Somebody removes an archive behind our back, or verification finds it damaged."""
    found = [one for name in ("nfs", "pbs", "local") for one in run.world.proxmox.volumes(name)]
    if not found:
        return
    one = run.dice.choice(found)
    if one.storage == "pbs":
        run.control("verification", volid=one.volid, state=run.dice.choice(("ok", "failed")))
    elif run.dice.random() < 0.3:
        run.control("archive-gone", volid=one.volid)


def token(run: Run) -> None:
    """The token is revoked for a while."""
    run.control("token-revoked", token="panel")
    run.later(run.dice.randrange(60, 10_000), "token-restored", token="panel")


def clock(run: Run) -> None:
    """Our clock jumps, and is set right later."""
    run.clock.jump(run.dice.choice((-7200, -300, -30, 30, 300, 7200)))
    run.diary.jumps += 1


def vzdump_lock(run: Run) -> None:
    """A backup of somebody else holds a node's lock."""
    if any(one.running for one in run.world.proxmox.tasks("vzdump")):
        return
    name = run.dice.choice(("pve1", "pve2", "pve3"))
    run.control("vzdump-lock-held", node=name)
    run.later(run.dice.randrange(60, 20_000), "vzdump-lock-released", node=name)


FAULTS: dict[Callable[[Run], None], int] = {
    requests: 10, task: 8, running_task: 2, held_task: 2, storage: 4, node: 2, vm: 4, archive: 2, token: 1, clock: 1,
    vzdump_lock: 1,
}  # fmt: skip
"""What goes wrong, and how often."""


def heal(run: Run) -> None:
    """End all of it: whatever can be undone is, and an operator takes left-over locks away."""
    proxmox = run.world.proxmox
    run.clock.jump(0)
    for kind in ("storage-offline", "storage-full", "storage-slow", "storage-empty", "node-offline", "daemon-down"):
        with suppress(BadControl):
            while True:
                proxmox.control("undo", of=kind)
    proxmox.control("release")
    proxmox.control("quorum", quorate=True)
    proxmox.control("token-restored", token="panel")
    for name in ("pve1", "pve2", "pve3"):
        proxmox.control("vzdump-lock-released", node=name)
    for tenant in run.tenants:
        proxmox.control("operator-unlock", vmid=tenant.vmid)
    run.pending.clear()
