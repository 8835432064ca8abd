"""One fault run: a seed decides what people do, what goes wrong, and where processes are killed."""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from sqlalchemy import select
from support import world as worlds

from puq_backups import Actor, jobs
from puq_backups.clock import tick
from puq_backups.models import ACTIVE_STATES, Operation
from puq_backups.operations import queue
from puq_backups.simulator.faults.registry import BadControl

from . import people, trouble, virtual
from .boundaries import Boundaries, Killed
from .diary import Diary

ROUNDS = 12
QUIET = 3600.0
"""Seconds between two ticks while nothing runs."""
BUSY = 20.0
"""Seconds between two rounds of clock and worker after something has moved; they double while nothing does."""
REGRET = 0.6
"""How often a suspension or termination is taken back before anything else is asked for."""
INTERNAL = "Something went wrong on our side"


@dataclass
class Tenant:
    """A service and its client, with the package as it was last ordered."""

    id: str
    vmid: int
    client: str
    package: dict[str, Any]


@dataclass
class Run:
    """The world of one run, its dice, and what was done in it."""

    seed: int
    world: worlds.World
    clock: virtual.Time
    dice: random.Random
    boundaries: Boundaries = field(default_factory=Boundaries)
    diary: Diary = field(default_factory=Diary)
    tenants: list[Tenant] = field(default_factory=list)
    pending: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)

    def call(self, function: str, tenant: Tenant, **form: Any) -> str:
        """Call a function as the service's client."""
        return self.call_as(Actor(client_id=tenant.client, name=tenant.client), function, tenant.id, **form)

    def call_as(self, actor: Actor | None, function: str, service_id: str, **form: Any) -> str:
        """Call a function for `actor`; one that failed inside is a broken rule."""
        self.world.host.actor = actor
        answer = str(self.world.backups.call(function, {"serviceid": service_id, **form}, actor=actor))
        if answer.startswith(INTERNAL):
            self.diary.broken.append(f"0: {function} answered {answer!r}")
        return answer

    def host(self, function: str, tenant: Tenant) -> str:
        """Call a lifecycle function as the billing application does."""
        params = self.world.params(tenant.id, tenant.vmid, tenant.client, **tenant.package)
        answer = str(self.world.backups.call(function, params))
        if answer.startswith(INTERNAL):
            self.diary.broken.append(f"0: {function} answered {answer!r}")
        if answer == "success":
            self.diary.status(tenant.id, function, self.clock.now())
        return answer

    def control(self, name: str, **arguments: Any) -> None:
        """Bring about a fault, and count it."""
        # What is already so, or not there any more, cannot be brought about.
        with suppress(BadControl, KeyError):
            self.world.proxmox.control(name, **arguments)
            self.diary.faults[name] += 1

    def later(self, seconds: float, name: str, **arguments: Any) -> None:
        """Do a control step in so many seconds."""
        self.pending.append((self.clock.now() + seconds, name, arguments))

    def some_vmid(self) -> int:
        """The VM of one of the services."""
        return self.dice.choice(self.tenants).vmid


def play(seed: int, folder: Path, *, rounds: int = ROUNDS) -> Run:
    """Play the run of a seed to its quiet end. Nothing is checked here; see rules.broken."""
    dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
    settings = {"bin_hours": dice.choice((0, 24)), "termination_grace": dice.choice((0, 86_400))}
    with _same_ids(dice), virtual.opened(folder, **settings) as (world, clock):
        run = Run(seed, world, clock, dice)
        with _log_kept(run.diary), run.boundaries.watched():
            _register(run)
            for _ in range(rounds):
                _round(run)
            _come_to_rest(run)
            run.diary.collect(world)
        return run


@contextmanager
def _same_ids(dice: random.Random) -> Iterator[None]:
    """Draw ids from the seed too: rows of the same moment are ordered by them."""
    own = random.Random(dice.random())  # noqa: S311 - repeatable on purpose

    def drawn() -> uuid.UUID:
        return uuid.UUID(int=own.getrandbits(128), version=4)

    with mock.patch.object(uuid, "uuid4", drawn):
        yield


@contextmanager
def _log_kept(diary: Diary) -> Iterator[None]:
    handler, root = logging.Handler(), logging.getLogger("puq_backups")
    handler.emit = diary.log  # type: ignore[method-assign]
    before, root.propagate = root.propagate, False
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.propagate = before


def _register(run: Run) -> None:
    for number, vmid in enumerate(run.dice.sample((100, 101, 103), 2), 1):
        package = {
            "backups": run.dice.choice(people.QUOTAS), "rotation": run.dice.choice(("before", "before", "after")),
            "storage": run.dice.choice(people.STORAGES),
        }  # fmt: skip
        tenant = Tenant(str(number), vmid, f"client{number}", package)
        run.tenants.append(tenant)
        run.diary.quotas[tenant.id] = [int(package["backups"])]
        run.world.register(tenant.id, vmid, tenant.client, **package)
        run.diary.status(tenant.id, "CreateAccount", run.clock.now())
        people.save_schedule(run, tenant)
    tick.sync_all(run.world.context)
    # Most of what can be lost is there from the beginning.
    _live(run, run.dice.choice((12, 24, 36)) * 3600)


def _round(run: Run) -> None:
    """Faults, a kill somewhere in what follows, what people do, and some hours of life."""
    if run.dice.random() < 0.4:
        _pick(run, trouble.FAULTS)(run)
    run.boundaries.kill_in = run.dice.choice((None, run.dice.randrange(1, 40), run.dice.randrange(1, 200)))
    run.boundaries.meanwhile = lambda: _interfere(run)
    for _ in range(run.dice.choice((1, 1, 2, 3))):
        _do_something(run)
    _live(run, run.dice.choice((60, 600, 3600, 14_400, 43_200)))


def _pick(run: Run, weights: dict[Any, int]) -> Any:
    return run.dice.choices(list(weights), list(weights.values()))[0]


def _do_something(run: Run) -> None:
    tenant, deed = run.dice.choice(run.tenants), _pick(run, people.DEEDS)
    status = run.world.service(tenant.id).status
    if status != "active" and run.dice.random() < REGRET:
        deed = people.suspend if status == "suspended" else people.terminate
    # A web process that is killed answers nobody.
    with suppress(Killed):
        run.diary.deeds[deed.__name__, deed(run, tenant)[:30]] += 1


def _interfere(run: Run) -> None:
    """Between two boundaries of one process another one works, or somebody asks for something."""
    chance = run.dice.random()
    if chance < 0.01:
        tick.tick(run.world.context)
    elif chance < 0.03:
        _work(run)
    elif chance < 0.06:
        _do_something(run)


def _live(run: Run, seconds: float) -> None:
    """Let clock and worker run for so long: in short turns while something moves, else in ever longer ones."""
    end, turn, before = run.clock.now() + seconds, BUSY, None
    while run.clock.now() < end:
        _survive(run, _tick)
        _survive(run, _work)
        _undo_due(run)
        seen = _seen(run)
        turn = BUSY if seen != before else min(turn * 2, QUIET)
        before = seen
        run.clock.advance(min(turn if seen else QUIET, end - run.clock.now()))


def _survive(run: Run, work: Callable[[Run], None]) -> None:
    """Run a process that may be killed."""
    with suppress(Killed):
        work(run)


def _tick(run: Run) -> None:
    run.diary.ticks += 1
    tick.tick(run.world.context)


def _work(run: Run) -> None:
    """What the worker does with the jobs that were rung for."""
    with run.world.context.database.open() as session:
        due = queue.due(session, anyway=True)
    with run.world.app.app_context():
        for operation_id in [one.id for one in due if not one.polled]:
            jobs.advance(operation_id)
        for place in sorted({one.place for one in due if one.polled}):
            jobs.poll(*place)


def _seen(run: Run) -> list[Any]:
    """What moves: the live operations with state, step and attempt."""
    columns = (Operation.id, Operation.state, Operation.step, Operation.attempts)
    with run.world.context.database.open() as session:
        found = session.execute(select(*columns).where(Operation.state.in_(ACTIVE_STATES)).order_by(Operation.id))
        return [tuple(row) for row in found]


def _undo_due(run: Run) -> None:
    at = run.clock.now()
    for moment, name, arguments in [one for one in run.pending if one[0] <= at]:
        run.pending.remove((moment, name, arguments))
        with suppress(BadControl):
            run.world.proxmox.control(name, **arguments)


def _come_to_rest(run: Run) -> None:
    """All is well again, and nobody asks for anything: what runs ends, and two syncs more than an hour apart."""
    run.boundaries.kill_in = run.boundaries.meanwhile = None
    trouble.heal(run)
    _live(run, 86_400)
    for _ in range(3):
        tick.sync_all(run.world.context)
        _live(run, 4000)
