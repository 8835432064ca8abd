"""One fault run: a seed decides what people do, what goes wrong, and where processes are killed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from support import world as worlds

from puq_backups import Actor
from puq_backups.clock import periodic
from puq_backups.simulator.faults.registry import BadControl

from . import (
    actions,
    clock_and_worker,
    destruction_audit,
    injected_faults,
    outages,
    plan,
    registration,
    repeatable,
    virtual_time,
)
from .boundaries import Boundaries, Killed
from .registration import Tenant
from .run_record import RunRecord

ROUNDS = 12
REGRET = 0.6
"""How often a suspension or termination is taken back before anything else is asked for."""
LAST_TURNS = 12
AFTER_SLOT = 7200.0
"""Seconds that a round goes on after the scheduled run that it waited for."""
INTERNAL = "Something went wrong on our side"


@dataclass
class Run:
    """The world of one run, its random choices (`rng`) and its record.

    `token` names the token that it uses; a round does not end before the scheduled run at `slot`. `foreign` are the
    VMIDs that somebody else's VM has just now.
    """

    seed: int
    world: worlds.World
    clock: virtual_time.Time
    rng: random.Random
    token: str = "panel"
    slot: float = 0.0
    foreign: set[int] = field(default_factory=set)
    boundaries: Boundaries = field(default_factory=Boundaries)
    record: RunRecord = field(default_factory=RunRecord)
    jobs: outages.Jobs = field(default_factory=outages.Jobs)
    database: outages.Database = field(default_factory=outages.Database)
    mails: outages.MailServer = field(default_factory=outages.MailServer)
    tenants: list[Tenant] = field(default_factory=list)
    pending: list[tuple[float, Callable[[], object]]] = field(default_factory=list)

    def call(self, function: str, tenant: Tenant, **form: Any) -> str:
        """Call a function as the service's client."""
        return self.call_as(Actor(client_id=tenant.client, name=tenant.client), function, tenant.id, **form)

    def call_as(self, actor: Actor | None, function: str, service_id: str, **form: Any) -> str:
        """Call a function for `actor`; one that failed inside is a broken rule."""
        self.world.host.actor = actor
        return self._answer(function, {"serviceid": service_id, **form}, actor)

    def host(self, function: str, tenant: Tenant) -> str:
        """Call a lifecycle function as the billing application does."""
        return self._answer(function, self.params(tenant), None)

    def params(self, tenant: Tenant) -> dict[str, Any]:
        """What the billing application knows of a service."""
        token_id, secret = self.world.proxmox.tokens[self.token]
        params = self.world.params(tenant.id, tenant.vmid, tenant.client, **tenant.package)
        return params | {"serverusername": token_id, "serverpassword": secret}

    def _answer(self, function: str, params: dict[str, Any], actor: Actor | None) -> str:
        try:
            answer = str(self.world.backups.call(function, params, actor=actor))
        finally:
            self.note_services()
        if answer.startswith(INTERNAL) and not self.record.faulty:
            self.record.broken.append(f"0: {function} answered {answer!r}")
        return answer

    def note_services(self) -> None:
        """Note what is so of each service now."""
        rows = self.sql("SELECT id, status, client_id, token, vmid, quota, schedule FROM puq_backups_service")
        for row in rows:
            self.record.history.note(self.clock.now(), row)

    def sql(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        """The rows of a query, on a connection that no planned error meets."""
        with repeatable.aside(self.world) as connection:
            return [dict(row) for row in connection.execute(text(statement), values).mappings()]

    def control(self, name: str, **arguments: Any) -> bool:
        """Bring about a fault, and count it. Returns whether it could be brought about."""
        # What is already so, or not there any more, cannot be brought about.
        with suppress(BadControl, KeyError):
            self.world.proxmox.control(name, **arguments)
            self.count(name)
            return True
        return False

    def count(self, fault: str) -> None:
        """Count a fault; what ends one is none."""
        if fault not in injected_faults.ENDS:
            self.record.faults[fault] += 1
            self.record.fault_times.append(self.clock.now())

    def later(self, seconds: float, name: str, **arguments: Any) -> None:
        """Do a control step in so many seconds."""
        self.then(seconds, lambda: self.control(name, **arguments))

    def then(self, seconds: float, work: Callable[[], object]) -> None:
        """Do something in so many seconds."""
        self.pending.append((self.clock.now() + seconds, work))

    def some_vmid(self) -> int:
        """The VM of one of the services."""
        return self.rng.choice(self.tenants).vmid


def play(seed: int, folder: Path, *, rounds: int = ROUNDS) -> Run:
    """Play the run of a seed to its quiet end. Nothing is checked here; see rules.broken."""
    with begun(seed, folder) as run:
        for planned in plan.draw(run.rng, rounds):
            _round(run, planned)
        come_to_rest(run)
        return run


@contextmanager
def begun(seed: int, folder: Path) -> Iterator[Run]:
    """The run of a seed, with its services registered and their first backups made; nothing goes wrong yet."""
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
    settings = {
        "bin_hours": rng.choice((0, 24)), "termination_grace": rng.choice((0, 86_400)),
        "manual_counts_as_todays": rng.random() < 0.5,
        "staff_email": "staff@example.net", "mail_from": "backups@example.net",
    }  # fmt: skip
    host, begin = outages.Host(), rng.choice(virtual_time.BEGINNINGS)
    with repeatable.chance(rng), virtual_time.opened(folder, begin, host=host, **settings) as (world, clock):
        run = Run(seed, world, clock, rng, rng.choice(("panel", "reinstall")), mails=host.mails)
        engine = world.context.database.engine
        with (
            repeatable.log_kept(run.record), run.boundaries.watched(), run.jobs.kept(),
            run.database.failing(engine, clock.now), destruction_audit.watched(run),
        ):  # fmt: skip
            registration.register(run)
            yield run


def _round(run: Run, planned: plan.Round) -> None:
    """Faults, a kill somewhere in what follows, what people do, and some hours of life."""
    # An error that was planned and has not come yet may come in this round.
    run.record.faulty = run.database.kind in {"dropped", "lost-commit"}
    for fault in planned.faults:
        fault(run)
    run.boundaries.kill_in = planned.kill_in
    run.boundaries.meanwhile = lambda: _interfere(run)
    for action in planned.actions:
        do_something(run, action)
    if run.slot > run.clock.now():
        _meet_slot(run, planned)
    clock_and_worker.live(run, max(planned.seconds, run.slot + AFTER_SLOT - run.clock.now()))


def _meet_slot(run: Run, planned: plan.Round) -> None:
    """Faults right before the scheduled run that is waited for, and a kill in it."""
    seconds = run.slot - planned.ahead - run.clock.now()
    for fault in planned.at_slot:
        run.then(seconds, partial(fault, run))
    run.then(seconds, partial(setattr, run.boundaries, "kill_in", planned.kill_in))


def do_something(run: Run, action: actions.Action) -> None:
    """Somebody asks for something, unless it is time to regret a suspension or termination."""
    tenant = run.rng.choice(run.tenants)
    found = run.sql("SELECT status FROM puq_backups_service WHERE id = :id", id=tenant.id)
    status = found[0]["status"]
    if status != "active" and run.rng.random() < REGRET:
        action = actions.suspend if status == "suspended" else actions.terminate
    answer = "killed"
    try:
        answer = action(run, tenant)
    except Killed:
        # A web process that is killed answers nobody.
        run.note_services()
    except SQLAlchemyError:
        if not run.record.faulty:
            raise
    run.record.answers[action.__name__, answer[:30]] += 1


def _interfere(run: Run) -> None:
    """Between two boundaries of one process another one works, or somebody asks for something.

    In a context of its own: to a process it is unknown what another one has committed.
    """
    copy_context().run(_act, run)


def _act(run: Run) -> None:
    chance = run.rng.random()
    if chance < 0.01:
        clock_and_worker.clock(run)
    elif chance < 0.03:
        clock_and_worker.worker(run)
    elif chance < 0.06:
        do_something(run, plan.by_weight(run.rng, actions.ACTIONS))


def come_to_rest(run: Run) -> None:
    """All is well again, and nobody asks for anything: what runs ends, and two syncs more than an hour apart."""
    run.boundaries.kill_in = run.boundaries.meanwhile = None
    injected_faults.heal(run)
    clock_and_worker.live(run, 86_400)
    for _ in range(3):
        periodic.sync_all(run.world.context)
        clock_and_worker.live(run, 4000)
    # A slot that comes right at the end has its time too.
    for _ in range(LAST_TURNS):
        if run.sql(clock_and_worker.LIVE):
            clock_and_worker.live(run, 600)
    run.record.ended_at = run.clock.now()
    run.record.collect(run.world, run.token)
