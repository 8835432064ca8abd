"""One fault run: a seed decides what people do, what goes wrong, and where processes are killed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from support import world as worlds

from puq_backups import Actor
from puq_backups.clock import tick
from puq_backups.simulator.faults.registry import BadControl

from . import announced, outages, people, processes, repeatable, trouble, virtual
from .boundaries import Boundaries, Killed
from .diary import Diary

ROUNDS = 12
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
    """The world of one run, its dice, and what was done in it. `token`: the name of the token that it uses."""

    seed: int
    world: worlds.World
    clock: virtual.Time
    dice: random.Random
    token: str = "panel"
    boundaries: Boundaries = field(default_factory=Boundaries)
    diary: Diary = field(default_factory=Diary)
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
        token_id, secret = self.world.proxmox.tokens[self.token]
        params = self.world.params(tenant.id, tenant.vmid, tenant.client, **tenant.package)
        return self._answer(function, {**params, "serverusername": token_id, "serverpassword": secret}, None)

    def _answer(self, function: str, params: dict[str, Any], actor: Actor | None) -> str:
        try:
            answer = str(self.world.backups.call(function, params, actor=actor))
        finally:
            self.note_services()
        if answer.startswith(INTERNAL) and not self.diary.faulty:
            self.diary.broken.append(f"0: {function} answered {answer!r}")
        return answer

    def note_services(self) -> None:
        """Note what is so of each service now."""
        rows = self.sql("SELECT id, status, client_id, token, vmid, quota, schedule FROM puq_backups_service")
        for row in rows:
            self.diary.history.note(self.clock.now(), row)

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
        """Count a fault."""
        self.diary.faults[fault] += 1

    def later(self, seconds: float, name: str, **arguments: Any) -> None:
        """Do a control step in so many seconds."""
        self.then(seconds, lambda: self.control(name, **arguments))

    def then(self, seconds: float, work: Callable[[], object]) -> None:
        """Do something in so many seconds."""
        self.pending.append((self.clock.now() + seconds, work))

    def some_vmid(self) -> int:
        """The VM of one of the services."""
        return self.dice.choice(self.tenants).vmid


def play(seed: int, folder: Path, *, rounds: int = ROUNDS) -> Run:
    """Play the run of a seed to its quiet end. Nothing is checked here; see rules.broken."""
    with begun(seed, folder) as run:
        for _ in range(rounds):
            _round(run)
        come_to_rest(run)
        return run


@contextmanager
def begun(seed: int, folder: Path) -> Iterator[Run]:
    """The run of a seed, with its services registered and their first backups made; nothing goes wrong yet."""
    dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
    settings = {
        "bin_hours": dice.choice((0, 24)), "termination_grace": dice.choice((0, 86_400)),
        "staff_email": "staff@example.net", "mail_from": "backups@example.net",
    }  # fmt: skip
    host, begin = outages.Host(), dice.choice(virtual.BEGINNINGS)
    with repeatable.ids(dice), virtual.opened(folder, begin, host=host, **settings) as (world, clock):
        run = Run(seed, world, clock, dice, dice.choice(("panel", "reinstall")), mails=host.mails)
        engine = world.context.database.engine
        with (
            repeatable.log_kept(run.diary), run.boundaries.watched(), run.jobs.kept(),
            run.database.failing(engine, clock.now), announced.watched(run),
        ):  # fmt: skip
            _register(run)
            yield run


def _register(run: Run) -> None:
    for number, vmid in enumerate(run.dice.sample((100, 101, 103), 2), 1):
        package = {
            "backups": run.dice.choice(people.QUOTAS), "rotation": run.dice.choice(("before", "before", "after")),
            "storage": run.dice.choice(people.STORAGES), "template": 9000,
        }  # fmt: skip
        tenant = Tenant(str(number), vmid, f"client{number}", package)
        run.tenants.append(tenant)
        run.diary.quotas[tenant.id] = [int(package["backups"])]
        answer = run.host("CreateAccount", tenant)
        assert answer == "success", answer
        people.save_schedule(run, tenant)
    tick.sync_all(run.world.context)
    # Most of what can be lost is there from the beginning.
    processes.live(run, run.dice.choice((12, 24, 36)) * 3600)


def _round(run: Run) -> None:
    """Faults, a kill somewhere in what follows, what people do, and some hours of life."""
    # An error that was planned and has not come yet may come in this round.
    run.diary.faulty = run.database.kind in {"dropped", "lost-commit"}
    if run.dice.random() < 0.5:
        trouble.pick(run, trouble.FAULTS)(run)
    if run.dice.random() < 0.2:
        trouble.pick(run, outages.OUTAGES)(run)
    run.boundaries.kill_in = run.dice.choice((None, run.dice.randrange(1, 40), run.dice.randrange(1, 200)))
    run.boundaries.meanwhile = lambda: _interfere(run)
    for _ in range(run.dice.choice((1, 1, 2, 3))):
        do_something(run, trouble.pick(run, people.DEEDS))
    processes.live(run, run.dice.choice((60, 600, 14_400, 43_200, 43_200)))


def do_something(run: Run, deed: people.Deed) -> None:
    """Somebody asks for something, unless it is time to regret a suspension or termination."""
    tenant = run.dice.choice(run.tenants)
    found = run.sql("SELECT status FROM puq_backups_service WHERE id = :id", id=tenant.id)
    status = found[0]["status"]
    if status != "active" and run.dice.random() < REGRET:
        deed = people.suspend if status == "suspended" else people.terminate
    answer = "killed"
    try:
        answer = deed(run, tenant)
    except Killed:
        # A web process that is killed answers nobody.
        run.note_services()
    except SQLAlchemyError:
        if not run.diary.faulty:
            raise
    run.diary.deeds[deed.__name__, answer[:30]] += 1


def _interfere(run: Run) -> None:
    """Between two boundaries of one process another one works, or somebody asks for something."""
    chance = run.dice.random()
    if chance < 0.01:
        processes.clock(run)
    elif chance < 0.03:
        processes.worker(run)
    elif chance < 0.06:
        do_something(run, trouble.pick(run, people.DEEDS))


def come_to_rest(run: Run) -> None:
    """All is well again, and nobody asks for anything: what runs ends, and two syncs more than an hour apart."""
    run.boundaries.kill_in = run.boundaries.meanwhile = None
    trouble.heal(run)
    processes.live(run, 86_400)
    for _ in range(3):
        tick.sync_all(run.world.context)
        processes.live(run, 4000)
    run.diary.ended_at = run.clock.now()
    run.diary.collect(run.world, run.token)
