"""Kills a worker (SIGKILL) at every boundary of its work, one after the other, and goes on after each.

The boundaries are found, not listed: before and after each commit, and before and after each request to Proxmox.
The killed process is a fork; this process finishes the work.
"""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable
from typing import Any

from requests.adapters import HTTPAdapter
from sqlalchemy import event
from sqlalchemy.orm import Session
from support import world as worlds

ENOUGH = 800


def killed_at(world: worlds.World, boundary: int) -> bool:
    """Work in a fork that kills itself at its n-th boundary; False where it came to the end before."""
    with warnings.catch_warnings():
        # Python 3.12 warns of threads at a fork; the simulator's stay behind in this process, as they should.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            _work_until(world, boundary)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _work_until(world: worlds.World, boundary: int) -> None:
    world.context.database.engine.dispose(close=False)
    left = boundary

    def reached(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    send = HTTPAdapter.send

    def sent(self: HTTPAdapter, *args: Any, **more: Any) -> Any:
        reached()
        answer = send(self, *args, **more)
        reached()
        return answer

    event.listen(Session, "before_commit", reached)
    event.listen(Session, "after_commit", reached)
    HTTPAdapter.send = sent  # type: ignore[method-assign]  # in a process that ends right after
    world.drain()


def at_every_boundary(
    world: worlds.World, ask: Callable[[], None], check: Callable[[int], None], *, stride: int = 1
) -> int:
    """Ask anew for each boundary, kill there, go on here, check (how often was asked): how many there were."""
    for times, boundary in enumerate(range(1, ENOUGH, stride), 1):
        ask()
        killed = killed_at(world, boundary)
        world.drain()
        check(times)
        if not killed:
            return boundary - 1
    raise AssertionError("the work never came to its end")
