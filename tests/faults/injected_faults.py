"""Faults of Proxmox, its storages and the clock. Each begins, and ends by itself or by the step that undoes it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from puq_backups.simulator.faults.registry import CONTROLS, BadControl

from . import outages

if TYPE_CHECKING:
    from .run import Run

PATHS = (
    ("POST", "*/vzdump"), ("POST", "*/qemu"), ("DELETE", "*/content/*"), ("GET", "*/content"), ("GET", "*/status"),
    ("GET", "*/log*"), ("PUT", "*/config"), ("GET", "*/config"), ("*", "*"),
)  # fmt: skip
TASKS = ("vzdump", "vzdump", "imgdel", "imgdel", "qmrestore", "qmrestore", "qmstop", "qmstart", "qmclone")
NODES = ("pve1", "pve2", "pve3")
STEPS = (
    {"control": "storage-offline", "storage": "nfs"}, {"control": "storage-full", "storage": "pbs"},
    {"control": "task-lost"}, {"control": "node-rebooted", "node": "pve2"},
)  # fmt: skip
"""What may happen while a request is on its way."""


CONFIGURED: tuple[dict[str, Any], ...] = (
    {"prune-backups": "keep-last=2"}, {"max-protected-backups": 1}, {"disable": True},
)  # fmt: skip


def requests(run: Run) -> None:
    """A request is refused, lost before or after its effect, late, or answered with nonsense."""
    method, path = run.rng.choice(PATHS)
    where: dict[str, Any] = {"path": path, "times": run.rng.choice((1, 1, 2, 5)), "nth": run.rng.choice((1, 1, 2))}
    if method != "*":
        where["method"] = method
    kind = run.rng.choice(("refuse", "drop", "drop", "gateway-timeout", "delay", "garbage", "meanwhile"))
    more: dict[str, dict[str, Any]] = {
        "refuse": {"status": run.rng.choice((500, 500, 595, 596, 403)), "reason": "simulated"},
        "drop": {"when": run.rng.choice(("before", "after"))},
        "delay": {"seconds": run.rng.choice((5, 40, 100))},
        "meanwhile": {"step": run.rng.choice(STEPS)},
    }
    run.control(kind, **where, **more.get(kind, {}))


def task(run: Run) -> None:
    """A task fails, warns, or ends without a last line."""
    kind = run.rng.choice(("task-fails", "task-fails", "task-warnings", "task-unexpected"))
    more = {"text": "simulated failure"} if kind == "task-fails" else {}
    run.control(kind, type=run.rng.choice(TASKS), times=run.rng.choice((1, 1, 3)), **more)


def running_task(run: Run) -> None:
    """A running worker of Proxmox is killed, or the log of one that ended is gone."""
    running = [one.upid for one in run.world.proxmox.tasks() if one.running]
    if running and run.rng.random() < 0.5:
        run.control("worker-killed", upid=running[-1])
        run.later(run.rng.randrange(60, 7200), "operator-unlock", vmid=run.some_vmid())
    else:
        run.control("task-lost")


def held_task(run: Run) -> None:
    """A task hangs for a while, on a node whose list of active tasks lags behind."""
    run.control("active-list-lags", seconds=120)
    run.control("hold-task", type=run.rng.choice(TASKS))
    run.later(run.rng.randrange(60, 20_000), "release", of="hold-task")


def storage(run: Run) -> None:
    """A storage goes offline, is full, slow, locked, not mounted or no longer configured; all of it passes."""
    name, until = run.rng.choice(("nfs", "pbs", "local")), run.rng.randrange(60, 30_000)
    kind = run.rng.choice((
        "storage-offline", "storage-full", "storage-slow", "storage-empty", "storage-removed", "storage-config",
        "storage-lock-held", "owner-mismatch", "image-locked",
    ))  # fmt: skip
    more: dict[str, dict[str, Any]] = {
        "storage-slow": {"seconds": run.rng.choice((5, 40))},
        "storage-lock-held": {"seconds": run.rng.choice((5, 60, 900))},
        "storage-config": run.rng.choice(CONFIGURED),
    }  # fmt: skip
    if kind == "image-locked":
        disks = [one for one in run.world.proxmox.volumes("ceph", "images") if one.vmid == run.some_vmid()]
        where = {"volid": disks[0].volid} if disks else {"volid": "none"}
    else:
        where = {"storage": name}
    if run.control(kind, **where, **more.get(kind, {})):
        ends = "storage-online" if kind == "storage-offline" and run.rng.random() < 0.3 else "undo"
        run.later(until, ends, **({"of": kind} if ends == "undo" else {}), **where)


def node(run: Run) -> None:
    """A node or its daemon is away, reboots, has another time or zone, or the cluster has no quorum."""
    name, until = run.rng.choice(NODES), run.rng.randrange(60, 10_000)
    kind = run.rng.choice(
        ("node-offline", "node-offline", "daemon-down", "node-rebooted", "quorum", "clock-skew", "clock-zone")
    )
    more: dict[str, dict[str, Any]] = {
        "quorum": {"quorate": False},
        "clock-skew": {"node": name, "seconds": run.rng.choice((-90, 90))},
        "clock-zone": {"node": name, "seconds": run.rng.choice((3600, -18_000))},
    }
    run.control(kind, **more.get(kind, {"node": name}))
    if kind == "node-rebooted":
        return
    back = {"node-offline": "node-online", "daemon-down": "daemon-up"}.get(kind)
    if back and run.rng.random() < 0.5:
        run.later(until, back, node=name)
    else:
        run.later(until, "undo", of=kind)


def vm(run: Run) -> None:
    """A VM moves, is locked by somebody, is edited, does not answer or start, or its archive takes long."""
    vmid, text = run.some_vmid(), {"text": "simulated failure"}
    more: dict[str, dict[str, Any]] = {
        "migrate": {"node": run.rng.choice(NODES)}, "leftover-lock": {},
        "config-lock-held": {"seconds": run.rng.choice((5, 60, 900))},
        "slow-backup": {"seconds": run.rng.choice((60, 3600, 20_000))},
        "slow-restore": {"seconds": run.rng.choice((60, 3600))},
        "vm-power": {"status": run.rng.choice(("running", "stopped"))},
        "backup-error": text, "start-fail": text, "powerdown-ignored": {}, "agent-answers": {}, "snapshot-taken": {},
        "vm-config": {"set": run.rng.choice(({"protection": 1}, {"description": "edited"}, {"memory": "512"}))},
        "ha": {},
    }  # fmt: skip
    kind = run.rng.choice(list(more))
    run.control(kind, vmid=vmid, **more[kind])
    if kind == "leftover-lock":
        run.later(run.rng.randrange(60, 20_000), "operator-unlock", vmid=vmid)
    if kind in ONGOING:
        run.later(run.rng.randrange(60, 40_000), "clear", of=kind, vmid=vmid)
    if kind in {"ha", "powerdown-ignored"}:
        run.later(run.rng.randrange(60, 40_000), "undo", of=kind, vmid=vmid)


ONGOING = ("slow-backup", "slow-restore", "backup-error", "start-fail", "agent-answers")


def machine(run: Run) -> None:
    """The VM is destroyed, or somebody else's has its VMID; later it is back."""
    vmid, kind = run.some_vmid(), run.rng.choice(("vm-destroyed", "vmid-reused"))
    seconds = run.rng.randrange(3600, 100_000)
    if run.control(kind, vmid=vmid) and kind == "vmid-reused":
        run.foreign.add(vmid)
        run.then(seconds, partial(run.foreign.discard, vmid))
    run.later(seconds, "undo", of=kind, vmid=vmid)


def archive(run: Run) -> None:
    """Somebody removes archives behind our back, damages one, or it is verified, encrypted, collected."""
    found = [one for name in ("nfs", "pbs", "local") for one in run.world.proxmox.volumes(name)]
    if not found:
        return
    one, chance = run.rng.choice(found), run.rng.random()
    if one.storage == "pbs" and chance < 0.8:
        kind = run.rng.choice(("verification", "verification", "encrypted", "garbage-collected"))
        more = {"verification": {"state": run.rng.choice(("ok", "failed"))}}
        where = {"storage": "pbs"} if kind == "garbage-collected" else {"volid": one.volid}
        run.control(kind, **where, **more.get(kind, {}))
    elif chance < 0.3:
        run.control("archive-gone", volid=one.volid)
    elif chance < 0.5:
        run.control("archive-damaged", volid=one.volid)
    elif chance < 0.6:
        run.control("prune-behind", storage=one.storage, keep=run.rng.choice((1, 2)))


def token(run: Run) -> None:
    """The token is revoked for a while, or loses a right."""
    until = run.rng.randrange(60, 10_000)
    if run.rng.random() < 0.5:
        run.control("token-revoked", token=run.token)
        run.later(until, "token-restored", token=run.token)
        return
    user = run.world.proxmox.tokens[run.token][0]
    role = "Panel" if run.token == "panel" else "PanelReinstall"
    run.control("acl", path="/", user=user, role=role, delete=True)
    run.later(until, "undo", of="acl")


def clock(run: Run) -> None:
    """Our clock jumps, and is set right later."""
    if run.rng.random() < 0.2:
        run.control("clock-advanced", seconds=run.rng.choice((5, 600)))
        run.control("pause", seconds=1)
        return
    run.clock.jump(run.rng.choice((-7200, -300, -30, 30, 300, 7200)))
    run.record.jumps, run.record.skew = run.record.jumps + 1, 7300.0


def vzdump_lock(run: Run) -> None:
    """A backup of somebody else holds a node's lock."""
    if any(one.running for one in run.world.proxmox.tasks("vzdump")):
        return
    name = run.rng.choice(NODES)
    run.control("vzdump-lock-held", node=name)
    run.later(run.rng.randrange(60, 20_000), "vzdump-lock-released", node=name)


FAULTS: dict[Callable[[Run], None], int] = {
    requests: 10, task: 9, running_task: 2, held_task: 2, storage: 6, node: 3, vm: 6, machine: 1, archive: 3,
    token: 1, clock: 1, vzdump_lock: 1,
}  # fmt: skip
"""What goes wrong, and how often."""
NOT_PLAYED = {
    "hold": "a request that waits for another thread; there is one thread here (tests/operations/ holds requests)",
}
"""Faults of docs/simulator.md that no run uses, with the reason."""
ENDS = {
    "undo", "release", "clear", "storage-online", "node-online", "daemon-up", "operator-unlock", "token-restored",
    "vzdump-lock-released",
}  # fmt: skip
"""Controls that end a fault."""
LASTING = {
    "archive-gone", "archive-damaged", "prune-behind", "verification", "encrypted", "migrate", "vm-config",
    "leftover-lock", "operator-unlock", "task-lost", "node-rebooted", "worker-killed", "vm-power", "snapshot-taken",
}  # fmt: skip
"""Faults that are not undone at the end: what happened stays so."""


def heal(run: Run) -> None:
    """End all of it: whatever can be undone is, and an operator takes left-over locks away."""
    proxmox = run.world.proxmox
    run.clock.jump(0)
    outages.heal(run)
    for kind in sorted(set(CONTROLS) - LASTING):
        with suppress(BadControl):
            while True:
                proxmox.control("undo", of=kind)
    proxmox.control("release")
    proxmox.control("quorum", quorate=True)
    proxmox.control("token-restored", token=run.token)
    for name in NODES:
        proxmox.control("vzdump-lock-released", node=name)
        proxmox.control("node-online", node=name)
        proxmox.control("daemon-up", node=name)
    for name in ("nfs", "pbs", "local"):
        proxmox.control("storage-online", storage=name)
    for tenant in run.tenants:
        with suppress(BadControl):
            # The VM may be gone.
            proxmox.control("operator-unlock", vmid=tenant.vmid)
        proxmox.control("clear", of="config-lock-held", vmid=tenant.vmid)
    run.pending.clear()
    run.foreign.clear()
