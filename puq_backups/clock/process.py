"""The clock as a process: it ticks until a signal tells it to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from ..context import Context
from ..models import leases
from . import chores
from .outage import Outage


def run(context: Context, every: int, tick: Callable[[], object]) -> None:
    """Call `tick` every `every` seconds while no other clock holds the lease; return after SIGTERM or SIGINT.

    A tick that runs is finished, and the lease released, so that the next clock need not wait for its end. A second
    signal ends the process at once. In a container the clock is process 1, which the kernel ends by no signal that it
    does not handle.
    """
    owner, stop = leases.new_owner(), threading.Event()
    outage = Outage("the clock", context.database.engine)

    def end(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    while not stop.is_set():
        pause: float = every
        try:
            if chores.acquire_lease(context, "clock", owner, timedelta(seconds=3 * every)):
                tick()
                chores.record_heartbeat(context, "clock")
            outage.over()
        except Exception as error:  # noqa: BLE001 - the database may be away, or not be there yet
            pause = outage.failed(error)
        stop.wait(pause)
    # Without the database the lease expires.
    with suppress(SQLAlchemyError):
        chores.release_lease(context, "clock", owner)
