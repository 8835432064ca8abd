"""One run with real processes: requests, faults that are counted, and work that is done later."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from redis import Redis
from support import world as worlds
from support.fork_server import Processes

from puq_backups.simulator.faults.registry import BadControl

from .injected_faults import ENDS
from .run_record import RunRecord

VMIDS = (100, 101)
NEAR = 5.0
"""Seconds for which a fault counts as near to what follows it."""
GRACE = 10.0
"""Seconds for which an archive that is gone by now may still have been seen: what a loaded machine needs."""


class Run:
    """One run: its processes, its random choices (`rng`) and its record.

    `saved`: the time of day in each service's schedule.
    """

    def __init__(self, seed: int, world: worlds.World, processes: Processes, redis: str) -> None:
        self.rng = random.Random(seed)  # noqa: S311 - what is drawn repeats; what comes of it depends on the machine
        self.world, self.processes, self.redis = world, processes, Redis.from_url(redis)
        self.record = RunRecord(grace=GRACE, near=NEAR)
        self.kills = 0
        self.saved: dict[str, str] = {}
        self._timers: list[threading.Timer] = []

    def call(self, name: str, service_id: str = "1", **form: Any) -> str:
        """Ask the web process as the service's client, or as the host; `killed` where it ended before its answer."""
        host = name in {"CreateAccount", "ChangePackage"}
        params = (
            self.world.params(service_id, VMIDS[int(service_id) - 1], f"client{service_id}", **form) if host else form
        )
        answer = self.processes.call(
            name, {"serviceid": service_id, **params}, "" if host else f"client{service_id}"
        )  # fmt: skip
        self.record.answers[name, answer[:60]] += 1
        if "wrong on our side" in answer or answer.startswith("status"):
            self.record.broken.append(f"0: {name} answered {answer}")
        return answer

    def control(self, name: str, **arguments: Any) -> None:
        """Bring about a fault, and count it."""
        with suppress(BadControl):
            self.world.proxmox.control(name, **arguments)
            self.count(name)

    def count(self, fault: str) -> None:
        """Count a fault; what ends one is none."""
        if fault not in ENDS:
            self.record.faults[fault] += 1
            self.record.fault_times.append(time.time())

    def later(self, seconds: float, work: Callable[[], object]) -> None:
        """Do something in so many real seconds."""
        timer = threading.Timer(seconds, work)
        timer.start()
        self._timers.append(timer)

    def some_backup(self, service_id: str) -> str:
        """A backup of a service, rather the newest or the oldest."""
        found = self.world.held(service_id)
        return self.rng.choice([found[0], found[-1], *found]).id if found else ""

    def join(self) -> None:
        """Wait for what was to be done later."""
        for timer in self._timers:
            timer.join()
