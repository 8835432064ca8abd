"""What real processes are measured on: a simulated Proxmox in a process of its own, a database, a Valkey."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import func, select
from support import databases, services
from support import world as worlds
from support.fork_server import Processes
from support.waiting import PATIENCE

from bench.month import Provider
from puq_backups import Actor
from puq_backups.models import Operation

ENDED = ("done", "failed", "refused", "cancelled", "skipped", "missed")
CLIENTS = 50
"""The services belong to so many clients."""
PACKAGE = {"backups": 100, "storage": "pbs"}
LOOK_SECONDS = 0.25
REPORT_SECONDS = 20.0


class Proxmox:
    """The simulator in a process of its own: what `worlds.make` has to know of it, and its own doors."""

    def __init__(self, process: subprocess.Popen[str], ready: dict[str, Any]) -> None:
        self.pid, self.url, self.fingerprint = process.pid, ready["url"], ready["fingerprint"]
        self.host, self.port = "127.0.0.1", int(ready["params"]["serverport"])
        self.tokens = {name: (token["id"], token["secret"]) for name, token in ready["tokens"].items()}
        self._session = requests.Session()
        self._session.trust_env, self._session.verify = False, ready["ca_file"]

    def control(self, name: str, **arguments: Any) -> None:
        """Bring about a condition or fault."""
        answer = self._session.post(
            f"{self.url}/simulator/control", json={"control": name} | arguments, timeout=PATIENCE
        )
        answer.raise_for_status()

    def journal(self) -> list[dict[str, Any]]:
        """The newest 200,000 entries of the journal, oldest first."""
        return self._read("journal")

    def _read(self, what: str) -> Any:
        answer = self._session.get(f"{self.url}/simulator/{what}", timeout=PATIENCE)
        answer.raise_for_status()
        return answer.json()["data"]


@dataclass
class Site:
    """A provider with so many `services`, and what its processes share. `settings` are theirs."""

    world: worlds.World
    proxmox: Proxmox
    database: str
    redis: str
    settings: dict[str, Any]
    services: int

    def processes(self, *roles: str, **options: Any) -> Processes:
        """The processes of a machine, which run inside the `with` block of what is returned."""
        return Processes(self.database, self.redis, roles, self.settings, **options)

    def pids(self, machine: Processes) -> dict[str, int]:
        """The process ids of the simulator, and of a machine's processes by role and number."""
        return {"simulator": self.proxmox.pid} | {
            f"{machine.roles[at]} {at + 1}": pid for at, pid in machine.pids.items()
        }

    def client(self, number: int) -> str:
        """The client of a service."""
        return f"client{number % CLIENTS}"

    def back_up_all(self) -> None:
        """Ask for a manual backup of each service; no process has to run for that."""
        for number in range(self.services):
            params, actor = {"serviceid": str(number + 1)}, Actor(client_id=self.client(number))
            if (answer := self.world.backups.call("BackupNow", params, actor=actor)) != "success":
                raise RuntimeError(answer)

    def states(self) -> Counter[str]:
        """The number of operations by state."""
        with self.world.context.database.open() as session:
            return Counter(
                dict(session.execute(select(Operation.state, func.count()).group_by(Operation.state)).all())
            )

    def ended(self) -> int:
        """How many operations have ended."""
        found = self.states()
        return sum(found[state] for state in ENDED)

    def with_task(self) -> int:
        """How many operations have a task on Proxmox that runs as far as is known."""
        with self.world.context.database.open() as session:
            return session.scalar(select(func.count()).where(Operation.upid.is_not(None))) or 0

    def wait(self, until: Callable[[], bool], seconds: float, machine: Processes) -> None:
        """Wait for a condition, and tell on standard error how far the operations are.

        Raises RuntimeError after so many seconds, and if the machine whose processes work for it is gone.
        """
        begun = told = time.monotonic()
        while not until():
            if machine.fork_server.poll() is not None:
                raise RuntimeError(f"somebody ended the processes: {dict(self.states())}")
            if time.monotonic() - begun > seconds:
                raise RuntimeError(f"not so after {seconds:.0f} s: {dict(self.states())}")
            if time.monotonic() - told > REPORT_SECONDS:
                told = time.monotonic()
                print(f"  {dict(self.states())}", file=sys.stderr, flush=True)
            time.sleep(LOOK_SECONDS)


@contextmanager
def opened(folder: Path, services_: int, nodes: int, *, kind: str = "postgresql", **settings: Any) -> Iterator[Site]:
    """A provider with so many services, each declared by its host, and processes with these settings.

    `kind` is that of the database.
    """
    folder.mkdir(exist_ok=True)
    given = {"poll": 5, "settle": 45, "bin_hours": 0, "rate_limits": {}} | settings
    with ExitStack() as stack:
        proxmox = stack.enter_context(_simulator(folder, Provider(services_, nodes, 0, 1).state()))
        database = stack.enter_context(databases.scratch_database(kind, folder))
        redis = stack.enter_context(services.valkey())
        world = worlds.make(proxmox, database, redis, **given)  # type: ignore[arg-type]  # all of it that is asked
        stack.callback(world.context.database.engine.dispose)
        found = Site(world, proxmox, database, redis, given, services_)
        for number in range(services_):
            world.register(str(number + 1), 100 + number, found.client(number), **PACKAGE)
        yield found


@contextmanager
def _simulator(folder: Path, state: dict[str, Any]) -> Iterator[Proxmox]:
    """`flask backups simulate` on a state. Its tasks end at once, as long as nothing holds them."""
    file = folder / "proxmox.json"
    file.write_text(json.dumps(state))
    command = ["-m", "puq_backups.simulator.cli", "--state", str(file), "--time-scale", "0"]
    process = services.start_tied([sys.executable, *command], stdout=subprocess.PIPE, text=True)
    try:
        yield Proxmox(process, json.loads(process.stdout.readline()))
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)
