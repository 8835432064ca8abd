"""The simulator as an object: start it, ask it, break it, stop it."""

from __future__ import annotations

import itertools
import pickle
import shutil
import ssl
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from . import calls, faults
from .http import certificate, router
from .http.in_process import Adapter, answering
from .http.server import Server
from .world.clock import Clock, VirtualClock
from .world.journal import Entry
from .world.loading import make_world
from .world.model import Guest
from .world.seed import make_seed
from .world.state import World
from .world.task import Task
from .world.volumes import Volume

PVE_PORT = 8006
WEEK = 7 * 86_400
NUMBERS = itertools.count(1)


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    # Ten times as fast as a deep copy; a state may have 100,000 archives.
    copy: dict[str, Any] = pickle.loads(pickle.dumps(state))  # noqa: S301 - written here
    return copy


@dataclass
class Seen:
    """One API request that came in; `template` is its path with the parameters unnamed."""

    method: str
    path: str
    template: str
    params: dict[str, str]
    status: int = 0


class Simulator:
    """A simulated Proxmox VE behind real HTTPS on 127.0.0.1. Usable as a context manager.

    Args:
        pve: Version to speak as, "9.2" or "8.4".
        state: Initial state as docs/simulator.md describes it; None is a small cluster.
        time_scale: Factor for durations of simulated work; 0 means that work takes no time.
        port: Port to listen on; 0 takes a free one.
        virtual_time: Seconds since the epoch at which a virtual clock begins; None uses the real clock. With a
            virtual clock work takes its full time, and waiting for it costs none.
        https: Whether to listen; without it requests reach the simulator in this process only.

    """

    def __init__(
        self,
        pve: str = "9.2",
        state: dict[str, Any] | None = None,
        time_scale: float = 0,
        port: int = 0,
        *,
        virtual_time: float | None = None,
        https: bool = True,
    ) -> None:
        self._state = _copied(make_seed(virtual_time) if state is None else state)
        self._pve = pve
        clock = Clock(time_scale) if virtual_time is None else VirtualClock(virtual_time)
        self._seen: list[Seen] = []
        self.world: World = make_world(self._state, pve, clock)
        self._folder = Path(tempfile.mkdtemp(prefix="puq-simulator-"))
        self.ca_file, key_file, self.fingerprint = certificate.make(self._folder)
        self.world.fingerprint = self.fingerprint
        self._server: Server | None = None
        self.host, self.port = f"simulator-{next(NUMBERS)}.invalid", PVE_PORT
        if https:
            self._listen(key_file, port)
        self.url = f"https://{self.host}:{self.port}"

    def _listen(self, key_file: str, port: int) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file, key_file)
        self._server = Server(self, port, context)
        self.host, self.port = "127.0.0.1", int(self._server.server_address[1])
        serve = partial(self._server.serve_forever, poll_interval=0.05)
        threading.Thread(target=serve, daemon=True, name="simulator").start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop serving and remove what was written to disk."""
        self._end_workers()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end_workers(self) -> None:
        with self.world.lock:
            self.world.clock.generation += 1
            self.world.faults.clear()
            self.world.poke()

    def reset(self, state: dict[str, Any] | None = None, pve: str | None = None) -> None:
        """Back to the initial state, or on to another one; running workers end, the request log is empty."""
        self._end_workers()
        self._state = self._state if state is None else _copied(state)
        self._pve = pve or self._pve
        self.world = make_world(_copied(self._state), self._pve, self.clock.renewed())
        self.world.fingerprint = self.fingerprint
        self._seen = []

    @property
    def clock(self) -> Clock:
        """The clock: `now()`, `advance(seconds)`; a virtual one also has `advance_to(moment)` and `listeners`."""
        return self.world.clock

    def in_process(self) -> AbstractContextManager[None]:
        """Answer requests of this process to `url` without a connection, as long as the context lasts.

        It concerns every session of the library requests, proxmoxer's among them. Other addresses are not touched.
        """
        return answering(self, self.url)

    def adapter(self) -> Adapter:
        """An adapter that answers in-process, for `session.mount(proxmox.url, proxmox.adapter())`."""
        return Adapter(self)

    def journal(self, what: str | None = None, subject: str | None = None, by: str | None = None) -> list[Entry]:
        """The entries of the journal since the last reset, oldest first; see world.journal.Entry."""
        with self.world.lock:
            return self.world.journal.find(what, subject, by)

    def control(self, name: str, **args: Any) -> None:
        """Bring about a condition or fault; a dash in an argument's name is written as underscore."""
        self.control_step({"control": name} | {key.replace("_", "-"): value for key, value in args.items()})

    def control_step(self, step: dict[str, Any]) -> None:
        """The same with a step as the recordings have it; BadControl (a ValueError) says what is wrong."""
        faults.perform(self.world, step)

    @property
    def crashes(self) -> list[str]:
        """What went wrong inside the simulator itself since the last reset: should be empty."""
        return self.world.crashes

    @property
    def tokens(self) -> dict[str, tuple[str, str]]:
        """Token id (`user@realm!name`) and secret by the token's name in the state."""
        return {name: (token.id, token.secret) for name, token in self.world.tokens.items()}

    def ready(self) -> dict[str, Any]:
        """What one needs to use it: address, trust, tokens, VMs, storages and the parameters of a service."""
        tokens = {name: {"id": token, "secret": secret} for name, (token, secret) in self.tokens.items()}
        guests = [guest for guest in self.vms.values() if not guest.is_template]
        storages = (one.storage for one in self.world.storages.values() if "backup" in one.content)
        found: dict[str, Any] = {
            "url": self.url,
            "fingerprint": self.fingerprint,
            "ca_file": self.ca_file,
            "tokens": tokens,
            "vms": {guest.vmid: {"name": guest.name, "node": guest.node, "status": guest.status} for guest in guests},
            "storages": {one.storage: list(one.content) for one in self.world.storages.values()},
        }
        used = tokens.get("panel") or next(iter(tokens.values()), None)
        if used and guests:
            found["params"] = {
                "serviceid": "1",
                "userid": "1",
                "serverhostname": self.host,
                "serverport": str(self.port),
                "serverusername": used["id"],
                "serverpassword": used["secret"],
                "serversecure": "on",
                "serveraccesshash": self.fingerprint,
                "customfields": {"vmid": str(guests[0].vmid)},
                "configoptions": {"Backups": "3", "Backups storage": next(storages, "")},
            }
        return found

    def note(self, method: str, path: str, given: dict[str, str]) -> Seen:
        """Write down a request that has come in."""
        seen = Seen(method, path, router.template(method, path), given)
        self._seen.append(seen)
        return seen

    def requests(self) -> list[Seen]:
        """The API requests since the last reset, in order of arrival."""
        return list(self._seen)

    def forget(self, before: float) -> None:
        """Drop requests, journal, and the tasks that ended before a time, so that a long run keeps its memory."""
        with self.world.lock:
            self._seen = []
            self.world.journal.entries.clear()
            for task in self.tasks():
                if task.endtime is not None and task.endtime < before:
                    del self.world.tasks[task.upid]

    def count(self, method: str, path: str) -> int:
        """How many requests had this method and path or path template (`*` is anything)."""
        return sum(
            one.method == method and (one.template == path or fnmatchcase(one.path, path)) for one in self._seen
        )

    def report(self) -> dict[str, Any]:
        """Requests by method and path template, and started tasks by type."""
        requests: dict[str, int] = {}
        for one in self._seen:
            key = f"{one.method} {one.template}"
            requests[key] = requests.get(key, 0) + 1
        started: dict[str, int] = {}
        for task in self.tasks():
            started[task.type] = started.get(task.type, 0) + 1
        latest = [
            {"method": one.method, "path": one.path, "params": one.params, "status": one.status}
            for one in self._seen[-200:]
        ]
        return {"requests": requests, "tasks": started, "latest": latest}

    def tasks(self, kind: str | None = None) -> list[Task]:
        """The tasks started since the last reset, oldest first, of one type or all."""
        with self.world.lock:
            return [task for task in self.world.tasks.values() if kind in (None, task.type)]

    @property
    def vms(self) -> dict[int, Guest]:
        """The VMs by VMID."""
        return self.world.guests

    def vm(self, vmid: int) -> Guest:
        """One VM: `.config`, `.running`, `.lock`, `.snapshots`, `.node`; KeyError where there is none."""
        return self.world.guests[vmid]

    def volumes(self, storage: str, content: str | None = "backup") -> list[Volume]:
        """The volumes of a storage on all nodes, archives unless told otherwise, oldest first."""
        with self.world.lock:
            found = [one for one in self.world.volumes.of_storage(storage) if content in (None, one.content)]
        return sorted(found, key=lambda one: (one.ctime, one.name))

    def until(self, ready: Callable[[], Any], seconds: float = 60) -> bool:
        """Wait until a condition holds, for at most so many seconds. A virtual clock moves on meanwhile."""
        if self.clock.virtual:
            with self.world.lock:
                return bool(self.world.wait_for(ready, seconds))
        give_up = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > give_up:
                return False
            time.sleep(0.005)
        return True

    def wait_until_held(self, label: str, seconds: float = 60) -> bool:
        """Wait until a request has met the `hold` with this label."""
        return self.until(lambda: any(one.label == label and one.met for one in self.world.faults), seconds)

    def idle(self, seconds: float = 60) -> bool:
        """Wait until no task runs, for at most so many seconds. A virtual clock moves on meanwhile, up to a week."""
        world = self.world
        limit = WEEK if world.clock.virtual else seconds
        with world.lock:
            return world.wait_for(lambda: not any(one.running for one in world.tasks.values()), limit)


def start(
    pve: str = "9.2",
    state: dict[str, Any] | None = None,
    time_scale: float = 0,
    port: int = 0,
    *,
    virtual_time: float | None = None,
    https: bool = True,
) -> Simulator:
    """Start a simulator; see Simulator."""
    return Simulator(pve, state, time_scale, port, virtual_time=virtual_time, https=https)


__all__ = ["Seen", "Simulator", "calls", "start"]
