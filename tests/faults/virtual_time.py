"""A host application, a simulated Proxmox and a database that share one virtual clock.

Waiting costs no time. Requests to Proxmox are function calls, and the database's own clock is the virtual one too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import time_machine
from sqlalchemy import event
from support import databases
from support import world as worlds

from puq_backups.simulator import Simulator, start

from . import repeatable

BEGINNINGS = (1_767_268_800.0, 1_774_526_400.0, 1_792_756_800.0)
"""2026-01-01, and days before the changes of Europe's clocks: 2026-03-26 and 2026-10-23, each at 12:00 UTC."""
NOWHERE = "unix:///nowhere/redis"


class Time:
    """Moves the virtual clock. The product's clock may be off by `offset` seconds; the simulator's never is."""

    def __init__(self, proxmox: Simulator, traveller: Any) -> None:
        self.proxmox, self.offset, self._traveller = proxmox, 0.0, traveller
        proxmox.clock.listeners.append(self._moved)

    def _moved(self, moment: float) -> None:
        self._traveller.move_to(moment + self.offset)

    def now(self) -> float:
        """The simulator's time in seconds since the epoch."""
        return self.proxmox.clock.now()

    def jump(self, seconds: float) -> None:
        """Set the product's clock so many seconds ahead of the simulator's, or behind it."""
        self.offset = seconds
        self._moved(self.now())

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.proxmox.clock.advance(max(seconds, 0.0))


@contextmanager
def opened(
    folder: Path, begin: float = BEGINNINGS[0], *, host: worlds.Host | None = None,
    state: dict[str, Any] | None = None, **settings: Any,
) -> Iterator[tuple[worlds.World, Time]]:  # fmt: skip
    """A world on virtual time, with a SQLite file in `folder` and without Redis, whose loss costs only time.

    `state` is the simulator's, see docs/simulator.md; default None: its own.
    """
    with ExitStack() as stack:
        proxmox = stack.enter_context(start(state=state, virtual_time=begin, https=False))
        stack.enter_context(proxmox.in_process())
        traveller = stack.enter_context(time_machine.travel(begin, tick=False))
        clock = Time(proxmox, traveller)
        stack.enter_context(mock.patch.object(time, "sleep", clock.advance))
        # Pauses after a failure of Redis are measured by it: a busy machine must not shorten them.
        stack.enter_context(mock.patch.object(time, "monotonic", proxmox.clock.now))
        defaults = {"poll": 5, "settle": 45, "shutdown_timeout": 60, "bin_hours": 24}
        world = worlds.make(proxmox, databases.sqlite_file(folder), NOWHERE, host, **(defaults | settings))
        _share_clock(world)
        stack.callback(world.context.database.engine.dispose)
        stack.callback(repeatable.close, world)
        yield world, clock


def _share_clock(world: worlds.World) -> None:
    """Let SQLite read the virtual clock, and skip its fsyncs: nothing here loses power."""
    engine = world.context.database.engine
    engine.dispose()

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous = OFF")
        connection.create_function("strftime", 3, _strftime)


def _strftime(_form: str, _moment: str, later: str) -> str:
    """The virtual time and so many seconds, as `models/database_time.py` asks for it."""
    moment = datetime.now(UTC) + timedelta(seconds=float(later.removesuffix(" seconds")))
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")
